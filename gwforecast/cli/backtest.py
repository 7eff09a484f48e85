"""The command ``gwforecast backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gwforecast.cli import console, findings, options
from gwforecast.cli.console import clean, print_paths, print_table, screen
from gwforecast.cli.options import CLUSTER, FITTING, INPUTS, READING, SPLIT, option

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from gwforecast.runs.results import Backtest

__all__ = ["backtest"]


METRICS = ("rmse", "skill_crps_persistence", "skill_crps_climatology", "coverage_95")
COLUMNS = 8  # lead times that are printed
SEEN = (
    "Each forecast uses levels up to its issue time, and models fitted through the validation "
    "period{refits}. All scores are of the test period, by which nothing was chosen."
)

ORIGINS = "Issue times and lead times"

BACKTEST = {
    "models": option("backtest.models", panel=options.MODELS, note="Separate them by commas."),
    "forcing": option("backtest.forcing", panel=ORIGINS),
    "horizon": option("backtest.horizon", int, panel=ORIGINS),
    "stride": option("backtest.stride", int, panel=ORIGINS),
    "start": option("backtest.start", panel=ORIGINS),
    "end": option("backtest.end", panel=ORIGINS),
    "refit_every": option("backtest.refit_every", int, panel=ORIGINS),
    "sliding": option("backtest.sliding", bool, panel=ORIGINS, flag="--sliding/--expanding"),
    "threshold": option("backtest.threshold", float, panel=options.RESULTS),
    "out": option("backtest.folder", Path, panel=options.RESULTS, flag="--out"),
}
"""Options that only this command has, or that stand for another setting than elsewhere."""


@options.takes(
    "config", *INPUTS, "fill", *SPLIT, *FITTING, *CLUSTER, "figures", *READING, **BACKTEST
)
def backtest(
    context: typer.Context,
    report: options.Report = False,
    allow_errors: findings.AllowErrors = False,
) -> None:
    """Issue hindcasts at past times, with what was known then, and score them by lead time.

    Example: gwforecast backtest run.toml --forcing climatology --horizon 13 --stride 4

    The exit code is 0 if all went well, 1 if a model or well failed or the data have errors, and 2
    if the data or settings cannot be used.
    """
    from gwforecast import jobs

    settings = options.load(context)
    with console.progress_bars() as progress:
        result = jobs.backtest(settings, progress=progress)
    checked = jobs.check(settings)
    findings.say_in_one_line(str(checked.attrs.get("understood", "")))
    errors = findings.print_findings(checked, least="warning")
    if report:
        console.print_reports(result, settings.backtest.folder, wells=settings.output.figures)
    _print_backtest(result, settings.backtest.folder)
    findings.refuse_errors(errors, allowed=allow_errors)


def _print_backtest(result: Backtest, folder: Path) -> None:
    """Print scores by lead time, failures and paths; exit with 1 if there are failures."""
    from gwforecast.runs.hindcast_verification import main_model

    scores, origins = result.scores, result.origins
    wells = scores["well"].nunique()
    screen.print(
        f"{origins.issue_times.size} issue times, {str(origins.issue_times[0])[:10]} to "
        f"{str(origins.issue_times[-1])[:10]}, {origins.horizon} lead times, weather after the "
        f"issue time: {origins.forcing.label}. Scores: "
        + (f"median of {wells} wells." if wells > 1 else "1 well."),
        soft_wrap=True,
    )
    _print_scores(scores)
    _print_comparison(result.verification.comparison)
    coverage = result.verification.coverage
    if len(coverage):
        findings.print_coverage(
            coverage[coverage["model"] == main_model(result.hindcasts)], by="lead"
        )
    refits = " or, later, through the last refit" if origins.refit_every else ""
    screen.print(SEEN.format(refits=refits), soft_wrap=True)
    print_paths(result.paths)
    screen.print(clean(f"Scores, hindcasts and the record of the run: {folder}"), soft_wrap=True)
    findings.print_failures(result.outcomes)


def _print_scores(scores: pd.DataFrame) -> None:
    """Print the scores of some lead times, best model first, with the pairs that they rest on."""
    import pandas as pd

    from gwforecast.plots.prepare import lead_numbers
    from gwforecast.verification.lead_scoring import (
        forecast_summary,
        lead_definitions,
        scored_pairs,
    )

    definitions = lead_definitions(("persistence", "climatology"))
    times = scores.drop_duplicates("lead").set_index("lead")["lead_time"]
    order = forecast_summary(scores, metric="rmse").mean(axis=1).sort_values().index
    for metric in METRICS:
        if not (scores["metric"] == metric).any():
            continue
        table = forecast_summary(scores, metric=metric).reindex(order)
        known = table.columns[table.notna().any()].to_numpy()
        if not known.size:
            continue
        shown = table[_some(known)].astype(object)
        pairs = scored_pairs(scores[scores["metric"] == metric]).loc[shown.columns]
        for name, heading in (("n", "n"), ("not_scored", "not scored")):
            shown.loc[heading] = [int(number) for number in pairs[name]]
        numbers, unit = lead_numbers(pd.Index(times[shown.columns]).to_numpy())
        shown.columns = [f"{number:g}" for number in numbers]
        shown = shown.rename_axis("model").reset_index()
        print_table(f"{metric} by lead time in {unit}: {definitions[metric]}", shown)


def _some(leads: np.ndarray) -> list[int]:
    """Return the lead times that are printed."""
    import numpy as np

    wanted = np.geomspace(leads[0], leads[-1], COLUMNS)
    nearest = np.abs(leads[:, None] - wanted).argmin(axis=0)
    return [int(lead) for lead in leads[np.unique(nearest)]]


def _print_comparison(table: pd.DataFrame) -> None:
    """Print the skill against the best other model by lead time, with its 95 % range."""
    if table.empty:
        return
    table = table.assign(better=table["lower"] > 0, worse=table["upper"] < 0)
    by_lead = table.groupby("lead")
    shown = by_lead[["skill", "lower", "upper"]].median()
    shown = shown.rename(columns={"lower": "its 95 % range: from", "upper": "to"})
    shown["wells better"], shown["worse"] = by_lead["better"].sum(), by_lead["worse"].sum()
    shown["n"] = by_lead["n"].sum()
    wells = table["well"].nunique()
    of = f", median of {wells} wells" if wells > 1 else ""
    first = table.iloc[0]
    title = (
        f"Skill in CRPS of {first['model']} against {first['baseline']} by lead time in steps{of}"
    )
    print_table(title, shown.loc[_some(shown.index.to_numpy())].reset_index())
