"""How well would forecasts have done: hindcasts from rolling origins, scored by lead time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.models.requirements import check_horizon, check_memory
from gwforecast.progress import Progress, ProgressOption, as_callback
from gwforecast.runs import files
from gwforecast.runs.catalogue import DEFAULT_BACKTEST, make_forecasters, suited, with_blend
from gwforecast.runs.evaluate import usable_data
from gwforecast.runs.figures import draw_backtest
from gwforecast.runs.files import Stopwatch
from gwforecast.runs.forecast import HORIZON_YEARS
from gwforecast.runs.hindcasts import forecast_status, hindcast_all, join_models, verify_hindcasts
from gwforecast.runs.results import Backtest, Origins
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import issue_times_of, over_weekdays
from gwforecast.sequences.split import Split
from gwforecast.verification.scoring import check_baselines

__all__ = ["backtest", "describe", "last_covariate_step", "make_origins"]


STRIDE_DAYS = 7
USUAL_BASELINES = ("persistence", "climatology")


@files.owns_its_folder
def backtest(
    observations: xr.Dataset,
    *,
    split: Split | None = None,
    models: Sequence[str | Forecaster] = DEFAULT_BACKTEST,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    forcing: str | Forcing = "observed",
    horizon: int | None = None,
    stride: int | None = None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    issue_times: Sequence[str | np.datetime64] | np.ndarray | None = None,
    refit_every: int | None = None,
    sliding: bool = False,
    baselines: Sequence[str] = USUAL_BASELINES,
    threshold: float | Mapping[str, float] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    without_weather: bool = False,
    out: Path | str | None = None,
    figures: int = 12,
    inputs: Iterable[Path] = (),
    progress: ProgressOption = None,
) -> Backtest:
    """Issue forecasts at many past moments with what was known then, and score them.

    Each model is fitted on the train period, its intervals are calibrated by hindcasts of the
    validation period, and it is refitted through the validation period. A model that simulates from
    the weather is corrected at each issue time by the last observed levels. The weighted mean of
    the networks and ``kernel_ridge``, where there are two or more of them, is added as ``"blend"``.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, covariates, static attributes.
    forcing : str or Forcing
        Weather after the issue times: ``"observed"`` (perfect foresight, for research),
        ``"climatology"``, or any :class:`gwforecast.forcings.base.Forcing`.
    horizon : int, optional
        Number of lead times; by default a quarter of a year.
    stride : int, optional
        Steps from one issue time to the next; by default a week, or one step where that is longer.
        On a daily axis it is eight days, so that the issue times are on all days of the week:
        levels beside pumps and hydropower have a weekly rhythm.
    start, end : str or pandas.Timestamp, optional
        First and last issue time; by default those of the test period with known weather.
    issue_times : sequence of time, optional
        The issue times, steps of the time axis, instead of stride, start and end.
    refit_every : int, optional
        Issue times from one refit to the next; by default there is one refit at the start.
    sliding : bool
        Later refits use a window of constant length rather than all earlier levels.
    baselines : sequence of str
        Models that skill is measured against.
    threshold : float or mapping, optional
        Level, m, for all wells or by well. A level below it is the event that is scored, and its
        first crossing is reported; by default the event is a level below the lower tercile of its
        month, and no crossing is reported.
    split, models, settings, seed, members, workers, without_weather, out, figures, inputs, progress
        As of :func:`gwforecast.evaluate`.

    Returns
    -------
    Backtest
        Hindcasts of each model with their quantiles, scores and skill by lead time, reliability,
        coverage, status in the months ahead, and failures of models and wells in ``outcomes``.

    Raises
    ------
    SchemaError
        If the observations are not valid, there is no issue time, or no well has the weather that
        the models use without gaps and in each period.
    ValueError
        If a setting is impossible: a lookback longer than the record, a horizon longer than the
        test period or the memory, a stride that leaves one issue time.
    RuntimeError
        If no model gave a forecast.

    Examples
    --------
    >>> times = pd.date_range("2010-01-01", "2015-12-31")
    >>> wave = 10 + np.sin(2 * np.pi * np.arange(times.size) / 365.25)
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": times}
    ... )
    >>> result = backtest(observations, models=["climatology", "persistence"], horizon=60)
    >>> rmse = result.scores.query("metric == 'rmse'").set_index(["model", "lead"])["value"]
    >>> bool(rmse["climatology", 60] < rmse["persistence", 60])
    True
    """
    watch = Stopwatch()
    schema.validate_observations(observations)
    shared = {"seed": seed, "members": members, "workers": workers}
    forecasters = make_forecasters(
        suited(models, observations), settings=settings or {}, shared=shared
    )
    check_baselines(baselines, with_blend(forecasters), usual=USUAL_BASELINES)
    used, split, excluded = usable_data(
        forecasters, observations, split, simulates=False, without_weather=without_weather
    )
    origins = make_origins(
        used, split, weather=last_covariate_step(used), horizon=horizon, stride=stride, start=start,
        end=end, issue_times=issue_times, forcing=forcing, refit_every=refit_every, sliding=sliding,
    )  # fmt: skip
    sizes = {"models": len(forecasters), "wells": used.sizes[schema.WELL]}
    sizes |= {"issue times": origins.issue_times.size, "lead times": origins.horizon}
    check_memory(sizes | {"quantiles": len(QUANTILES)})
    issued, failed = hindcast_all(
        forecasters, used, split=split, origins=origins, watch=watch, progress=as_callback(progress)
    )
    hindcasts, outcomes = join_models(issued, failed, excluded, forcing=origins.forcing)
    with watch("score"):
        verification = verify_hindcasts(
            hindcasts, used, split=split, baselines=baselines, threshold=threshold
        )
        status = forecast_status(hindcasts, used, split=split, threshold=threshold)
    result = Backtest(
        hindcasts, verification, outcomes, split, origins, watch.seconds, status, {}, used
    )
    if out is not None:
        _write(result, used, folder=Path(out), figures=figures, progress=as_callback(progress))
        files.write_record(
            result, Path(out), watch=watch, models=files.model_settings(forecasters), inputs=inputs,
            details={
                "observations": files.describe_observations(observations), **describe(result)
            },
        )  # fmt: skip
    return result


def make_origins(
    observations: xr.Dataset,
    split: Split,
    *,
    weather: np.datetime64 | None,
    horizon: int | None,
    stride: int | None,
    start: str | pd.Timestamp | None,
    end: str | pd.Timestamp | None,
    issue_times: Sequence[str | np.datetime64] | np.ndarray | None = None,
    forcing: str | Forcing,
    refit_every: int | None,
    sliding: bool,
) -> Origins:
    """Return the issue times of a backtest, with defaults in steps of the time axis.

    Arguments are those of :func:`backtest`; ``weather`` is the last step with covariates.

    Raises ValueError if the horizon or the stride is impossible.
    """
    step = timeline.infer_frequency(observations[schema.TIME].values)
    lead_times, stride = _horizon_and_stride(step, horizon, stride)
    if issue_times is None:
        if horizon is not None:
            longest = _longest_test(observations, split)
            check_horizon(horizon, available=longest, what="the test period")
        found = issue_times_of(
            observations, split, period="test", stride=stride, start=start, end=end
        )
        issue_times = _with_known_weather(found, weather)
        _require_several(issue_times, split, step=step, stride=stride, start=start, end=end)
    return Origins(
        timeline.to_times(issue_times), lead_times, make_forcing(forcing), refit_every, sliding
    )


def _longest_test(observations: xr.Dataset, split: Split) -> int:
    """Return the number of steps from the first start of a test period to the last end of one."""
    wells = {schema.WELL: observations[schema.WELL].values}
    start, end = (
        bound("test").sel(wells).dropna(schema.WELL) for bound in (split.start, split.end)
    )
    if not start.size:
        return 0
    times = observations[schema.TIME]
    return int(((times >= start.min()) & (times <= end.max())).sum())


def _require_several(
    issue_times: np.ndarray,
    split: Split,
    *,
    step: str,
    stride: int,
    start: object = None,
    end: object = None,
) -> None:
    """Refuse a stride that leaves each well one issue time, unless start and end are the same.

    Raises ValueError if no well has two issue times before the end of its test period.
    """
    first, last = (bound("test").values[:, None] for bound in (split.start, split.end))
    following = np.array([timeline.add_steps(time, 1, step) for time in issue_times])
    inside = (following >= first) & (following <= last)
    if inside.sum(axis=1).max() > 1 or (start is not None and start == end):
        return
    raise ValueError(
        "A backtest needs at least two issue times of a well. Received one, "
        f"{timeline.format_time(issue_times[0])}, with a stride of {stride} steps. Choose a "
        "smaller stride, or a longer test period."
    )


def last_covariate_step(observations: xr.Dataset) -> np.datetime64 | None:
    """Return the last step at which any well has all covariates; None without covariates."""
    names = schema.covariate_names(observations)
    if not names:
        return None
    known = np.logical_and.reduce([observations[name].notnull().values for name in names])
    steps = np.flatnonzero(known.any(axis=0))
    return np.datetime64(observations[schema.TIME].values[steps[-1] if steps.size else 0])


def _with_known_weather(issue_times: np.ndarray, last: np.datetime64 | None) -> np.ndarray:
    """Return the issue times with known weather; warn if later ones are left out.

    Raises SchemaError if there is no such issue time.
    """
    kept = issue_times if last is None else issue_times[issue_times <= last]
    if kept.size == issue_times.size:
        return kept
    ends = timeline.format_time(cast("np.datetime64", last))
    if not kept.size:
        raise SchemaError(
            f"The weather must reach into the test period. Received weather up to {ends}, where "
            f"the first issue time is {timeline.format_time(issue_times[0])}. Give longer series."
        )
    warnings.warn(
        f"Forecasts are issued while the weather is known. Received weather up to {ends}: "
        f"{issue_times.size - kept.size} of {issue_times.size} issue times are later and left out. "
        "Give longer series, or an earlier end.",
        stacklevel=4,
    )
    return kept


def _horizon_and_stride(frequency: str, horizon: int | None, stride: int | None) -> tuple[int, int]:
    """Return horizon and stride in steps of a frequency, with defaults for those not given.

    Raises ValueError if the horizon is less than 1, or more than 10,000 steps.
    """
    year = timeline.steps_per_year(frequency)
    if horizon is not None:
        check_horizon(horizon)
    default = over_weekdays(max(1, round(STRIDE_DAYS * year / 365.25)), frequency)
    return horizon or max(1, round(HORIZON_YEARS * year)), default if stride is None else stride


def describe(result: Backtest) -> dict[str, object]:
    """Return how the hindcasts were issued and verified, for the record."""
    origins = result.origins
    return {
        "origins": {
            "first": origins.issue_times[0],
            "last": origins.issue_times[-1],
            "count": origins.issue_times.size,
            "horizon": origins.horizon,
            **origins.forcing.attributes,
            "refit_every": origins.refit_every,
            "sliding": origins.sliding,
        },
        "event": result.verification.event,
        "without_status": result.status_forecast.missing,
    }


def _write(
    result: Backtest,
    observations: xr.Dataset,
    *,
    folder: Path,
    figures: int,
    progress: Progress | None,
) -> None:
    """Write tables, hindcasts and figures; add their paths to the backtest."""
    files.begin_record(folder)
    verification, ahead = result.verification, result.status_forecast
    tables = {
        "scores_by_lead.csv": verification.scores,
        "coverage.csv": verification.coverage,
        "comparison.csv": verification.comparison,
        "reliability.csv": verification.reliability,
    }
    optional = {"status.csv": ahead.status, "crossings.csv": ahead.crossings}
    tables |= {name: table for name, table in optional.items() if len(table)}
    paths = result.paths
    paths |= {name: files.write_table(table, folder / name) for name, table in tables.items()}
    name = "hindcasts.nc"
    paths[name] = files.write_hindcasts(result.hindcasts, folder / name)
    if figures:
        wells = observations.isel({schema.WELL: slice(figures)})
        paths |= draw_backtest(result, wells, folder=folder, progress=progress)
