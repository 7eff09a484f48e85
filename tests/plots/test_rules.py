"""Rules for every figure: nothing is cut off or overlaps, whatever the data and the size."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from gwforecast import plots
from gwforecast.plots import style
from gwforecast.sequences.split import split_by_fraction

LONG = "Monitoring well 12-345-67 screen 2, Somewhere-an-der-Lahn (deep)"
NOTE = "test: NSE 0.91, RMSE 0.130 m"


def drawings(make, *, name="well 1", frequency="D", steps=800):
    """Return the inputs, and functions that draw each figure in given axes or a new figure."""
    observations = make["observations"](steps=steps, frequency=frequency)
    observations = observations.assign_coords(well=[name])
    predictions = make["predictions"](observations, models=("lstm", "mlp"))
    split = split_by_fraction(observations)
    probability, observed = make["probability"](observations)
    issues = observations["time"].values[[steps * 6 // 8, steps * 7 // 8]]
    forecast = make["forecast"](observations, issues, leads=steps // 20, models=["lstm", "mlp"])
    forecast.attrs["forcing"] = "climatology"
    shares = pd.concat(
        pd.DataFrame({"model": m, "nominal": [0.8, 0.95], "observed": [0.7, 0.9]})
        for m in ("lstm", "seasonal_naive", "climatology")
    )
    scores, leads = make["scores"](wells=4), make["lead_scores"](wells=1).assign(well=name)
    located, bins, pit = make["placed"](scores["well"].unique()), make["bins"](), make["pit"]()
    status = make["status"](wells=4)
    status["well"] = status["well"].replace("well 1", name)
    one = {"well": name, "model": "lstm", "split": split}
    of_wells = {"scores": scores, "observations": located, "model": "lstm"}
    filled = make["filled"]().assign_coords(well=[name])
    answers = [data.assign_coords(well=[name]) for data in (
        make["changed"](filled), make["explained"](), make["responses"](), make["projected"]()
    )]  # fmt: skip
    labels = pd.MultiIndex.from_product(
        [["lstm", "seasonal_naive", "mlp"], ["2014", "2015", "all"]], names=["model", "year"]
    ).to_frame(index=False)
    of_years = labels.assign(well=name, nominal=95.0, value=0.9, lower=0.7, upper=0.99, n=52)
    of_years["independent"] = 9.0
    inputs = [observations, predictions, probability, observed, forecast, shares, scores, leads,
              located, bins, pit, status, filled, *answers]  # fmt: skip
    both = (observations, predictions)
    levels, trends, shifts = make["declining"]()
    trends, shifts = (table.assign(well=name) for table in (trends, shifts))
    levels = levels.assign_coords(well=[name])
    return inputs, {
        "hydrograph": lambda ax: plots.hydrograph(*both, **one, note=NOTE, ax=ax),
        "observed_predicted": lambda ax: plots.observed_predicted(*both, **one, note=NOTE, ax=ax),
        "residuals": lambda ax: plots.residuals(*both, **one, ax=ax),
        "residuals_by_season": lambda ax: plots.residuals_by_season(*both, model="lstm", ax=ax),
        "all_models": lambda ax: plots.all_models(
            *both, models=["mlp"], axes=None if ax is None else [ax]
        )[0],
        "training_history": lambda ax: plots.training_history(
            make["history"]().assign(well=name), model="lstm", ax=ax
        ),
        "score_comparison": lambda ax: plots.score_comparison(scores, ax=ax),
        "score_distribution": lambda ax: plots.score_distribution(scores, ax=ax),
        "extreme_wells": lambda ax: plots.extreme_wells(scores, model="lstm", ax=ax),
        "score_map": lambda ax: plots.score_map(**of_wells, ax=ax),
        "score_by_attribute": lambda ax: plots.score_by_attribute(**of_wells, attribute="x", ax=ax),
        "rain_departure": lambda ax: plots.rain_departure(observations, ax=ax),
        "lag_correlation": lambda ax: plots.lag_correlation(observations, most=60, ax=ax),
        "importance": lambda ax: plots.importance(make["importances"](), ax=ax),
        "attribution": lambda ax: plots.attribution(make["attribution"](), ax=ax),
        "classes": lambda ax: plots.classes(probability, observed=observed, ax=ax),
        "gaps": lambda ax: plots.gaps(observations, ax=ax),
        "interval_coverage": lambda ax: plots.interval_coverage(shares, note=NOTE * 5, ax=ax),
        "coverage_by_year": lambda ax: plots.coverage_by_year(
            of_years, note="test period, bars: 95 % range of a well", ax=ax
        ),
        "tuning": lambda ax: plots.tuning(
            make["trials"]()[0],
            space=make["trials"]()[1] if ax is None else {},
            axes=None if ax is None else [ax],
        )[0],
        "fan": lambda ax: plots.fan(forecast, observations, model="mlp", normal=True, ax=ax),
        "hindcasts": lambda ax: plots.hindcasts(forecast, observations, model="mlp", ax=ax),
        "scores_by_lead": lambda ax: plots.scores_by_lead(leads, ax=ax),
        "reliability": lambda ax: plots.reliability(
            bins, well=name, note="level below the lower tercile of its month", ax=ax
        ),
        "pit": lambda ax: plots.pit(pit, note="with observed weather", ax=ax),
        "status_strip": lambda ax: plots.status_strip(status, issue_time="2023-03-15", ax=ax),
        "filled_record": lambda ax: plots.filled_record(filled, note=NOTE, ax=ax),
        "projections": lambda ax: plots.projections(answers[3], ax=ax),
        "contributions": lambda _: plots.contributions(answers[1])[0],
        "residual_diagnostics": lambda _: plots.residual_diagnostics(
            *make["errors"](), name=f"{name}, LSTM"
        )[0],
        "scenario": lambda _: plots.scenario(answers[0], filled["level"])[0],
        "step_responses": lambda _: plots.step_responses(answers[2])[0],
        "trend": lambda _: plots.trend(levels, trends, shifts)[0],
    }


OF_SEVERAL_AXES = {"contributions", "residual_diagnostics", "scenario", "step_responses", "trend"}
NAMES = sorted(set(plots.__all__) - {"close"})


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_SEVERAL_AXES])
def test_a_figure_is_drawn_where_it_is_asked_for(make, name):
    given = plt.subplots()[1]
    assert drawings(make)[1][name](given) is given
    assert plt.get_fignums() == [given.figure.number]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_changes_neither_settings_nor_data_and_can_be_printed(make, name, tmp_path):
    inputs, draw = drawings(make)
    before, copies = dict(mpl.rcParams), [data.copy(deep=True) for data in inputs]
    ax = draw[name](None)
    assert dict(mpl.rcParams) == before
    for data, copied in zip(inputs, copies, strict=True):
        assert data.equals(copied)
    ax.figure.savefig(tmp_path / "figure.svg")
    assert "<image" not in (tmp_path / "figure.svg").read_text("utf-8"), "figures are vectors"
    texts = [text for text in ax.figure.findobj(mpl.text.Text) if text.get_text()]
    assert {text.get_fontsize() for text in texts} <= {8.0, 9.0}
    assert ax.figure.get_figwidth() <= 7.1
    plots.close(ax)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "given",
    [{}, {"name": LONG}, {"name": "W" * 30, "frequency": "W-MON"}],
    ids=["usual", "long name", "weekly"],
)
def test_no_text_is_cut_off_or_overlaps_another(make, faults, name, given):
    assert not faults(drawings(make, **given)[1][name](None).figure)


@pytest.mark.parametrize(
    ("name", "height"),
    [("hydrograph", 2.6), ("fan", 4.4), ("hindcasts", 2.6), ("classes", 2.6), ("residuals", 2.0)],
)
def test_texts_of_small_axes_do_not_overlap(make, faults, name, height):
    ax = plt.subplots(figsize=(3.6, height), layout="constrained")[1]
    drawings(make)[1][name](ax)
    assert not [fault for fault in faults(ax.figure) if fault.startswith("overlap")]


def test_every_figure_is_in_the_gallery() -> None:
    page = Path("docs/gallery.md").read_text("utf-8").replace("search.plot()", "gw.plots.tuning(")
    assert not [name for name in NAMES if f"gw.plots.{name}(" not in page]


def test_the_interactive_mode_that_a_first_figure_turns_on_stays_on() -> None:
    before = mpl.is_interactive()
    mpl.interactive(False)
    style.styled(lambda: mpl.interactive(True))()  # as the backend of a notebook does
    after = mpl.is_interactive()
    mpl.interactive(before)
    assert after


@pytest.mark.parametrize("width", [1.6, 2.6, 4.0, 6.0])
def test_dates_fit_any_span_without_a_warning(width: float) -> None:
    _, ax = plt.subplots(figsize=(width, 2))
    start = np.datetime64("2016-01-28")
    for days in range(5, 4000, 37):
        style.date_axis(ax, (start, start + np.timedelta64(days, "D")))
    assert len(ax.get_xticks()) >= 2
