"""Which fit predicts which rows: three fits, each for later rows only."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TypeVar, cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.blending import (
    SPREAD,
    blend_simulations,
    blend_weights,
    center_and_spread,
    simulate_held_out,
)
from gwforecast.calibration.calibrated import bounds_of_record, within_bounds
from gwforecast.calibration.errors import error_reduction
from gwforecast.calibration.intervals import QUANTILES, SimulationInterval
from gwforecast.calibration.lasting_error import lasting_error
from gwforecast.models.base import Forecaster
from gwforecast.models.per_well import PerWell
from gwforecast.processes import count_processes, map_in_processes
from gwforecast.progress import Progress, stage
from gwforecast.runs.catalogue import BLEND, blended_among
from gwforecast.runs.outcomes import (
    outcome_rows,
    outcome_table,
    reason_of,
    select_wells,
    together_or_one_by_one,
    warn_of_failures,
    wells_without_scores,
    wells_without_values,
)
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = ["HISTORY_COLUMNS", "Prediction", "blend", "fitted_through", "predict", "predict_all"]


Found = TypeVar("Found", xr.DataArray, xr.Dataset)
SECONDS_PER_WELL = 300.0  # that a process may take longer than the first one before it is given up
OWN_SHARE = 1 / 3  # of the interval of the blend's own errors in its interval
HISTORY_COLUMNS = ["well", "member", "epoch", "loss", "validation_loss"]


@dataclass(frozen=True)
class Prediction:
    """The predictions of one forecaster."""

    level: xr.DataArray  # (well, time, quantile), m; NaN where there is no prediction
    history: pd.DataFrame  # training history of the first fit; no rows if it has none
    failed: dict[str, str] = field(default_factory=dict)  # why, by well
    spread: xr.DataArray | None = None  # of the members, (well, time), m
    # level and spread (well, time), m, of the rows through the test period, by fits without them
    held_out: xr.Dataset | None = None
    # factor (well, time) by which intervals were scaled for the age of the last known error
    size: xr.DataArray | None = None

    @property
    def simulation(self) -> xr.Dataset:
        """Central ``level`` and ``spread`` (well, time), m; the spread is 0 if it is unknown."""
        level = self.level.sel({schema.QUANTILE: 0.5}, drop=True)
        spread = xr.zeros_like(level) if self.spread is None else self.spread
        return xr.Dataset({schema.LEVEL: level, SPREAD: spread})

    @property
    def unscaled(self) -> xr.DataArray:
        """``level`` with intervals as they are without their ``size``."""
        return self.level if self.size is None else _scaled(self.level, 1.0 / self.size)


def fitted_through(observations: xr.Dataset, split: Split) -> xr.DataArray:
    """Return the last period that the fit behind the prediction of each row may be fitted on.

    Text, dims (well, time): ``"train"`` up to the end of the validation period, ``"validation"`` up
    to the end of the test period, ``"test"`` after it.
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
    workers: int | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Fit, refit and simulate, so that each row is predicted by a fit on earlier periods only.

    Rows of the train and validation periods come from the fit on the train period, rows of the test
    period from a refit through the validation period, and later rows from a refit through the test
    period. The interval is estimated from the errors of the first fit on rows it was not fitted on;
    for the later rows also from the errors of the first refit in the test period. It is wider with
    the years since the last of these errors, where errors last (see
    :mod:`gwforecast.calibration.correction`). Levels keep within the bounds that the levels of
    the fit show (see :mod:`gwforecast.calibration.calibrated`). If the fit fails for all wells
    together, each well is tried alone, except for networks that all wells share.

    Raises the error of the forecaster if no well could be predicted.
    """

    def work(wells: list[str]) -> Prediction:
        return _predict(forecaster, select_wells(observations, wells), split, workers, progress)

    wells = observations[schema.WELL]
    attempt = together_or_one_by_one(
        work, map(str, wells.values), divisible=not forecaster.pooled
    ).require()
    if attempt.first_error is None:
        return attempt.results[0]
    return _join_wells(attempt.results, wells, attempt.reasons)


def predict_all(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    split: Split,
    *,
    excluded: Mapping[str, str],
    precomputed: Mapping[str, Prediction] | None = None,
    workers: int | None = None,
    watch: Callable[[str], AbstractContextManager[None]],
    progress: Progress | None = None,
) -> tuple[dict[str, Prediction], pd.DataFrame]:
    """Return the predictions of each model, and of their blend, and outcomes; warn of failures.

    ``excluded``: wells that cannot be split, and why; ``precomputed``: predictions of further
    models; ``watch``: context manager that times a named stage.

    Raises RuntimeError if no model could be fitted.
    """
    kept = {schema.WELL: observations[schema.WELL].values}  # without the excluded wells
    predicted = {
        name: replace(one, level=one.level.sel(kept)) for name, one in (precomputed or {}).items()
    }
    wells = schema.well_names(observations)
    rows = [
        row
        for name, one in predicted.items()
        for row in outcome_rows(name, wells, dict(excluded) | one.failed)
    ]
    for done, (name, forecaster) in enumerate(forecasters.items()):
        if progress is not None:
            progress("models", done, len(forecasters))
        with watch(f"fit {name}"):
            try:
                made = predict(
                    forecaster, observations, split=split, workers=workers, progress=progress
                )
                predicted[name], level = made, made.level
                unscored = wells_without_scores(level, observations, split)
                failed = unscored | predicted[name].failed
            except Exception as error:
                failed = dict.fromkeys(wells, reason_of(error))
        warn_of_failures(name, failed)
        rows += outcome_rows(name, wells, dict(excluded) | failed)
    if progress is not None:
        progress("models", len(forecasters), len(forecasters))
    if not predicted:
        raise RuntimeError(f"A run needs one model that can be fitted. Received none. {rows[0][3]}")
    blended = [predicted[name] for name in blended_among(predicted)]
    if len(blended) > 1:
        predicted[BLEND] = blend(blended, observations, split=split, workers=workers)
    return predicted, outcome_table(rows)


def blend(
    parts: Sequence[Prediction],
    observations: xr.Dataset,
    *,
    split: Split,
    workers: int | None = None,
) -> Prediction:
    """Return the weighted mean of the predictions of several models.

    The mean of forecasts with different errors is better than most of them [1]_. Each model is
    weighted, at each well, by the inverse square of its mean squared error on rows of the train and
    validation periods that it was not fitted on, so that a model that fails at a well hardly counts
    there. Each row is the mean of fits on the same periods.

    Two thirds of the interval are the mean of the models' quantiles with these weights [2]_, which
    takes their errors to be alike; a third is estimated from the errors of the blend on rows that
    no model was fitted on, and is wider where the models disagree.

    Errors that have lasted for years, on rows that no model was fitted on, are carried on into the
    period that follows, and the interval becomes narrower or wider by what they say of the years to
    come, see :mod:`gwforecast.calibration.correction`.

    Parameters
    ----------
    parts : sequence of Prediction
        Predictions of at least two models for the same wells and times. Weights are estimated from
        errors on rows that none of them was fitted on; a model without such rows is left out if
        two others have them.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    workers : int, optional
        Most processes that many wells are divided among; by default one a core.

    References
    ----------
    .. [1] Bates, J. M., and Granger, C. W. J. (1969). The combination of forecasts. Operational
       Research Quarterly 20, 451-468. https://doi.org/10.1057/jors.1969.103
    .. [2] Lichtendahl, K. C., Grushka-Cockayne, Y., and Winkler, R. L. (2013). Is it better to
       average probabilities or quantiles? Management Science 59, 1594-1611.
       https://doi.org/10.1287/mnsc.1120.1667
    """
    weighted = [part for part in parts if part.held_out is not None]
    parts = weighted if len(weighted) > 1 else parts
    given = [part.held_out for part in parts if part.held_out is not None]
    complete = len(given) == len(parts)
    rows = split.levels(observations, *PERIODS[:-1])
    if complete:
        weights = blend_weights([one[schema.LEVEL] for one in given], rows)
    else:
        wells = {schema.WELL: observations[schema.WELL]}
        equal = np.full((len(parts), observations.sizes[schema.WELL]), 1.0 / len(parts))
        weights = xr.DataArray(equal, wells, (schema.MODEL, schema.WELL))
    simulation = blend_simulations([part.simulation for part in parts], weights)
    held_out = blend_simulations(given, weights) if complete else None
    each = xr.concat([part.unscaled for part in parts], schema.MODEL, join="exact")
    level = (weights * each.where(weights > 0, 0.0)).sum(schema.MODEL, skipna=False)
    level = level.transpose(*parts[0].level.dims).assign_attrs(parts[0].level.attrs)
    if held_out is not None:
        own = _quantiles(simulation, held_out, observations, split)
        level = level + OWN_SHARE * (own.where(own.notnull(), level) - level)
        lasting = _lasting_errors(held_out, observations, split, workers)
        level = _scaled(level, lasting["deviation"], moved=lasting["expected"])
        level = _within_bounds(level, observations, split)
    history = pd.DataFrame(columns=HISTORY_COLUMNS)
    return Prediction(level, history, wells_without_values(level), simulation[SPREAD], held_out)


def _lasting_errors(
    held_out: xr.Dataset, observations: xr.Dataset, split: Split, workers: int | None
) -> xr.Dataset:
    """Return what the errors of the periods behind its fit say of each row."""
    errors = observations[schema.LEVEL] - held_out[schema.LEVEL]

    def lasting(periods: Sequence[Period]) -> xr.Dataset:
        seen = split.levels(observations, *periods)
        varies = seen.max(schema.TIME) > seen.min(schema.TIME)
        return lasting_error(errors.where(seen.notnull() & varies), workers=workers)

    return _by_fit(lasting, observations, split)


def _scaled(
    level: xr.DataArray, factor: xr.DataArray, *, moved: xr.DataArray | float = 0.0
) -> xr.DataArray:
    """Return levels (well, time, quantile), moved, with intervals that are wider by a factor."""
    center = level.sel({schema.QUANTILE: 0.5}, drop=True)
    found = center + moved + factor * (level - center)
    return found.transpose(*level.dims).assign_attrs(level.attrs)


def _within_bounds(level: xr.DataArray, observations: xr.Dataset, split: Split) -> xr.DataArray:
    """Return levels within the bounds that the levels of the fit behind each row show."""
    return _by_fit(
        lambda periods: within_bounds(
            level, bounds_of_record(split.levels(observations, *periods))
        ),
        observations,
        split,
    )


def _by_fit(
    made: Callable[[Sequence[Period]], Found], observations: xr.Dataset, split: Split
) -> Found:
    """Return for each row what is made of the periods that the fit behind it has seen."""
    source = fitted_through(observations, split)
    found = made(PERIODS[:1])
    for number, through in enumerate(PERIODS[1:], start=2):
        if (rows := source == through).any():
            found = found.where(~rows, made(PERIODS[:number]))
    return found


@dataclass(frozen=True)
class _Simulated:
    """What the fits of a forecaster give, before its intervals are estimated."""

    simulation: xr.Dataset
    held_out: xr.Dataset
    history: pd.DataFrame
    failed: dict[str, str]


def _predict(
    forecaster: Forecaster,
    observations: xr.Dataset,
    split: Split,
    workers: int | None,
    progress: Progress | None,
) -> Prediction:
    wells = observations[schema.WELL].values
    by_well = isinstance(forecaster, PerWell)
    number = count_processes(wells.size, least=1, most=workers) if by_well else 1

    def work(part: np.ndarray) -> _Simulated:
        chosen = select_wells(observations, list(map(str, part)))
        return _simulate(forecaster, chosen, split, progress if wells[0] in part else None)

    shares = [wells[first::number] for first in range(number)]
    parts = map_in_processes(work, shares, patience=SECONDS_PER_WELL * wells.size)
    made = parts[0] if number == 1 else _join_parts(parts, observations[schema.WELL])
    level = _quantiles(made.simulation, made.held_out, observations, split)
    size = _lasting_errors(made.held_out, observations, split, workers)["size"]
    level = _within_bounds(_scaled(level, size), observations, split)
    failed = wells_without_values(level) | made.failed
    return Prediction(level, made.history, failed, made.simulation[SPREAD], made.held_out, size)


def _simulate(
    forecaster: Forecaster, observations: xr.Dataset, split: Split, progress: Progress | None
) -> _Simulated:
    report = stage(progress, f"{forecaster.name}: train")
    fitted = forecaster.fit(observations, split=split, progress=report)
    simulation = center_and_spread(fitted.simulate(observations))
    held_out = simulate_held_out(fitted, observations, split=split, simulation=simulation)
    source = fitted_through(observations, split)
    failed = _failed(fitted)
    predictable = _predictable(simulation, observations)
    for through in PERIODS[1:]:
        rows = source == through
        if (rows & predictable).any():
            report = stage(progress, f"{forecaster.name}: refit through {through}")
            again = fitted.refit(observations, split=split, through=through, progress=report)
            later = center_and_spread(again.simulate(observations))
            simulation = simulation.where(~rows, later)
            if through == "validation":
                held_out = held_out.where(~rows, later)
            failed |= _failed(again)
    return _Simulated(simulation, held_out, _history(fitted), failed)


def _join_parts(parts: Sequence[_Simulated], wells: xr.DataArray) -> _Simulated:
    """Join what processes made of their wells, in the order of all wells."""
    failed = {well: reason for part in parts for well, reason in part.failed.items()}
    return _Simulated(
        xr.concat([part.simulation for part in parts], schema.WELL).sel({schema.WELL: wells}),
        xr.concat([part.held_out for part in parts], schema.WELL).sel({schema.WELL: wells}),
        pd.concat([part.history for part in parts], ignore_index=True),
        {well: failed[well] for well in map(str, wells.values) if well in failed},
    )


def _predictable(simulation: xr.Dataset, observations: xr.Dataset) -> xr.DataArray:
    """Return the rows that a refit can predict: those with all covariates or with a simulation."""
    known = simulation[schema.LEVEL].notnull()
    weather = [observations[name].notnull() for name in schema.covariate_names(observations)]
    complete = reduce(operator.and_, weather) if weather else xr.ones_like(known)
    return known | complete


def _join_wells(
    parts: Sequence[Prediction], wells: xr.DataArray, failed: dict[str, str]
) -> Prediction:
    """Join predictions of single wells; wells that failed are NaN."""
    every = {schema.WELL: wells}
    spreads = [part.spread for part in parts if part.spread is not None]
    held_out = [part.held_out for part in parts if part.held_out is not None]
    sizes = [part.size for part in parts if part.size is not None]
    return Prediction(
        xr.concat([part.level for part in parts], schema.WELL).reindex(every),
        pd.concat([part.history for part in parts], ignore_index=True),
        failed | {well: reason for part in parts for well, reason in part.failed.items()},
        xr.concat(spreads, schema.WELL).reindex(every),
        xr.concat(held_out, schema.WELL).reindex(every),
        xr.concat(sizes, schema.WELL).reindex(every),
    )


def _quantiles(
    simulation: xr.Dataset, held_out: xr.Dataset | None, observations: xr.Dataset, split: Split
) -> xr.DataArray:
    """Return levels with intervals, (well, time, quantile), m.

    The intervals of rows through the test period are estimated from errors before it, those of
    later rows from all errors.
    """
    before = _interval(held_out, observations, split, PERIODS[:-1])
    level = _around(simulation, before)
    later = fitted_through(observations, split) == PERIODS[-1]
    if later.any():
        through_test = _interval(held_out, observations, split, PERIODS)
        level = level.where(~later, _around(simulation, through_test))
    return level


def _interval(
    held_out: xr.Dataset | None, observations: xr.Dataset, split: Split, periods: Sequence[Period]
) -> SimulationInterval | None:
    if held_out is None:
        return None
    rows = split.rows(observations, *periods)
    known = held_out[schema.LEVEL].notnull() & observations[schema.LEVEL].notnull()
    if not (known & rows).any():
        return None
    errors = observations[schema.LEVEL] - held_out[schema.LEVEL]
    reduction = error_reduction(errors, split, periods)
    return SimulationInterval().fit(held_out, observations, rows=rows, reduction=reduction)


def _around(simulation: xr.Dataset, interval: SimulationInterval | None) -> xr.DataArray:
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
