"""Content of figures: data, units and periods, without overlaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from gwforecast import plots
from gwforecast.plots import style

# explanations


def test_the_greatest_importance_stands_first_and_shares_add_up(names_of, make):
    names = names_of(plots.importance(make["importances"]()))
    assert names == ["rain", "temperature", "snow storage"]
    ax = plots.attribution(make["attribution"]())
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
