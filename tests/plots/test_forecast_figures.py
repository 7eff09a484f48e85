"""Content of the figures of forecasts."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import dates
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal

from gwforecast import plots
from gwforecast.plots import forecasts, levels, status, style
from gwforecast.verification.status import OUTLOOK_CLASSES

LONG = "Monitoring well 12-345-67 screen 2, municipality of Somewhere-an-der-Lahn (deep)"
MODELS = ["blend", "lstm", "linear", "climatology", "persistence", "drift", "ets"]
ISSUES = ["2014-03-01", "2014-06-01", "2014-09-01"]


# a fan


def test_a_fan_holds_the_quantiles_and_its_median(observations, line_named, make):
    forecast = make["forecast"](observations, ISSUES)
    ax = plots.fan(forecast, observations, issue_time=ISSUES[1])
    values = forecast["level"].sel(issue_time=ISSUES[1]).values[0]
    valid = forecast["valid_time"].sel(issue_time=ISSUES[1]).values
    median = line_named(ax, "median")
    assert_array_equal(median.get_ydata(), values[:, 3])
    assert_array_equal(median.get_xdata(), valid)
    for number, name in enumerate(("95", "80", "50")):
        band = next(c for c in ax.collections if c.get_label() == f"{name} % interval")
        box = band.get_paths()[0].get_extents()
        assert_allclose([box.y0, box.y1], [values[:, number].min(), values[:, 6 - number].max()])
        assert to_hex(band.get_facecolor()[0]).upper() == forecasts.BANDS[number]


def test_levels_after_the_issue_time_are_open_dots(observations, line_named, make):
    forecast = make["forecast"](observations, ISSUES)
    ax = plots.fan(forecast, observations)
    issue, end = forecast["issue_time"].values[-1], forecast["valid_time"].values[-1, -1]
    assert line_named(ax, "observed").get_xdata().max() == issue
    later = line_named(ax, "observed later")
    expected = observations["level"].sel(time=slice(issue, end))[0, 1:].dropna("time")
    assert_array_equal(later.get_xdata(), expected["time"].values)
    assert later.get_markerfacecolor() == "white"
    assert f"issued {ISSUES[-1]}" in [text.get_text() for text in ax.texts]


def test_a_fan_without_rain_in_view_has_no_axis_of_rain(observations, make):
    forecast = make["forecast"](observations, ISSUES)
    assert len(plots.fan(forecast, observations).figure.axes) == 2
    ax = plots.fan(forecast, observations.assign(rain=observations["rain"] * np.nan))
    assert ax.figure.axes == [ax]


def test_a_fan_notes_an_old_last_level(observations, make):
    forecast = make["forecast"](observations, ISSUES)
    assert plots.fan(forecast, observations).get_title(loc="right") == ""
    late = observations["time"] > np.datetime64("2014-08-20")
    stale = observations.assign(level=observations["level"].where(~late))
    assert plots.fan(forecast, stale).get_title(loc="right") == "last level 2014-08-20"
    none = observations.assign(level=observations["level"] * np.nan)
    assert plots.fan(forecast, none).get_title(loc="right") == "no level before the issue time"


def test_one_lead_time_and_times_between_gaps_are_seen(observations, line_named, make):
    forecast = make["forecast"](observations, ISSUES)
    one = forecast.isel(lead_time=[0])
    ax = plots.fan(one, observations)
    assert line_named(ax, "median").get_marker() == "o"
    edges = [c.get_segments() for c in ax.collections if hasattr(c, "get_segments")]
    assert len([parts for parts in edges if len(parts) == 1]) == 3
    gaps = forecast.copy(deep=True)
    gaps["level"][..., 1:5, :] = np.nan
    gaps["level"][..., 6:, :] = np.nan
    ax = plots.fan(gaps, observations)
    assert len(line_named(ax, "median").get_xdata()) == 2


def test_rain_after_the_issue_time_is_paler_and_that_of_the_weather(observations, rain_axes, make):
    forecast = make["forecast"](observations, ISSUES)
    ax = plots.fan(forecast, observations)
    issue = dates.date2num(forecast["issue_time"].values[-1])
    bars = rain_axes(ax).patches
    assert {bar.get_x() > issue for bar in bars} == {True, False}
    for bar in bars:
        assert (to_hex(bar.get_facecolor()).upper() == levels.LATER) == (bar.get_x() >= issue)
    ahead = observations[["rain"]].sel(time=slice(ISSUES[-1], "2014-10-15"))
    members = xr.concat([ahead * 0, ahead * 0 + 8.0], "member")
    hung = rain_axes(plots.fan(forecast, observations, weather=members))
    heights = [b.get_height() for b in hung.patches if b.get_x() >= issue and b.get_height() > 0]
    assert_allclose(heights, 4.0)


@pytest.mark.parametrize("frequency", ["W-MON", "MS", "ME"])
def test_forecasts_of_weeks_and_months(make, frequency):
    observations = make["observations"](steps=180, frequency=frequency)
    issues = observations["time"].values[[120, 126, 132]]
    forecast = make["forecast"](observations, issues, leads=6)
    ax = plots.fan(forecast, observations, issue_time=issues[0])
    ax.figure.draw_without_rendering()
    unit = "weeks" if frequency[0] == "W" else "months"
    note = plots.hindcasts(forecast, observations).get_title(loc="right")
    assert note == f"1 to 6 {unit} ahead, every issue time"


def test_what_is_not_there_is_named(observations, make):
    forecast = make["forecast"](observations, ISSUES, models=["lstm", "mlp"])
    with pytest.raises(ValueError, match=r"2 models; there are lstm, mlp\. Choose one"):
        plots.fan(forecast, observations)
    with pytest.raises(ValueError, match=r"model 'gru'; there are lstm, mlp"):
        plots.hindcasts(forecast, observations, model="gru")
    with pytest.raises(ValueError, match=r"Received 2020-01-01; there are 3, 2014-03-01 to"):
        plots.fan(forecast, observations, model="lstm", issue_time="2020-01-01")
    with pytest.raises(ValueError, match=r"well 'x'; there are well 1"):
        plots.fan(forecast, observations, model="lstm", well="x")
    with pytest.raises(ValueError, match=r"Received none for well 'well 1' from 2014-09-01"):
        plots.fan(forecast * np.nan, observations, model="lstm")
    with pytest.raises(ValueError, match=r"Received none for well 'well 1'"):
        plots.hindcasts(forecast * np.nan, observations, model="lstm")
    with pytest.raises(ValueError, match=r"\['level'\], without 'rain'\. Rename"):
        plots.fan(forecast, observations, model="lstm", weather=observations[["level"]])
    with pytest.raises(ValueError, match=r"history=-1"):
        plots.fan(forecast, observations, model="lstm", history=-1)
    with pytest.raises(ValueError, match=r"stride=0"):
        plots.hindcasts(forecast, observations, model="lstm", stride=0)


def test_a_selected_issue_time_well_or_model_may_be_a_scalar(observations, make):
    forecast = make["forecast"](observations, ISSUES, models=["lstm", "mlp"])
    one = forecast.sel(model="mlp", well="well 1", issue_time=ISSUES[1])
    ax = plots.fan(one, observations)
    other = plots.fan(forecast, observations, model="mlp", issue_time=ISSUES[1])
    assert_array_equal(ax.lines[0].get_ydata(), other.lines[0].get_ydata())


def test_a_fan_is_joined_to_the_last_level(observations, line_named, make):
    forecast = make["forecast"](observations, ISSUES)
    late = observations["time"] > np.datetime64("2014-08-20")
    stale = observations.assign(level=observations["level"].where(~late))
    last = float(observations["level"].sel(time="2014-08-20")[0])
    line = line_named(plots.fan(forecast, stale), "_joined")
    assert line.get_xdata()[0] == np.datetime64("2014-08-20")
    first = forecast["level"].values[0, -1, 0, 3]
    assert_array_equal(line.get_ydata(), [last, first])
    none = observations.assign(level=observations["level"] * np.nan)
    ax = plots.fan(forecast, none)
    assert not [line for line in ax.lines if line.get_label() == "_joined"]


# hindcasts


def test_a_line_for_each_shown_issue_time(observations, make):
    issues = observations["time"].values[600:1500:10]
    forecast = make["forecast"](observations, issues)
    ax = plots.hindcasts(forecast, observations, stride=5)
    lines = [line for line in ax.lines if to_hex(line.get_color()) in (
        "#e06c00", "#9c4a00")]  # fmt: skip
    assert len(lines) == 18
    assert_array_equal(lines[1].get_ydata(), forecast["level"].values[0, 5, :, 3])
    assert_array_equal(lines[1].get_xdata(), forecast["valid_time"].values[5])
    assert lines[0].get_color() != lines[1].get_color()
    few = plots.hindcasts(forecast, observations)
    assert few.get_title(loc="right") == "1 to 60 days ahead, 1 of 2 issue times"


def test_hindcasts_of_one_lead_time_are_one_line(observations, line_named, make):
    issues = observations["time"].values[600:1500]
    forecast = make["forecast"](observations, issues, leads=1)
    line = line_named(plots.hindcasts(forecast, observations), "median")
    assert_array_equal(line.get_ydata(), forecast["level"].values[0, :, 0, 3])


def test_spans_without_a_forecast_are_hatched(observations, labels, make):
    issues = observations["time"].values[500:1900:10]
    forecast = make["forecast"](observations, issues)
    assert "no forecast" not in labels(plots.hindcasts(forecast, observations))
    forecast["level"][:, 40:90] = np.nan
    forecast["level"][:, :10] = np.nan
    ax = plots.hindcasts(forecast, observations)
    assert labels(ax)[1:] == ["median of a forecast", "median of the next forecast", "no forecast"]
    spans = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(spans) == 1
    valid = forecast["valid_time"].values
    start, end = dates.date2num(valid[39, -1]), dates.date2num(issues[90])
    assert spans[0].get_x() == pytest.approx(start)
    assert spans[0].get_x() + spans[0].get_width() == pytest.approx(end)
    assert ax.get_xlim()[0] > dates.date2num(issues[9])


# scores by lead time


def test_lines_are_means_over_the_wells_that_all_models_have(line_named, make):
    scores = make["lead_scores"](wells=3)
    lacking = (scores["model"] == "lstm") & (scores["well"] == "well 2")
    scores.loc[lacking, "value"] = np.nan
    ax = plots.scores_by_lead(scores)
    both = scores[scores["well"] != "well 2"]
    for model, name in (("lstm", "LSTM"), ("linear", "linear")):
        expected = both[both["model"] == model].groupby("lead")["value"].mean()
        assert_allclose(line_named(ax, name).get_ydata(), expected)
        assert_array_equal(line_named(ax, name).get_xdata(), expected.index)
    assert ax.get_title(loc="left") == "mean of 2 wells"
    assert ax.get_xlabel() == "lead time [weeks]"
    assert ax.get_title(loc="right") == "n = 748 to 798 per lead time"


def test_names_at_the_lines_do_not_overlap_and_tell_what_is_out_of_the_axes(boxes, make):
    for metric in ("crps", "skill_crps_persistence"):
        ax = plots.scores_by_lead(make["lead_scores"](metric=metric), metric=metric)
        ax.figure.draw_without_rendering()
        found = sorted(boxes(ax.texts, ax.figure), key=lambda box: box.y0)
        assert len(found) == len(MODELS)
        assert all(a.y1 <= b.y0 + 1.5 for a, b in itertools.pairwise(found))
        names = [text.get_text() for text in ax.texts]
        assert "ETS: no score" in names
        assert ("drift \N{UPWARDS ARROW}" if metric == "crps" else
                "drift \N{DOWNWARDS ARROW}") in names  # fmt: skip


def test_emphasised_models_have_colours_and_others_greys(line_named, make):
    emphasis = ["blend", "gru", "lstm"]
    ax = plots.scores_by_lead(make["lead_scores"](), emphasis=emphasis)
    assert line_named(ax, "blend").get_color() == style.STRONG[0]
    assert line_named(ax, "LSTM").get_color() == style.STRONG[2], "the same without a GRU"
    for chosen in (emphasis, None):
        looks = style.looks_of(MODELS, chosen)
        assert len({(look.colour, look.dashes) for look in looks.values()}) == len(MODELS)
    for name in ("linear", "climatology"):
        red, green, blue = mpl.colors.to_rgb(line_named(ax, name).get_color())
        assert red == green == blue


def test_scores_that_are_not_there_are_named(make):
    scores = make["lead_scores"](wells=2)
    with pytest.raises(ValueError, match=r"Received 'nse'; there are crps"):
        plots.scores_by_lead(scores, metric="nse")
    with pytest.raises(ValueError, match=r"Received 'gru'; there are blend, lstm"):
        plots.scores_by_lead(scores, models=["gru"])
    with pytest.raises(ValueError, match=r"Received 'x'; there are well 0, well 1"):
        plots.scores_by_lead(scores, wells=["x"])


# reliability and PIT


def test_reliability_shows_bins_bounds_and_counts(line_named, make):
    table = make["bins"]()
    ax = plots.reliability(table)
    line = line_named(ax, "LSTM")
    assert_allclose(line.get_xdata(), table["probability"])
    assert_allclose(line.get_ydata(), table["frequency"])
    bounds = next(c for c in ax.collections if hasattr(c, "get_segments"))
    drawn = np.array([part[:, 1] for part in bounds.get_segments()])
    assert_allclose(drawn, table[["lower", "upper"]])
    counts = ax.child_axes[0]
    tops = [part[1, 1] for part in counts.collections[0].get_segments()]
    assert_array_equal(tops, table["n"])
    overall = np.average(table["frequency"], weights=table["n"])
    assert_allclose(line_named(ax, "observed overall").get_ydata(), overall)
    with pytest.raises(ValueError, match=r"Received 90\. Divide percentages by 100"):
        plots.reliability(table.assign(frequency=90.0))
    with pytest.raises(ValueError, match=r"none with n above 0"):
        plots.reliability(table.assign(n=0))


def test_reliability_and_pit_name_wells_and_models(make):
    ax = plots.reliability(make["bins"](), well="5 wells", note="low level; observed weather")
    counts = ax.child_axes[0]
    assert counts.get_title(loc="left").strip() == "5 wells, LSTM"
    assert (
        counts.get_title(loc="right")
        .replace("\n", " ")
        .startswith("low level; observed weather; n")
    )
    values = make["pit"](models=("blend",)).expand_dims(well=["fen"])
    assert plots.pit(values).get_title(loc="left") == "fen, blend"
    both = xr.concat([values, values.assign_coords(well=["scarp"])], "well")
    assert plots.pit(both).get_title(loc="left") == "2 wells, blend"


def test_a_title_stands_above_a_long_note(boxes, make):
    note = "level below the lower tercile of its month; with weather of past years"
    pit = make["pit"](models=("blend",)).expand_dims(well=[LONG])
    for ax in (plots.reliability(make["bins"](), well=LONG, note=note), plots.pit(pit, note=note)):
        shown = ax.child_axes[0] if ax.child_axes else ax
        ax.figure.draw_without_rendering()
        (right,) = boxes([shown._right_title], ax.figure)
        left = shown._left_title
        lines = left.get_text().count("\n")
        assert lines == note_lines(shown)
        (whole,) = boxes([left], ax.figure)
        assert whole.y1 - whole.height / (lines + 1) > right.y1 - 4
        assert right.x0 > 0
        assert max(whole.x1, right.x1) <= ax.figure.bbox.x1


def note_lines(ax):
    return ax.get_title(loc="right").count("\n") + 1


def test_pit_shares_sum_to_one_and_uniform_values_are_inside_the_band(line_named):
    values = xr.DataArray((np.arange(1000) + 0.5) / 1000, dims="time")
    ax = plots.pit(values)
    heights = [bar.get_height() for bar in ax.patches if bar.get_width() < 0.2]
    assert_allclose(heights, 0.1)
    assert_allclose(line_named(ax, "calibrated").get_ydata(), 0.1)
    band = next(p for p in ax.patches if p.get_label().startswith("95 %"))
    reach = 1.96 * np.sqrt(0.1 * 0.9 / 1000)
    assert_allclose([band.get_y(), band.get_height()], [0.1 - reach, 2 * reach])
    assert ax.get_title(loc="right") == "n = 1\N{THIN SPACE}000"
    with pytest.raises(ValueError, match=r"Received 2\. Choose"):
        plots.pit(values * 0 + 2)
    with pytest.raises(ValueError, match=r"bins=1\."):
        plots.pit(values, bins=1)


# the strip


def test_cells_have_the_class_of_their_well_and_month(make):
    table = make["status"](wells=3)
    ax = plots.status_strip(table)
    mesh = ax.collections[0]
    drawn = np.ma.filled(mesh.get_array().reshape(3, -1), -1)
    numbers = {name: number for number, name in enumerate(OUTLOOK_CLASSES)}
    expected = table["class"].map(numbers).fillna(-1).to_numpy().reshape(3, -1)
    assert_array_equal(drawn, expected)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["well 0", "well 1", "well 2"]
    assert ax.yaxis_inverted()
    colours = [to_hex(c).upper() for c in mesh.get_cmap().colors]
    assert colours == list(status.COLOURS)


def test_neighbouring_classes_differ_in_lightness():
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = [float(weights @ mpl.colors.to_rgb(colour)) for colour in status.COLOURS]
    assert (np.diff(light[:4]) > 0.1).all()
    assert (np.diff(light[3:]) < -0.1).all()


def test_months_after_the_issue_time_are_framed_and_few_are_numbered(make):
    table = make["status"](wells=2, months=12)
    ax = plots.status_strip(table, issue_time="2020-10-20")
    frame = next(p for p in ax.patches if not p.get_fill())
    assert (frame.get_x(), frame.get_width()) == (9.5, 2)
    written = [text.get_text() for text in ax.texts]
    assert len(written) == 24 - int(table["percentile"].isna().sum()) + 1
    assert "forecast" in written
    assert not plots.status_strip(table).patches


def test_states_that_cannot_be_shown_are_named(make):
    table = make["status"](wells=2, months=12)
    with pytest.raises(ValueError, match=r"Received 'wet'"):
        plots.status_strip(table.assign(**{"class": "wet"}))
    with pytest.raises(ValueError, match=r"two of well 'well 0' in 2020-01"):
        plots.status_strip(pd.concat([table, table]))
    with pytest.raises(ValueError, match=r"Received none"):
        plots.status_strip(table.iloc[:0])


def test_three_hundred_wells_fit_on_a_page(names_of, make):
    ax = plots.status_strip(make["status"](wells=300, months=6))
    assert ax.figure.get_figheight() <= 10.2
    assert len(names_of(ax)) <= status.MOST_NAMED


def test_levels_of_alert_are_drawn_where_they_can_be_seen(observations, make):
    forecast = make["forecast"](observations, ISSUES)
    low, high = plots.fan(forecast, observations).get_ylim()
    ax = plots.fan(forecast, observations, thresholds=[low - 0.1, high + 100.0])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels.count("threshold") == 1
    assert ax.get_ylim()[0] < low - 0.1
    assert ax.get_ylim()[1] < high + 1.0  # a threshold far away does not flatten the forecast
