"""Content of figures of scores, classes, data availability and hyperparameter searches."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import dates
from numpy.testing import assert_allclose, assert_array_equal

from gwforecast import plots
from gwforecast.verification.probabilistic import coverage_range

# scores


@pytest.mark.parametrize("wells", [1, 30])
@pytest.mark.parametrize("metric", ["nse", "rmse"])
def test_models_are_in_the_order_of_their_scores(make, wells, metric, names_of):
    scores = make["scores"](wells=wells).sample(frac=1.0, random_state=0)
    ax = plots.score_comparison(scores, metric=metric)
    assert names_of(ax) == ["LSTM", "MLP", "climatology", "persistence", "drift"]
    values = scores[scores["metric"] == metric].groupby("model")["value"].median()
    digits = 2 if metric == "nse" else 3
    texts = [text.get_text() for text in ax.texts]
    assert texts[0] == f"{values['lstm']:.{digits}f}"
    assert texts[-1] == "no score"
    n = "400" if wells == 1 else "12\N{THIN SPACE}000"
    assert ax.get_title(loc="right") == f"test period, n = {n}"


def test_poor_scores_are_arrows_at_the_edge(make, line_named, labels):
    ax = plots.score_comparison(make["scores"](wells=30))
    assert ax.get_xlim()[0] >= -1.1
    assert labels(ax) == ["well", "median", "well below \N{MINUS SIGN}1"]
    arrows = line_named(ax, "well below")
    assert arrows.get_marker() == "<"
    assert len(arrows.get_xdata()) == 30


def test_coverage_is_best_at_what_it_promises(names_of):
    scores = pd.DataFrame(
        {
            "model": ["wide", "right", "narrow"],
            "well": "a",
            "period": "test",
            "metric": "coverage_95",
            "value": [1.0, 0.94, 0.5],
            "n": 100,
        }
    )
    ax = plots.score_comparison(scores, metric="coverage_95")
    assert names_of(ax) == ["right", "wide", "narrow"]
    assert ax.get_xlabel() == "coverage of the 95 % interval"


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("bias", "bias [m]"),
        ("kge", "KGE"),
        ("pbias", "PBIAS [%]"),
        ("interval_score_80", "interval score of the 80 % interval [m]"),
        ("skill_rmse", "RMSE skill"),
        ("crps", "CRPS [m]"),
        ("own", "own"),
    ],
)
def test_metrics_are_named_with_their_units(make, metric, label):
    scores = make["scores"](wells=2).assign(metric=metric)
    assert plots.score_comparison(scores, metric=metric).get_xlabel() == label


def test_a_metric_that_is_not_there_is_refused(make):
    with pytest.raises(
        ValueError, match=r"Received metric 'kge'.* there are the metrics nse, rmse"
    ):
        plots.score_comparison(make["scores"](wells=1), metric="kge")


def test_a_period_that_is_not_scored_is_refused(make):
    scores = make["scores"](wells=1)
    unscored = scores.assign(period="train", value=np.nan)
    with pytest.raises(ValueError, match=r"period 'train'; there are the periods test\. Choose"):
        plots.score_comparison(pd.concat([unscored, scores]), period="train")


def test_coverage_from_scores_is_coverage_from_shares():
    scores = pd.DataFrame(
        {
            "model": "lstm",
            "well": "a",
            "period": "test",
            "metric": ["coverage_95", "coverage_80"],
            "value": [0.9, 0.7],
            "n": 10,
        }
    )
    shares = pd.DataFrame({"nominal": [0.8, 0.95], "observed": [0.7, 0.9]})
    for table in (scores, shares):
        line = plots.interval_coverage(table).lines[1]
        assert_allclose(line.get_xdata(), [0.8, 0.95])
        assert_allclose(line.get_ydata(), [0.7, 0.9])


@pytest.mark.parametrize(("wells", "who"), [(["a"], "a"), (["a", "b"], "2 wells")])
def test_coverage_from_scores_names_wells_and_period(wells, who):
    columns = {"model": "lstm", "metric": "coverage_95", "value": 0.9, "n": 10}
    scores = pd.DataFrame(
        [columns | {"well": w, "period": p} for w in wells for p in ("validation", "test")]
    )
    ax = plots.interval_coverage(scores, period="validation")
    assert ax.get_title(loc="left") == who
    assert ax.get_title(loc="right") == f"validation period, n = {10 * len(wells)}"


def test_coverage_takes_shares_and_not_percentages():
    with pytest.raises(ValueError, match=r"Received 95\. Divide"):
        plots.interval_coverage(pd.DataFrame({"nominal": [95.0], "observed": [0.9]}))
    with pytest.raises(ValueError, match="Received none for period 'test'"):
        plots.interval_coverage(pd.DataFrame({"nominal": [], "observed": []}))


def test_coverage_by_year_shows_each_year_and_its_range():
    table = pd.DataFrame(
        {"model": "lstm", "well": "a", "nominal": 95.0, "year": ["2014", "2015", "all"],
         "value": [1.0, 0.8, 0.9], "lower": 0.0, "upper": 1.0, "independent": 10.0,
         "n": [20, 20, 40]}
    )  # fmt: skip
    for shown, label in ((table, "LSTM"), (table.assign(lead=13), "lead time of 13 steps")):
        ax = plots.coverage_by_year(shown)
        points = next(line for line in ax.lines if len(line.get_ydata()) == 3)
        assert_allclose(points.get_ydata(), [1.0, 0.8, 0.9])
        bars = ax.collections[0].get_segments()
        assert_allclose(bars[1][:, 1], coverage_range(0.8, 10.0))
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2014", "2015", "all years"]
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["nominal", label]
    with pytest.raises(ValueError, match=r"coverages of the 60 % interval\. Received none"):
        plots.coverage_by_year(table, nominal=60.0)


# classes and gaps


def test_areas_of_classes_fill_the_probability(observations, make):
    probability, observed = make["probability"](observations)
    ax = plots.classes(probability, observed=observed)
    assert len(ax.collections) == 3
    heights = np.concatenate([p.vertices[:, 1] for c in ax.collections for p in c.get_paths()])
    assert heights.min() == 0.0
    assert heights.max() == pytest.approx(1.0)
    assert all(len(c.get_paths()) == 2 for c in ax.collections)  # broken where there is none
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    counts = [len(line.get_xdata()) for line in dots]
    assert counts == [int((observed == k).sum()) for k in range(3)]
    assert min(line.get_ydata().min() for line in dots) > 1.0


def test_classes_are_three(observations, make):
    probability, _ = make["probability"](observations)
    with pytest.raises(ValueError, match="Received 2: below, near"):
        plots.classes(probability.isel({"class": [0, 1]}))


def bars(ax, row):
    return [path.get_extents().intervalx for path in ax.collections[row].get_paths()]


def test_bars_are_broken_where_data_are_missing(observations, names_of):
    ax = plots.gaps(observations)
    assert names_of(ax) == ["level", "rain", "temperature"]
    days = dates.date2num(observations["time"].values)
    assert_allclose(bars(ax, 0), [[days[0], days[400]], [days[500], days[-1] + 1]])
    assert_allclose(bars(ax, 1), [[days[0], days[-1] + 1]])
    assert [text.get_text() for text in ax.texts] == ["n = 1\N{THIN SPACE}900", "100 %", "100 %"]


def test_dips_are_one_bar_up_to_a_gap(dips):
    found = bars(plots.gaps(dips), 0)
    assert len(found) == 2
    assert found[0][1] - found[0][0] > 300


def test_a_covariate_of_many_wells_is_there_where_all_have_it(make, names_of):
    observations = make["observations"](wells=3)
    observations["rain"][2, 1000:1200] = np.nan
    observations["level"][1] = np.nan
    ax = plots.gaps(observations)
    assert names_of(ax) == ["well 1", "well 2", "well 3", "rain", "temperature"]
    assert [text.get_text() for text in ax.texts][1::2] == ["n = 0", "90.0 %"]
    assert names_of(plots.gaps(observations, well="well 3"))[0] == "level"


def test_more_wells_than_a_page_has_lines_are_drawn_on_a_page(
    observations, boxes, shown_ticks, names_of
):
    wells = 200
    many = observations.isel(well=np.zeros(wells, int)).assign_coords(
        well=[f"w{number}" for number in range(wells)]
    )
    ax = plots.gaps(many)
    assert ax.figure.get_figheight() < 11
    assert len(ax.collections) == wells + 2
    assert names_of(ax) == [*(f"w{number}" for number in range(0, wells, 5)), "rain", "temperature"]
    texts = boxes(shown_ticks(ax, "y"), ax.figure)
    assert all(a.y0 > b.y1 for a, b in itertools.pairwise(texts))


def test_coverages_that_lie_close_together_fill_the_axes():
    shares = pd.DataFrame({"nominal": [0.8, 0.95], "observed": [0.85, 0.9]})
    ax = plots.interval_coverage(shares)
    assert ax.get_xlim() == pytest.approx((0.75, 1.0))
    assert ax.get_ylim() == pytest.approx((0.75, 1.005))
    ax = plots.interval_coverage(shares.assign(observed=[0.02, 0.1]))
    assert ax.get_xlim() == pytest.approx((0.75, 1.0))
    assert ax.get_ylim() == (0.0, 1.005)


def test_points_of_equal_coverage_do_not_hide_each_other(boxes):
    shares = pd.concat(
        pd.DataFrame({"model": f"m{n}", "nominal": [0.8, 0.95], "observed": [0.75, 0.9]})
        for n in range(4)
    )
    ax = plots.interval_coverage(shares)
    ax.figure.draw_without_rendering()
    x = np.sort(np.concatenate([line.get_xdata() for line in ax.lines]))
    apart = np.diff(x) / np.diff(ax.get_xlim()) * ax.bbox.width / ax.figure.dpi * 72
    assert (apart > 4.5).all(), "a marker is 5 points wide"


def test_classes_of_other_names_keep_them(observations, make, labels):
    probability, _ = make["probability"](observations)
    ax = plots.classes(probability.assign_coords({"class": ["dry", "usual", "wet"]}))
    assert labels(ax) == ["dry", "usual", "wet"]
    assert labels(plots.classes(probability))[0] == "below normal"


# a search


def test_the_best_so_far_never_falls_and_ends_at_the_best(make, line_named):
    trials, space = make["trials"]()
    ax = plots.tuning(trials, space=space)[0]
    so_far = line_named(ax, "best so far").get_ydata()
    complete = trials[trials["state"] == "complete"]
    assert (np.diff(so_far) >= 0).all()
    assert so_far[-1] == complete["value"].max()
    ring = next(line for line in ax.lines if line.get_label() == "best")
    assert_array_equal(ring.get_xdata(), [complete["value"].idxmax()])
    falling = plots.tuning(trials.assign(value=-trials["value"]), space={}, metric="rmse")[0]
    assert_array_equal(line_named(falling, "best so far").get_ydata(), -so_far)


def test_every_trial_stands_against_every_setting(make):
    trials, space = make["trials"]()
    axes = plots.tuning(trials, space=space)
    assert [ax.get_xlabel() for ax in axes[1:]] == [name.replace("_", " ") for name in space]
    known = trials[trials["state"] != "failed"]
    for ax, name in zip(axes[1:], space, strict=True):
        drawn = [line for line in ax.lines if line.get_markersize() < 8]
        x = np.concatenate([line.get_xdata() for line in drawn])
        assert x.size == len(known)
        low, high = ax.get_xlim()
        assert ((low <= x) & (x <= high)).all()
        if space[name][0] != "choice":
            assert_allclose(np.sort(x), np.sort(known[name]))


def test_a_search_without_a_complete_trial_is_not_drawn(make):
    trials, space = make["trials"]()
    with pytest.raises(
        ValueError, match=r"needs a complete trial\. Received .* none .*\. Run more"
    ):
        plots.tuning(trials.assign(state="failed"), space=space)


def test_ten_models_have_ten_colours() -> None:
    shares = pd.concat(
        pd.DataFrame({"model": f"m{n}", "nominal": [0.8, 0.95], "observed": [0.75, 0.9]})
        for n in range(10)
    )
    lines = plots.interval_coverage(shares).lines
    assert len({line.get_color() for line in lines}) == 10
    assert len({line.get_marker() for line in lines}) == 10
