"""The files and figures of a backtest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import __version__, schema
from gwforecast.models.base import Forecaster
from gwforecast.runs import files
from gwforecast.runs.figures import Draw, draw_each
from gwforecast.runs.files import Stopwatch, file_names, write_atomically, write_table, write_text
from gwforecast.runs.judgement import last_whole_issue, lead_model
from gwforecast.runs.results import Origins
from gwforecast.verification.distribution import pit_values

if TYPE_CHECKING:
    from gwforecast.runs.results import Backtest

__all__ = ["describe_origins", "draw_backtest", "write_backtest", "write_hindcasts"]


MONTHS_SHOWN = 12  # observed ones, before those that are forecast


def write_backtest(
    result: Backtest,
    observations: xr.Dataset,
    forecasters: Mapping[str, Forecaster],
    *,
    folder: Path,
    figures: int,
    inputs: Iterable[Path],
    watch: Stopwatch,
) -> dict[str, Path]:
    """Write tables, hindcasts, figures and, last, ``run.json``; return the files by their names.

    Parameters
    ----------
    result : Backtest
        What is written.
    observations : xarray.Dataset
        Dimensions (well, time).
    forecasters : mapping
        The models by name, for the record.
    folder : pathlib.Path
        Where the files go.
    figures : int
        Number of wells, in their order, that are drawn.
    inputs : iterable of pathlib.Path
        Files that the observations were read from.
    watch : Stopwatch
        Of the run.
    """
    (folder / "run.json").unlink(missing_ok=True)
    paths = {name: write_table(t, folder / name) for name, t in _tables(result).items()}
    name = "hindcasts.nc"
    paths[name] = write_hindcasts(result.hindcasts, folder / name)
    if figures:
        wells = observations.isel({schema.WELL: slice(figures)})
        paths |= draw_backtest(result, wells, folder=folder)
    content = {
        "started": watch.started,
        "finished": watch.moment(),
        "versions": files.versions(),
        "cores": os.cpu_count(),
        "models": {name: files.forecaster_settings(one) for name, one in forecasters.items()},
        "inputs": files.file_checksums(inputs),
        "observations_sha256": files.dataset_sha256(observations),
        "origins": describe_origins(result.origins),
        "event": result.judgement.event,
        "without_status": result.outlook.without,
        "split": result.split.to_frame().to_dict("records"),
        "outcomes": result.outcomes.to_dict("records"),
        "seconds": result.seconds,
        "outputs": [*paths, "run.json"],
    }
    return paths | {"run.json": write_text(folder / "run.json", files.dump_json(content))}


def _tables(result: Backtest) -> dict[str, pd.DataFrame]:
    judgement, outlook = result.judgement, result.outlook
    tables = {
        "scores_by_lead.csv": judgement.scores,
        "comparison.csv": judgement.comparison,
        "reliability.csv": judgement.reliability,
    }
    ahead = {"status.csv": outlook.status, "crossings.csv": outlook.crossings}
    return tables | {name: table for name, table in ahead.items() if len(table)}


def describe_origins(origins: Origins) -> dict[str, object]:
    """Return how forecasts were issued, for a record."""
    return {
        "first": origins.issue_times[0],
        "last": origins.issue_times[-1],
        "count": origins.issue_times.size,
        "horizon": origins.horizon,
        "forcing": origins.forcing.origin,
        "refit_every": origins.refit_every,
        "sliding": origins.sliding,
    }


def write_hindcasts(hindcasts: xr.Dataset, path: Path) -> Path:
    """Write hindcasts as NetCDF, levels as 32-bit numbers; return the file."""
    kept = hindcasts.assign_attrs(
        title="Groundwater level hindcasts", source=f"gwforecast {__version__}"
    )
    whole = {"dtype": "int64", "units": "seconds since 1970-01-01"}
    encoding: dict[str, dict[str, object]] = {
        schema.LEVEL: {"zlib": True, "complevel": 4, "shuffle": True, "dtype": "float32"},
        schema.ISSUE_TIME: dict(whole),
        schema.VALID_TIME: dict(whole),
    }
    if np.issubdtype(kept[schema.LEAD_TIME].dtype, np.timedelta64):
        encoding[schema.LEAD_TIME] = {"dtype": "int64", "units": "hours"}
    return write_atomically(
        path, lambda target: kept.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    )


def draw_backtest(result: Backtest, observations: xr.Dataset, *, folder: Path) -> dict[str, Path]:
    """Draw the scores of a backtest, and the forecasts of some wells; return the files."""
    return draw_each(_figures(result, observations), folder=folder)


def _figures(result: Backtest, observations: xr.Dataset) -> Iterator[tuple[str, Draw]]:
    from gwforecast import plots  # matplotlib is loaded only where something is drawn

    hindcasts, scores = result.hindcasts, result.scores
    scored = observations.assign({schema.LEVEL: result.split.levels(observations, "test")})
    hindcasts = hindcasts.sel({schema.WELL: observations[schema.WELL].values})
    weather = {
        "observed": "weather after the issue time as observed",
        "climatology": "weather after the issue time from past years",
    }
    note = weather.get(result.origins.forcing.origin, result.origins.forcing.origin)
    skills = [m for m in scores["metric"].unique() if str(m).startswith("skill_crps_")]
    for metric in ("crps", "rmse", "coverage_95", *skills):
        draw = partial(plots.scores_by_lead, scores, metric=metric, note=note)
        yield f"{metric}_by_lead", draw
    model = lead_model(hindcasts)
    table = result.judgement.reliability
    if len(table):
        shown = table[table[schema.MODEL] == model]
        yield "reliability", partial(plots.reliability, shown, note=result.judgement.event)
    pit = pit_values(hindcasts.sel({schema.MODEL: [model]}), scored)
    yield "pit", partial(plots.pit, pit, note=note)
    status = result.outlook.status
    if len(status):
        yield "status", partial(_draw_status, status, observations[schema.WELL].values, model)
    for well, file in file_names(map(str, observations[schema.WELL].values)).items():
        yield (
            f"hindcasts_{file}",
            partial(plots.hindcasts, hindcasts, observations, well=well, model=model, note=note),
        )
        issue_time = last_whole_issue(hindcasts, model=model, well=well)
        yield (
            f"fan_{file}",
            partial(
                plots.fan, hindcasts, observations, well=well, model=model, issue_time=issue_time
            ),
        )


def _draw_status(status: pd.DataFrame, wells: np.ndarray, model: str) -> Any:
    """Draw the last observed months and those that are forecast, of the wells that are drawn."""
    from gwforecast import plots

    shown = status[status[schema.WELL].isin(wells)]
    issued = shown["issue_time"].max()
    first = issued.to_period("M").to_timestamp() - pd.DateOffset(months=MONTHS_SHOWN)
    shown = shown[shown["time"] >= first]
    note = f"{model}: percentiles among the same months of past years"
    return plots.status_strip(shown, issue_time=issued, note=note)
