"""One forecaster over all rows: three fits, each used only on rows after those that it has seen."""

from __future__ import annotations

import operator
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.errors import error_reduction
from gwforecast.calibration.intervals import (
    QUANTILES,
    SPREAD,
    ConformalInterval,
    center_and_spread,
    simulate_held_out,
)
from gwforecast.models.base import Forecaster
from gwforecast.progress import Progress
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = [
    "HISTORY_COLUMNS",
    "OUTCOME_COLUMNS",
    "Predicted",
    "blend",
    "fitted_through",
    "predict",
    "predict_all",
    "warn_of_failures",
]


OUTCOME_COLUMNS = [schema.MODEL, schema.WELL, "status", "reason"]
SHORT = 400  # characters of a reason in a warning; run.json has them all

HISTORY_COLUMNS = ["well", "member", "epoch", "loss", "validation_loss"]


@dataclass(frozen=True)
class Predicted:
    """What one forecaster gives.

    Parameters
    ----------
    level : xarray.DataArray
        Dimensions (well, time, quantile), m; NaN where there is no prediction.
    history : pandas.DataFrame
        Training history of the first fit; no rows for a forecaster without one.
    failed : dict of str to str
        Wells without a prediction, and why.
    spread : xarray.DataArray, optional
        How far apart the members lie, m, dims (well, time).
    unseen : xarray.Dataset, optional
        ``level`` and ``spread`` (well, time), m, of the rows through the test period by fits that
        have not seen their levels.
    """

    level: xr.DataArray
    history: pd.DataFrame
    failed: dict[str, str] = field(default_factory=dict)
    spread: xr.DataArray | None = None
    unseen: xr.Dataset | None = None

    @property
    def simulation(self) -> xr.Dataset:
        """Central ``level`` and ``spread`` (well, time), m; 0 where nothing tells of a spread."""
        level = self.level.sel({schema.QUANTILE: 0.5}, drop=True)
        spread = xr.zeros_like(level) if self.spread is None else self.spread
        return xr.Dataset({schema.LEVEL: level, SPREAD: spread})


def fitted_through(observations: xr.Dataset, split: Split) -> xr.DataArray:
    """Return the last period whose levels a prediction of each row may be fitted on.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.

    Returns
    -------
    xarray.DataArray
        Text, dims (well, time): ``"train"`` up to the end of the validation period,
        ``"validation"`` up to the end of the test period, ``"test"`` after it.
    """
    wells = {schema.WELL: observations[schema.WELL].values}
    time = observations[schema.TIME]
    rows = xr.full_like(observations[schema.LEVEL], "train", dtype="<U10").drop_attrs()
    for earlier, later in (("validation", "validation"), ("test", "test")):
        end = split.end_through(cast("Period", earlier)).sel(wells)
        rows = rows.where(~(time > end).transpose(*rows.dims), later)
    return rows.astype("<U10").rename("fitted_through")


def predict(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    progress: Progress | None = None,
) -> Predicted:
    """Fit, refit and simulate, so that no row is predicted by a fit that has seen its level later.

    Rows of the train and validation period come from the fit on the train period, rows of the test
    period from a refit through the validation period, later rows from a refit through the test
    period. The interval is learnt from the first fit's errors of rows that it has not seen; that of
    the later rows also from the errors of the test period by the refit before it.
    Where the wells fail together, each is tried alone, but for networks that all wells share.

    Parameters
    ----------
    forecaster : Forecaster
        Not fitted yet.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    progress : Progress, optional
        Told of members and wells done.

    Raises
    ------
    Exception
        What the forecaster raises, where there is one well only.
    """
    wells = observations[schema.WELL].values
    try:
        return _predict(forecaster, observations, split, progress)
    except Exception as error:
        # networks that all wells share are not what they are called when each well is alone
        if wells.size == 1 or forecaster.pooled:
            raise
        return _predict_each(forecaster, observations, split, progress, error)


def predict_all(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    split: Split,
    *,
    unfit: Mapping[str, str],
    made: Mapping[str, Predicted] | None = None,
    watch: Callable[[str], AbstractContextManager[None]],
    progress: Progress | None = None,
) -> tuple[dict[str, Predicted], pd.DataFrame]:
    """Return the predictions of each model, and what became of each well; a failure is a warning.

    Parameters
    ----------
    forecasters : mapping
        Forecasters by name, not fitted.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    unfit : mapping
        Wells that cannot be split, and why.
    made : mapping, optional
        Predictions of further models that were made elsewhere.
    watch : callable
        Times what is done in a stage of a name.
    progress : Progress, optional
        Told of models, and of members and wells within them.

    Raises
    ------
    RuntimeError
        If no model could be fitted.
    """
    kept = {schema.WELL: observations[schema.WELL].values}  # wells that cannot be split are not
    predicted = {n: replace(one, level=one.level.sel(kept)) for n, one in (made or {}).items()}
    rows: list[tuple[str, str, str, str]] = []
    wells = [str(well) for well in observations[schema.WELL].values]
    for name, one in predicted.items():
        rows += _outcomes_of(name, wells, dict(unfit) | one.failed)
    for done, (name, forecaster) in enumerate(forecasters.items()):
        if progress is not None:
            progress("models", done, len(forecasters))
        failed = dict(unfit)
        with watch(f"fit {name}"):
            try:
                predicted[name] = predict(forecaster, observations, split=split, progress=progress)
                failed |= predicted[name].failed
            except Exception as error:
                failed |= dict.fromkeys(wells, f"{type(error).__name__}: {error}")
        warn_of_failures(
            name, {well: reason for well, reason in failed.items() if well not in unfit}
        )
        rows += _outcomes_of(name, wells, failed)
    if progress is not None:
        progress("models", len(forecasters), len(forecasters))
    if not predicted:
        raise RuntimeError(f"A run needs one model that can be fitted. Received none. {rows[0][3]}")
    return predicted, pd.DataFrame(rows, columns=OUTCOME_COLUMNS)


def warn_of_failures(model: str, failed: Mapping[str, str]) -> None:
    """Warn of the wells that a model failed at, the first with its reason."""
    if not failed:
        return
    well, reason = next(iter(failed.items()))
    more = f" So did {len(failed) - 1} more wells." if len(failed) > 1 else ""
    short = textwrap.shorten(reason, SHORT, placeholder=" ...")
    warnings.warn(f"Model {model!r} failed at well {well!r}: {short}{more}", stacklevel=4)


def _outcomes_of(
    name: str, wells: Sequence[str], failed: Mapping[str, str]
) -> list[tuple[str, str, str, str]]:
    return [
        *((name, well, "failed", reason) for well, reason in failed.items()),
        *((name, well, "ok", "") for well in wells if well not in failed),
    ]


def blend(parts: Sequence[Predicted], observations: xr.Dataset, *, split: Split) -> Predicted:
    """Return the mean of the central predictions of several models, with an interval of its own.

    The mean of forecasts with different errors is better than most of them (Bates and Granger
    1969, doi:10.1057/jors.1969.103). Where the models disagree, or the members of each, its
    interval is wider. Each row is made of fits that have seen the levels of the same periods.

    Parameters
    ----------
    parts : sequence of Predicted
        What each model gives for the same wells and times; at least two. The interval is learnt
        from the errors of the rows that none of them was fitted on.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    """
    simulation = _together([part.simulation for part in parts])
    apart = [part.unseen for part in parts if part.unseen is not None]
    unseen = _together(apart) if len(apart) == len(parts) else None
    level = _quantiles(simulation, unseen, observations, split)
    history = pd.DataFrame(columns=HISTORY_COLUMNS)
    return Predicted(level, history, _without(level, {}), simulation[SPREAD], unseen)


def _together(simulations: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the mean of several models, and the spread of their members; NaN where one is.

    The variance of all members is that within the models and that between them.
    """
    models = pd.RangeIndex(len(simulations), name=schema.MODEL)
    each = xr.concat(simulations, models, join="exact").transpose(..., schema.WELL, schema.TIME)
    within = (each[SPREAD] ** 2).mean(schema.MODEL, skipna=False)
    between = each[schema.LEVEL].var(schema.MODEL, skipna=False)
    level = each[schema.LEVEL].mean(schema.MODEL, skipna=False)
    return xr.Dataset({schema.LEVEL: level, SPREAD: np.sqrt(within + between)})


def _predict(
    forecaster: Forecaster, observations: xr.Dataset, split: Split, progress: Progress | None
) -> Predicted:
    told = _relay(progress, f"{forecaster.name}: train")
    fitted = forecaster.fit(observations, split=split, progress=told)
    simulation = center_and_spread(fitted.simulate(observations))
    unseen = simulate_held_out(fitted, observations, split=split, simulation=simulation)
    source = fitted_through(observations, split)
    failed = _failed(fitted)
    reached = _reached(simulation, observations)
    for through in PERIODS[1:]:
        rows = source == through
        if (rows & reached).any():
            told = _relay(progress, f"{forecaster.name}: refit through {through}")
            again = fitted.refit(observations, split=split, through=through, progress=told)
            later = center_and_spread(again.simulate(observations))
            simulation = simulation.where(~rows, later)
            if through == "validation":
                unseen = unseen.where(~rows, later)
            failed |= _failed(again)
    level = _quantiles(simulation, unseen, observations, split)
    failed |= _without(level, failed)
    return Predicted(level, _history(fitted), failed, simulation[SPREAD], unseen)


def _reached(simulation: xr.Dataset, observations: xr.Dataset) -> xr.DataArray:
    """Return the rows that a refit could predict: those with weather, or that a fit predicts."""
    known = simulation[schema.LEVEL].notnull()
    weather = [observations[name].notnull() for name in schema.covariate_names(observations)]
    complete = reduce(operator.and_, weather) if weather else xr.ones_like(known)
    return known | complete


def _relay(progress: Progress | None, name: str) -> Progress | None:
    """Return a progress that tells of all work under one name."""
    if progress is None:
        return None

    def told(task: str, done: int, total: int) -> None:  # noqa: ARG001
        progress(name, done, total)

    return told


def _predict_each(
    forecaster: Forecaster,
    observations: xr.Dataset,
    split: Split,
    progress: Progress | None,
    error: Exception,
) -> Predicted:
    parts, failed = [], {}
    for well in observations[schema.WELL].values:
        try:
            alone = observations.sel({schema.WELL: [well]})
            parts.append(_predict(forecaster, alone, split, progress))
        except Exception as reason:
            failed[str(well)] = f"{type(reason).__name__}: {reason}"
    if not parts:
        raise error
    every = {schema.WELL: observations[schema.WELL]}
    spreads = [part.spread for part in parts if part.spread is not None]
    apart = [part.unseen for part in parts if part.unseen is not None]
    return Predicted(
        xr.concat([part.level for part in parts], schema.WELL).reindex(every),
        pd.concat([part.history for part in parts], ignore_index=True),
        failed | {w: r for part in parts for w, r in part.failed.items()},
        xr.concat(spreads, schema.WELL).reindex(every),
        xr.concat(apart, schema.WELL).reindex(every),
    )


def _quantiles(
    simulation: xr.Dataset, unseen: xr.Dataset | None, observations: xr.Dataset, split: Split
) -> xr.DataArray:
    """Return levels with intervals, (well, time, quantile), m.

    The intervals of rows through the test period are learnt from errors before it, those of later
    rows from all.
    """
    before = _interval(unseen, observations, split, PERIODS[:-1])
    level = _around(simulation, before)
    later = fitted_through(observations, split) == PERIODS[-1]
    if later.any():
        through_test = _interval(unseen, observations, split, PERIODS)
        level = level.where(~later, _around(simulation, through_test))
    return level


def _interval(
    unseen: xr.Dataset | None, observations: xr.Dataset, split: Split, periods: Sequence[Period]
) -> ConformalInterval | None:
    if unseen is None:
        return None
    rows = split.rows(observations, *periods)
    known = unseen[schema.LEVEL].notnull() & observations[schema.LEVEL].notnull()
    if not (known & rows).any():
        return None
    errors = observations[schema.LEVEL] - unseen[schema.LEVEL]
    reduction = error_reduction(errors, split, periods)
    return ConformalInterval().fit(unseen, observations, rows=rows, reduction=reduction)


def _around(simulation: xr.Dataset, interval: ConformalInterval | None) -> xr.DataArray:
    if interval is not None:
        level = interval.apply(simulation)[schema.LEVEL]
        return level.transpose(schema.WELL, schema.TIME, schema.QUANTILE)
    level = simulation[schema.LEVEL].expand_dims({schema.QUANTILE: [0.5]}, axis=-1)
    return level.reindex({schema.QUANTILE: list(QUANTILES)})


def _failed(fitted: Forecaster) -> dict[str, str]:
    return {str(w): str(r) for w, r in getattr(fitted, "failed_", {}).items()}


def _history(fitted: Forecaster) -> pd.DataFrame:
    history = getattr(fitted, "history_", None)
    if history is None:
        return pd.DataFrame(columns=HISTORY_COLUMNS)
    return cast("pd.DataFrame", history)


def _without(level: xr.DataArray, failed: dict[str, str]) -> dict[str, str]:
    """Return the wells without any finite prediction that no reason is known for."""
    none = level.isnull().all([schema.TIME, schema.QUANTILE]).values
    wells = np.asarray(level[schema.WELL].values)[none]
    return {str(w): "no prediction is finite" for w in wells if str(w) not in failed}
