"""What stands in the axes: the data themselves, units, periods, and nothing over another."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from gwforecast import plots
from gwforecast.plots import style
from gwforecast.sequences.split import split_by_fraction

# manners, of every figure


def drawings(make):
    observations = make["observations"](steps=800)
    predictions = make["predictions"](observations, models=("lstm", "mlp"))
    split = split_by_fraction(observations)
    probability, observed = make["probability"](observations)
    shares = pd.DataFrame({"nominal": [0.8, 0.95], "observed": [0.7, 0.9]})
    inputs = [observations, predictions, probability, observed, shares]
    return inputs, {
        "hydrograph": lambda ax: plots.hydrograph(observations, predictions, split=split, ax=ax),
        "observed_predicted": lambda ax: plots.observed_predicted(
            observations, predictions, split=split, ax=ax
        ),
        "residuals": lambda ax: plots.residuals(observations, predictions, split=split, ax=ax),
        "residuals_by_season": lambda ax: plots.residuals_by_season(
            observations, predictions, ax=ax
        ),
        "all_models": lambda ax: plots.all_models(
            observations, predictions, models=["mlp"], axes=None if ax is None else [ax]
        )[0],
        "training_history": lambda ax: plots.training_history(make["history"](), ax=ax),
        "score_comparison": lambda ax: plots.score_comparison(make["scores"](wells=4), ax=ax),
        "importance": lambda ax: plots.importance(importances(), ax=ax),
        "attribution": lambda ax: plots.attribution(explained(), ax=ax),
        "classes": lambda ax: plots.classes(probability, observed=observed, ax=ax),
        "gaps": lambda ax: plots.gaps(observations, ax=ax),
        "interval_coverage": lambda ax: plots.interval_coverage(shares, ax=ax),
        "tuning": lambda ax: plots.tuning(
            make["trials"]()[0],
            space=make["trials"]()[1] if ax is None else {},
            axes=None if ax is None else [ax],
        )[0],
    }


OF_FORECASTS = {"fan", "hindcasts", "pit", "reliability", "scores_by_lead", "status_strip"}
NAMES = sorted(set(plots.__all__) - {"close"} - OF_FORECASTS)  # those in test_forecast_figures.py


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_where_it_is_asked_for(make, name):
    given = plt.subplots()[1]
    assert drawings(make)[1][name](given) is given
    assert plt.get_fignums() == [given.figure.number]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_changes_neither_settings_nor_data(make, name):
    inputs, draw = drawings(make)
    before, copies = dict(mpl.rcParams), [data.copy(deep=True) for data in inputs]
    made = draw[name](None)
    assert dict(mpl.rcParams) == before
    for data, copied in zip(inputs, copies, strict=True):
        assert data.equals(copied)
    plots.close(made)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", NAMES)
def test_text_is_of_a_size_that_can_be_read_in_print(make, name):
    ax = drawings(make)[1][name](None)
    ax.figure.draw_without_rendering()
    texts = [text for text in ax.figure.findobj(mpl.text.Text) if text.get_text()]
    assert {text.get_fontsize() for text in texts} <= {8.0, 9.0}
    assert ax.figure.get_figwidth() <= 7.1


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_saved_as_vectors(make, name, tmp_path):
    ax = drawings(make)[1][name](None)
    ax.figure.savefig(tmp_path / "figure.svg")
    assert "<image" not in (tmp_path / "figure.svg").read_text("utf-8")


LONG = "Monitoring well 12-345-67 screen 2, municipality of Somewhere-an-der-Lahn (deep)"


@pytest.mark.parametrize("name", ["hydrograph", "observed_predicted", "training", "scores"])
def test_a_long_name_of_a_well_runs_into_nothing(
    observations, predictions, split, make, name, boxes
):
    pair = [data.assign_coords(well=[LONG]) for data in (observations, predictions)]
    note = "test: NSE 0.91, RMSE 0.130 m"
    ax = {
        "hydrograph": lambda: plots.hydrograph(*pair, note=note),
        "observed_predicted": lambda: plots.observed_predicted(*pair, note=note),
        "training": lambda: plots.training_history(make["history"]().assign(well=LONG)),
        "scores": lambda: plots.score_comparison(make["scores"](wells=1).assign(well=LONG)),
    }[name]()
    ax.figure.draw_without_rendering()
    left, right = boxes([ax._left_title, ax._right_title], ax.figure)
    assert left.x1 < right.x0
    assert left.x0 >= 0
    assert "\N{HORIZONTAL ELLIPSIS}" in ax.get_title(loc="left")


# explanations


def importances() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = np.repeat(["rain", "temperature", "snow_storage"], 10)
    drops = np.repeat([0.6, 0.1, 0.0], 10) + rng.normal(scale=0.03, size=30)
    return pd.DataFrame({"well": "a", "covariate": names, "drop": drops})


def explained() -> xr.Dataset:
    lags, names = np.arange(366), [f"input {number}" for number in range(9)]
    fading = np.exp(-lags[:, None] / (20.0 * (1 + np.arange(9)))) / (1 + np.arange(9))
    values = np.random.default_rng(0).normal(size=(1, 5, 1, 1)) * fading
    return xr.Dataset(
        {"attribution": (("well", "time", "lag", "input"), values)},
        {"well": ["a"], "lag": lags, "input": names},
    )


def test_the_greatest_importance_stands_first_and_shares_add_up(names_of):
    assert names_of(plots.importance(importances())) == ["rain", "temperature", "snow storage"]
    ax = plots.attribution(explained())
    ends = [line.get_ydata()[-1] for line in ax.lines]
    assert len(ends) == 7
    assert sum(ends) == pytest.approx(100)
    assert ax.lines[0].get_label() == "input 0"


# errors


def test_points_are_told_by_period_in_square_axes(observations, predictions, split, line_named):
    ax = plots.observed_predicted(observations, predictions, split=split)
    assert ax.get_xlim() == ax.get_ylim()
    assert_array_equal(ax.get_xticks(), ax.get_yticks())
    table = split.to_frame(observations).set_index("period")
    for period in ("train", "validation", "test"):
        line = line_named(ax, period)
        assert len(line.get_xdata()) == table.loc[period, "levels"]
        inside = split.levels(observations, period).values[0]
        assert_array_equal(line.get_xdata(), inside[np.isfinite(inside)])
    diagonal = line_named(ax, "1:1")
    assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())


def test_residuals_are_positive_where_the_prediction_is_too_high(
    observations, predictions, line_named
):
    raised = predictions + 5.0
    ax = plots.residuals(observations, raised)
    drawn = line_named(ax, "residual").get_ydata()
    assert (drawn[np.isfinite(drawn)] > 0).all()
    assert np.isnan(drawn).sum() == observations["level"].isnull().sum()
    assert ax.get_ylim()[0] == -ax.get_ylim()[1]


def test_boxes_of_months_hold_the_residuals_of_the_period(observations, predictions, split):
    month = observations["time"].dt.month
    shifted = predictions.copy()
    exact = observations["level"] + 0.01 * month
    shifted["level"] = exact.expand_dims(model=["lstm"], quantile=[0.5])
    ax = plots.residuals_by_season(observations, shifted, split=split, period="train")
    medians = [line for line in ax.lines if to_hex(line.get_color()).upper() == style.PREDICTED]
    assert_allclose([line.get_ydata()[0] for line in medians], 0.01 * np.arange(1, 13))
    counts = [int(text.get_text().split("\n")[1]) for text in ax.get_xticklabels()]
    levels = split.levels(observations, "train").values[0]
    expected = np.bincount(month.values[np.isfinite(levels)], minlength=13)[1:]
    assert counts == expected.tolist()


def test_a_period_without_predictions_has_no_residuals(observations, predictions, split):
    later = predictions.where(~split.rows(observations, "train"))
    with pytest.raises(ValueError, match="Received none for well 'well 1' and model 'lstm'"):
        plots.residuals_by_season(observations, later, split=split, period="train")


# training


def test_the_best_epoch_of_each_member_is_marked(make, line_named):
    history = make["history"](members=5)
    marks = line_named(plots.training_history(history), "best epochs")
    for member, table in history.groupby("member"):
        row = table["validation_loss"].to_numpy().argmin()
        assert marks.get_xdata()[member] == table["epoch"].to_numpy()[row]
        assert marks.get_ydata()[member] == table["validation_loss"].min()


def test_the_median_ends_where_most_members_have_stopped(make, line_named):
    history = make["history"](members=5)
    median = line_named(plots.training_history(history), "validation, median")
    last = median.get_xdata()[np.isfinite(median.get_ydata())].max()
    assert last == history.groupby("member")["epoch"].max().sort_values().iloc[2]
    first = history[history["epoch"] == 1]["validation_loss"].median()
    assert median.get_ydata()[0] == first


def test_one_member_and_no_validation_are_drawn(make, labels):
    history = make["history"](members=1).assign(validation_loss=np.nan)
    ax = plots.training_history(history)
    assert labels(ax) == ["train"]
    assert ax.get_title(loc="right") == "1 member"


def test_the_scale_of_losses_follows_their_range(make):
    history = make["history"]()
    assert plots.training_history(history).get_yscale() == "log"
    assert plots.training_history(history[history["epoch"] > 15]).get_yscale() == "linear"


def test_histories_of_several_wells_ask_for_one(make):
    two = pd.concat([make["history"](), make["history"]().assign(well="well 2")])
    with pytest.raises(ValueError, match="Received well=None; there are well 1, well 2"):
        plots.training_history(two)
    assert plots.training_history(two, well="well 2").get_title(loc="left") == "well 2"


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
        ("skill_rmse", "skill in RMSE"),
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


def test_coverage_takes_shares_and_not_percentages():
    with pytest.raises(ValueError, match=r"Received 95\. Divide"):
        plots.interval_coverage(pd.DataFrame({"nominal": [95.0], "observed": [0.9]}))
    with pytest.raises(ValueError, match="Received none for period 'test'"):
        plots.interval_coverage(pd.DataFrame({"nominal": [], "observed": []}))


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
    assert ax.get_xlim() == ax.get_ylim() == pytest.approx((0.7, 1.0))
    ax = plots.interval_coverage(shares.assign(observed=[0.02, 0.1]))
    assert ax.get_xlim() == ax.get_ylim() == (0.0, 1.0)


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
    with pytest.raises(ValueError, match=r"best of its trials\. Received .* none .*\. Run more"):
        plots.tuning(trials.assign(state="failed"), space=space)
