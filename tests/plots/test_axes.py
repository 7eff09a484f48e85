"""Content of figures: data, units and periods, without overlaps."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from gwforecast import plots
from gwforecast.plots import style
from gwforecast.sequences.split import split_by_fraction

# rules for every figure


def drawings(make):
    observations = make["observations"](steps=800)
    predictions = make["predictions"](observations, models=("lstm", "mlp"))
    split = split_by_fraction(observations)
    probability, observed = make["probability"](observations)
    shares = pd.DataFrame({"nominal": [0.8, 0.95], "observed": [0.7, 0.9]})
    scores = make["scores"](wells=4)
    located = placed(scores["well"].unique())
    of_wells = {"scores": scores, "observations": located, "model": "lstm"}
    inputs = [observations, predictions, probability, observed, shares, scores, located]
    return inputs, {
        "hydrograph": lambda ax: plots.hydrograph(
            observations, predictions, model="lstm", split=split, ax=ax
        ),
        "observed_predicted": lambda ax: plots.observed_predicted(
            observations, predictions, model="lstm", split=split, ax=ax
        ),
        "residuals": lambda ax: plots.residuals(
            observations, predictions, model="lstm", split=split, ax=ax
        ),
        "residuals_by_season": lambda ax: plots.residuals_by_season(
            observations, predictions, model="lstm", ax=ax
        ),
        "all_models": lambda ax: plots.all_models(
            observations, predictions, models=["mlp"], axes=None if ax is None else [ax]
        )[0],
        "training_history": lambda ax: plots.training_history(make["history"](), ax=ax),
        "score_comparison": lambda ax: plots.score_comparison(make["scores"](wells=4), ax=ax),
        "score_distribution": lambda ax: plots.score_distribution(scores, ax=ax),
        "extreme_wells": lambda ax: plots.extreme_wells(scores, model="lstm", ax=ax),
        "score_map": lambda ax: plots.score_map(**of_wells, ax=ax),
        "score_by_attribute": lambda ax: plots.score_by_attribute(**of_wells, attribute="x", ax=ax),
        "rain_departure": lambda ax: plots.rain_departure(observations, ax=ax),
        "lag_correlation": lambda ax: plots.lag_correlation(observations, most=60, ax=ax),
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


def placed(wells) -> xr.Dataset:
    """Return wells with coordinates."""
    places = np.arange(float(len(wells)))
    return xr.Dataset({"x": ("well", places), "y": ("well", places[::-1])}, {"well": wells})


OF_FORECASTS = {"fan", "hindcasts", "pit", "reliability", "scores_by_lead", "status_strip"}
OF_QUESTIONS = {
    "contributions", "filled_record", "projections", "residual_diagnostics", "scenario",
    "step_responses", "trend",
}  # fmt: skip
NAMES = sorted(  # the others are in test_forecast_figures.py and test_question_figures.py
    set(plots.__all__) - {"close"} - OF_FORECASTS - OF_QUESTIONS
)


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
    assert left.x1 < right.x0 or left.y0 + left.height / 2 > right.y1
    assert left.x0 >= 0
    assert left.x1 <= ax.bbox.x1 + 40
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


def test_points_are_distinguished_by_period_in_square_axes(
    observations, predictions, split, line_named
):
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


def test_a_training_history_names_its_model(make):
    ax = plots.training_history(make["history"](), model="lstm")
    assert ax.get_title(loc="left") == "well 1, LSTM"
    two = pd.concat([make["history"]().assign(model=name) for name in ("lstm", "mlp")])
    with pytest.raises(ValueError, match="Received model=None; there are lstm, mlp"):
        plots.training_history(two)
    assert plots.training_history(two, model="mlp").get_title(loc="left") == "well 1, MLP"


def test_the_interactive_mode_that_a_first_figure_turns_on_stays_on() -> None:
    before = mpl.is_interactive()
    mpl.interactive(False)
    style.styled(lambda: mpl.interactive(True))()  # as the backend of a notebook does
    after = mpl.is_interactive()
    mpl.interactive(before)
    assert after
