"""A backtest of many wells in shards, with the memory that one shard needs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.requirements import check_horizon
from gwforecast.progress import Progress
from gwforecast.runs import backtest as runs
from gwforecast.runs import files
from gwforecast.runs.evaluate import split_wells
from gwforecast.runs.figures import draw_backtest
from gwforecast.runs.hindcast_verification import event_limit, models_to_compare
from gwforecast.runs.inputs import backtest_arguments, prepare
from gwforecast.runs.results import Backtest, Origins, StatusForecast, Verification
from gwforecast.sequences.origins import issue_times_of
from gwforecast.sequences.split import Split
from gwforecast.shards.join import ShardedRun, read_table, refuse_pooled, rows_of, run_result
from gwforecast.shards.map import Result, Shard, ShardOutcome, networks_at_once, on_wells
from gwforecast.verification.events import reliability_counts, reliability_of_counts
from gwforecast.verification.significance import compare

__all__ = ["backtest", "backtest_shard", "read_periods"]


TABLES = ("scores_by_lead.csv", "coverage.csv", "status.csv", "crossings.csv")


def backtest(settings: Settings, *, progress: Progress | None = None) -> Backtest:
    """Backtest in shards, over Dask if requested, and join the results.

    The shards are read once for their periods, which give the issue times that all wells share.
    Reliability and the best baseline are computed over all wells. An interrupted run resumes if it
    is started again with the same settings and data.

    Returns
    -------
    Backtest
        As of :func:`gwforecast.runs.backtest.backtest`; the hindcasts are read from their file when
        they are used.

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If a requested model is one that all wells share.
    RuntimeError
        If no shard gave a result.
    """
    refuse_pooled(settings.backtest.models, "A backtest")
    with files.own_folder(settings.backtest.folder):
        run = ShardedRun.begin(settings, settings.backtest.folder, settings.backtest.models)
        origins = _origins(settings, run.map(read_periods, "periods"))
        times = tuple(map(str, origins.issue_times))
        task = partial(backtest_shard, issue_times=times, horizon=origins.horizon)
        run.ended.extend(run.map(task, "backtest", progress=progress))
        result = _join(run, origins)
        run.finish(
            result,
            result.hindcasts[schema.WELL].values,
            draw=partial(_draw, result, run.folder),
            setup={},
            details=runs.describe(result),
        )
        return result


def read_periods(settings: Settings, shard: Shard) -> Result:
    """Return time axis, periods and last weather of the wells of a shard."""

    def work(observations: xr.Dataset) -> Result:
        observations, split = prepare(observations, settings)
        split = split_wells(observations)[0] if split is None else split
        times = observations[schema.TIME].values
        if split.start("test").isnull().all():
            return {}
        weather = runs.last_covariate_step(observations)
        return {
            "frequency": timeline.infer_frequency(times),
            "axis": [_text(times[0]), _text(times[-1])],
            "weather": [] if weather is None else [_text(weather)],
            "split": split.to_frame().to_dict("records"),
        }

    return on_wells(settings, shard, work)


def _text(time: np.datetime64) -> str:
    return str(timeline.to_times([time])[0])


def backtest_shard(
    settings: Settings, shard: Shard, *, issue_times: Sequence[str], horizon: int
) -> Result:
    """Backtest the wells of a shard at the issue times of all wells."""
    arguments = backtest_arguments(settings) | {"workers": networks_at_once(settings)}

    def work(observations: xr.Dataset) -> Result:
        observations, split = prepare(observations, settings)
        times = timeline.to_times(issue_times)
        result = runs.backtest(
            observations,
            split=split,
            **arguments,
            horizon=horizon,
            issue_times=times[np.isin(times, observations[schema.TIME].values)],
            out=shard.folder,
            figures=0,
        )
        missing = {"without_status": result.status_forecast.missing}
        return run_result(result, result.hindcasts) | missing

    return on_wells(settings, shard, work)


def _origins(settings: Settings, outcomes: Sequence[ShardOutcome]) -> Origins:
    """Return the issue times that a single run over all wells would have."""
    wanted = settings.backtest
    found = [outcome.result for outcome in outcomes if outcome.result and "split" in outcome.result]
    if not found:
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        raise RuntimeError(
            "A backtest needs one well with a test period. Received none. "
            f"{reasons[0] if reasons else 'No shard has one.'}"
        )
    frequencies = sorted({str(one["frequency"]) for one in found})
    if len(frequencies) > 1:
        raise schema.SchemaError(
            f"Wells of one backtest share their time step. Received {frequencies}. Bring them to "
            "one frequency, or backtest them separately."
        )
    horizon, stride = runs.horizon_and_stride(frequencies[0], wanted.horizon, wanted.stride)
    split = Split.from_frame(rows_of(outcomes, "split"))
    edges = timeline.to_times([time for one in found for time in cast("list[str]", one["axis"])])
    times = timeline.regular_times(edges.min(), edges.max(), frequencies[0])
    axes = xr.Dataset(coords={schema.WELL: split.bounds[schema.WELL], schema.TIME: times})
    if wanted.horizon is not None:
        longest = runs.longest_test(axes, split)
        check_horizon(wanted.horizon, available=longest, what="the test period")
    issue_times = issue_times_of(
        axes, split, period="test", stride=stride, start=wanted.start, end=wanted.end
    )
    weather = [np.datetime64(time) for one in found for time in cast("list[str]", one["weather"])]
    issue_times = runs.with_known_weather(issue_times, max(weather, default=None))
    runs.require_several(
        issue_times, split, step=frequencies[0], stride=stride, start=wanted.start, end=wanted.end
    )
    return Origins(
        issue_times,
        horizon=horizon,
        forcing=make_forcing(wanted.forcing),
        refit_every=wanted.refit_every,
        sliding=wanted.sliding,
    )


def _join(run: ShardedRun, origins: Origins) -> Backtest:
    """Join tables and hindcasts of the shards in the folder of the run."""
    folder = run.folder
    with run.watch("join"):
        paths = run.join_tables(TABLES)
        with run.joined("hindcasts.nc") as hindcasts:
            timed = hindcasts.assign_coords({schema.VALID_TIME: _valid_times(run)})
            paths["hindcasts.nc"] = files.write_hindcasts(timed, folder / "hindcasts.nc")
    with run.watch("score"):
        verification = replace(
            _verify(run, read_table(paths["scores_by_lead.csv"])),
            coverage=read_table(paths["coverage.csv"]),
        )
        for name in ("comparison", "reliability"):
            path = folder / f"{name}.csv"
            paths[path.name] = files.write_table(getattr(verification, name), path)
    return Backtest(
        xr.open_dataset(paths["hindcasts.nc"], engine="h5netcdf"),
        verification,
        run.outcomes(),
        Split.from_frame(run.rows("split")),
        origins,
        run.seconds(),
        _status_forecast(run, paths),
        paths,
    )


def _status_forecast(run: ShardedRun, paths: Mapping[str, Path]) -> StatusForecast:
    status, crossings = (
        read_table(paths[name]) if name in paths else pd.DataFrame()
        for name in ("status.csv", "crossings.csv")
    )
    missing: dict[str, str] = {}
    for outcome in run.complete:
        missing |= cast("dict[str, str]", (outcome.result or {})["without_status"])
    return StatusForecast(status, crossings, missing)


def _valid_times(run: ShardedRun) -> xr.DataArray:
    """Return the valid time of each issue and lead time of any shard."""
    parts = []
    for outcome in run.complete:
        path = outcome.shard.folder / "hindcasts.nc"
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            parts.append(stored[schema.VALID_TIME].load().drop_vars(schema.VALID_TIME))
    return reduce(lambda one, other: one.combine_first(other), parts)


def _by_shard(run: ShardedRun) -> Iterator[tuple[xr.Dataset, xr.Dataset, Split]]:
    """Yield hindcasts, observations and periods of each shard."""
    for outcome in run.complete:
        observations = run.observations_of(outcome.shard.wells)
        if observations is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the workers have reported these
            observations, _ = prepare(observations, run.settings)
        path = outcome.shard.folder / "hindcasts.nc"
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            hindcasts = stored.load()
        there = hindcasts[schema.WELL].values
        split = Split.from_frame(rows_of([outcome], "split"))
        yield hindcasts, observations.sel({schema.WELL: there}), split


def _verify(run: ShardedRun, scores: pd.DataFrame) -> Verification:
    """Compute over all wells what shards cannot: test of the best baseline, and reliability."""
    pair = models_to_compare(scores)
    compared, counts, event = [], [], ""
    for hindcasts, observations, split in _by_shard(run):
        scored = observations.assign({schema.LEVEL: split.levels(observations, "test")})
        if pair is not None and set(pair) <= set(hindcasts[schema.MODEL].values):
            compared.append(compare(hindcasts, scored, model=pair[0], baseline=pair[1]))
        threshold = run.settings.backtest.threshold
        limit, named = event_limit(hindcasts, observations, split, threshold)
        if limit is not None:
            counts.append(reliability_counts(hindcasts, scored, limit))
        event = named if limit is not None or not event else event
    reliability = pd.DataFrame()
    if counts:
        block = max(one.attrs["block"] for one in counts)
        joined = xr.concat(counts, "shard", join="outer", fill_value=0.0)
        reliability = reliability_of_counts(joined.sum("shard").assign_attrs(block=block))
    comparison = pd.concat(compared, ignore_index=True) if compared else pd.DataFrame()
    return Verification(scores, comparison, reliability, event)


def _draw(result: Backtest, folder: Path, observations: xr.Dataset, wells: int) -> dict[str, Path]:
    """Draw the scores of all wells, and the first wells."""
    there = result.hindcasts[schema.WELL].values[:wells]
    shown = replace(result, hindcasts=result.hindcasts.sel({schema.WELL: there}).load())
    return draw_backtest(shown, observations, folder=folder)
