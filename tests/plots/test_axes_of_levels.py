"""Content of figures of levels: hydrographs and panels of all models."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from gwforecast import plots
from gwforecast.plots import style
from gwforecast.sequences.split import split_by_date, split_by_fraction

# hydrograph


def test_observed_levels_are_drawn_as_they_are_with_their_gaps(observations, line_named):
    line = line_named(plots.hydrograph(observations), "observed")
    assert_array_equal(line.get_ydata(), observations["level"].values[0])
    assert np.isnan(line.get_ydata()).any()
    assert to_hex(line.get_color()).upper() == style.OBSERVED
    assert line.get_marker() == "None"


def test_dips_are_dots_that_no_line_joins(dips, line_named):
    line = line_named(plots.hydrograph(dips), "observed")
    assert line.get_linestyle() == "None"
    assert_array_equal(line.get_ydata(), dips["level"].values[dips["level"].notnull().values])


def test_a_level_that_stands_alone_is_a_dot(observations):
    observations["level"][0, 1000:1021] = np.nan
    observations["level"][0, 1010] = 20.5
    dots = [line for line in plots.hydrograph(observations).lines if line.get_marker() == "o"]
    assert [line.get_ydata().tolist() for line in dots] == [[20.5]]


def test_the_prediction_begins_with_the_test_period(
    observations, predictions, split, line_named, labels
):
    ax = plots.hydrograph(observations, predictions, split=split)
    line = line_named(ax, "predicted, LSTM")
    start = split.start("test").sel(well="well 1").values
    after = observations["time"].values >= start
    expected = predictions["level"].sel(model="lstm", well="well 1", quantile=0.5).values
    assert_array_equal(line.get_ydata()[after], expected[after])
    assert np.isnan(line.get_ydata()[~after]).all()
    assert to_hex(line.get_color()).upper() == style.PREDICTED
    assert "95 % interval" in labels(ax)


def test_without_a_test_period_the_prediction_begins_after_the_last(
    observations, predictions, line_named
):
    split = split_by_fraction(observations, train=0.7, validation=0.3)
    cut = predictions["time"].values[-101]
    observations["level"] = observations["level"].where(observations["time"] <= cut)
    split = split_by_fraction(observations, train=0.7, validation=0.3)
    drawn = line_named(plots.hydrograph(observations, predictions, split=split), "predicted")
    assert np.isfinite(drawn.get_ydata()).sum() == 100


def test_the_interval_holds_its_bounds(observations, predictions):
    ax = plots.hydrograph(observations, predictions)
    band = next(c for c in ax.collections if c.get_label() == "95 % interval")
    heights = band.get_paths()[0].vertices[:, 1]
    outer = predictions["level"].sel(quantile=[0.025, 0.975])
    assert heights.min() == pytest.approx(float(outer.min()))
    assert heights.max() == pytest.approx(float(outer.max()))


def test_a_model_without_an_interval_has_none_in_the_legend(observations, predictions, labels):
    central = predictions.where(predictions["quantile"] == 0.5)
    assert labels(plots.hydrograph(observations, central)) == [
        "observed",
        "predicted, LSTM",
        "rain",
    ]


def test_rain_hangs_from_the_top_and_above_all_levels(observations, predictions, rain_axes):
    ax = plots.hydrograph(observations, predictions)
    hung = rain_axes(ax)
    bottom, top = hung.get_ylim()
    assert top == 0 < bottom
    assert hung.get_ylabel() == "rain [mm/week]"
    lowest_rain = 1 - max(bar.get_height() for bar in hung.patches) / bottom
    low, high = ax.get_ylim()
    highest = max(float(predictions["level"].max()), float(observations["level"].max()))
    assert (highest - low) / (high - low) < lowest_rain
    assert all(to_hex(bar.get_facecolor()).upper() == style.RAIN_BARS for bar in hung.patches)


def test_missing_rain_is_named(observations, labels):
    observations["rain"][0, 200:300] = np.nan
    ax = plots.hydrograph(observations)
    assert labels(ax) == ["observed", "rain", "rain missing"]


def test_axes_carry_units_and_datum(observations):
    assert plots.hydrograph(observations).get_ylabel() == "level [m above NAP]"
    del observations["level"].attrs["vertical_datum"]
    assert plots.hydrograph(observations).get_ylabel() == "level [m]"


def test_periods_are_shaded_and_named(observations, predictions, split):
    ax = plots.hydrograph(observations, predictions, split=split)
    assert [text.get_text() for text in ax.texts] == ["train", "validation", "test"]
    for text, period in zip(ax.texts, ("train", "validation", "test"), strict=True):
        start, end = split.bounds[period].sel(well="well 1").values
        assert_allclose(text.xy[0], np.mean(dates.date2num([start, end])))


def test_narrow_periods_have_short_names_that_do_not_meet(observations, boxes):
    split = split_by_date(observations, validation_start="2014-10-01", test_start="2015-02-01")
    ax = plots.hydrograph(observations, split=split)
    assert [text.get_text() for text in ax.texts] == ["train", "val.", "test"]
    ax.figure.draw_without_rendering()
    train, validation, test = boxes(ax.texts, ax.figure)
    assert train.x1 < validation.x0 < validation.x1 < test.x0


def test_a_period_is_shown_by_its_name(observations, predictions, split):
    ax = plots.hydrograph(observations, predictions, split=split, period="validation")
    start, end = dates.date2num(split.bounds["validation"].sel(well="well 1").values)
    assert_allclose(ax.get_xlim(), [start, end], atol=0.01 * (end - start))
    assert [text.get_text() for text in ax.texts] == ["validation"]


def test_what_is_missing_is_left_out(observations, labels):
    ax = plots.hydrograph(observations.drop_vars("rain"))
    assert ax.figure.axes == [ax]
    assert labels(ax) == ["observed"]
    assert not ax.texts


@pytest.mark.parametrize(
    ("frequency", "steps"),
    [("D", 30), ("D", 90), ("D", 400), ("D", 1200), ("D", 22000), ("W-SUN", 3000), ("ME", 240)],
)
def test_nothing_overlaps_or_is_cut_whatever_the_length(make, frequency, steps, boxes, shown_ticks):
    observations = make["observations"](steps=steps, frequency=frequency, start="1960-01-31")
    predictions = make["predictions"](observations)
    split = split_by_fraction(observations)
    ax = plots.hydrograph(observations, predictions, split=split, note="test: NSE 0.85")
    ticks = shown_ticks(ax)
    assert 3 <= len(ticks) <= 12
    found = boxes(ticks, ax.figure)
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(found))
    levels = boxes(shown_ticks(ax, "y"), ax.figure)
    assert len(levels) >= 3
    assert all(a.y1 < b.y0 for a, b in itertools.pairwise(levels))
    renderer = ax.figure.canvas.get_renderer()
    legend = ax.get_legend().get_window_extent(renderer)
    below = min([*(box.y0 for box in found), ax.get_window_extent(renderer).y0])
    assert legend.y1 < below
    offset = ax.xaxis.get_offset_text()
    assert not offset.get_text() or legend.y1 < offset.get_window_extent(renderer).y0
    paper = ax.figure.bbox
    tight = ax.figure.get_tightbbox(renderer).transformed(ax.figure.dpi_scale_trans)
    assert paper.x0 <= tight.x0 < tight.x1 <= paper.x1
    assert paper.y0 <= tight.y0 < tight.y1 <= paper.y1


def test_a_level_that_never_changes_is_drawn(observations):
    observations["level"][:] = 3.0
    low, high = plots.hydrograph(observations).get_ylim()
    assert low < 3.0 < high


def test_levels_far_above_the_datum_are_written_whole(observations, predictions, shown_ticks):
    observations["level"] = 1234.5 + 1e-4 * observations["level"]
    predictions["level"] = 1234.5 + 1e-4 * predictions["level"]
    for ax in (
        plots.hydrograph(observations, predictions),
        plots.observed_predicted(observations, predictions),
        *plots.all_models(observations, predictions),
    ):
        texts = [tick.get_text() for tick in shown_ticks(ax, "y")]
        assert texts
        assert all(text.startswith("1234.") for text in texts)
        assert ax.yaxis.get_offset_text().get_text() == ""


@pytest.mark.parametrize(("frequency", "steps"), [("D", 300), ("W-MON", 30), ("MS", 24)])
def test_shades_of_periods_meet_unless_a_gap_lies_between(make, frequency, steps):
    observations = make["observations"](steps=steps, frequency=frequency)
    for gap in (0, 2):
        split = split_by_fraction(observations, gap=gap)
        ax = plots.hydrograph(observations.drop_vars("rain"), split=split)
        shades = [patch.get_extents().transformed(ax.transData.inverted()) for patch in ax.patches]
        ends = [shade.x1 for shade in shades[:-1]]
        begins = [shade.x0 for shade in shades[1:]]
        starts = [split.start(p).values[0] for p in ("validation", "test")]
        assert_allclose(begins, dates.date2num(starts), rtol=1e-9)
        if gap:
            assert all(end < begin for end, begin in zip(ends, begins, strict=True))
        else:
            assert_allclose(ends, begins, rtol=1e-9)


def test_what_is_observed_is_seen_where_the_prediction_agrees(
    observations, predictions, line_named
):
    ax = plots.hydrograph(observations, predictions)
    above, below = line_named(ax, "observed"), line_named(ax, "predicted")
    assert above.get_zorder() > below.get_zorder()
    assert above.get_linewidth() < below.get_linewidth()


# all models


def test_each_model_has_a_panel_with_the_same_axes(observations, make, split):
    names = ("lstm", "mlp", "climatology")
    predictions = make["predictions"](observations, models=names)
    axes = plots.all_models(observations, predictions, split=split, best="mlp")
    assert [ax.get_title(loc="left") for ax in axes] == ["LSTM", "MLP", "climatology"]
    assert len({ax.get_ylim() for ax in axes}) == 1
    start, end = dates.date2num(split.bounds["test"].sel(well="well 1").values)
    assert_allclose(axes[0].get_xlim(), [start, end], atol=0.01 * (end - start))
    widths = [ax.spines["left"].get_linewidth() for ax in axes]
    assert widths[1] > widths[0] == widths[2]


def test_one_poor_model_does_not_flatten_the_others(observations, make, split):
    predictions = make["predictions"](observations, models=("lstm", "drift"))
    predictions["level"].loc[{"model": "drift"}] += 1000.0
    ax, _ = plots.all_models(observations, predictions, split=split)
    inside = split.levels(observations, "test")
    reach = float(inside.max() - inside.min())
    assert ax.get_ylim()[1] - ax.get_ylim()[0] < 2.5 * reach


def test_without_a_test_period_the_validation_period_is_shown(observations, make):
    predictions = make["predictions"](observations, models=("lstm", "mlp"))
    split = split_by_fraction(observations, train=0.8, validation=0.2)
    ax = plots.all_models(observations, predictions, split=split)[0]
    start, end = dates.date2num(split.bounds["validation"].sel(well="well 1").values)
    assert_allclose(ax.get_xlim(), [start, end], atol=0.01 * (end - start))
    low, high = ax.get_ylim()
    inside = split.levels(observations, "validation")
    assert low < float(inside.min()) < float(inside.max()) < high


def test_panels_end_with_their_period(observations, predictions, split, line_named):
    known = observations["time"] <= observations["time"][1800]
    split = split_by_fraction(observations.assign(level=observations["level"].where(known)))
    (ax,) = plots.all_models(observations, predictions, split=split)
    expected = predictions["level"].sel(model="lstm", well="well 1", quantile=0.5)
    edges = split.bounds["test"].sel(well="well 1").values
    drawn = line_named(ax, "predicted").get_ydata()
    assert_array_equal(drawn, expected.sel(time=slice(*edges)).values)


def test_panels_without_a_level_have_the_range_of_all_levels(observations, make):
    predictions = make["predictions"](observations, models=("lstm", "mlp"))
    late = observations["time"] >= observations["time"][1500]
    unseen = observations.assign(level=observations["level"].where(~late))
    ax = plots.all_models(unseen, predictions.where(late))[0]
    low, high = ax.get_ylim()
    assert float(unseen["level"].min()) - 1 < low < high < float(unseen["level"].max()) + 1.5


def test_fewer_axes_than_models_are_refused(observations, make):
    predictions = make["predictions"](observations, models=("lstm", "mlp"))
    with pytest.raises(ValueError, match="Received 1 axes for 2 models"):
        plots.all_models(observations, predictions, axes=[plt.subplots()[1]])


def test_names_of_models_beside_their_scores_are_whole(observations, make, split, boxes):
    names = ("climatology", "seasonal_naive", "persistence")
    predictions = make["predictions"](observations, models=names)
    notes = dict.fromkeys(names, "test: NSE -0.31, RMSE 0.123 m")
    axes = plots.all_models(observations, predictions, split=split, notes=notes)
    assert [ax.get_title(loc="left") for ax in axes] == [n.replace("_", " ") for n in names]
    axes[0].figure.draw_without_rendering()
    for ax in axes:
        left, right = boxes([ax._left_title, ax._right_title], ax.figure)
        assert left.x1 < right.x0


def test_panels_are_in_the_order_of_their_errors(observations, make, split):
    names = ("persistence", "linear", "lstm")
    predictions = make["predictions"](observations, models=names[::-1]).sel(model=list(names))
    axes = plots.all_models(observations, predictions, split=split)
    assert [ax.get_title(loc="left") for ax in axes] == ["LSTM", "linear", "persistence"]
    given = plots.all_models(observations, predictions, split=split, models=names)
    assert [ax.get_title(loc="left") for ax in given] == ["persistence", "linear", "LSTM"]


def test_predictions_outside_the_panels_are_marked(observations, predictions, split):
    levels = split.levels(observations, "test")
    low, high = float(levels.min()), float(levels.max())
    quiet = predictions.where((predictions > low) & (predictions < high))
    for shown, marked in ((quiet, False), (predictions + 30.0, True)):
        ax = plots.all_models(observations, shown, split=split)[0]
        marks = [line for line in ax.lines if line.get_label() == "continues outside the axes"]
        assert bool(marks) == marked
    assert len(marks) == 1
    assert set(marks[0].get_ydata()) == {1.0}
    assert len(marks[0].get_xdata()) >= 5


def test_the_model_is_named_and_may_be_omitted_where_there_is_one(observations, make):
    one = make["predictions"](observations, models=("arma_regression",))
    assert plots.hydrograph(observations, one).get_title(loc="left") == "well 1, ARMA regression"
    two = make["predictions"](observations, models=("lstm", "mlp"))
    with pytest.raises(ValueError, match=r"Received 2 models; there are lstm, mlp\. Choose one"):
        plots.hydrograph(observations, two)
    bare = two.sel(model="mlp", drop=True)
    ax = plots.hydrograph(observations, bare)
    assert ax.get_title(loc="left") == "well 1"
    assert "predicted" in [text.get_text() for text in ax.get_legend().get_texts()]
