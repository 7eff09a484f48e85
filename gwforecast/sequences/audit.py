"""Leakage audits: rows used by scalers, features and windows, and tests by perturbation.

A test by perturbation replaces data that must not have an effect, and compares the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.time_axis import weather_steps
from gwforecast.schema import SchemaError
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.split import PERIODS, Period, Split, require_sequential

__all__ = [
    "REPLACEMENTS", "AuditedForecaster", "AuditedWindows", "LeakageAudit", "Replacement", "audit",
    "audit_forecaster", "describe", "difference", "replaced", "rows_after",
]  # fmt: skip


Replacement = Literal["missing", "noise", "huge"]
REPLACEMENTS: tuple[Replacement, ...] = ("missing", "noise", "huge")


def rows_after(observations: xr.Dataset, split: Split, period: Period) -> xr.DataArray:
    """Return which rows lie after the end of a period of each well, boolean, (well, time)."""
    ends = split.end_through(period).sel({schema.WELL: observations[schema.WELL].values})
    later = observations[schema.TIME] > ends
    return later.transpose(schema.WELL, schema.TIME).rename("rows")


def replaced(
    observations: xr.Dataset,
    names: Iterable[str],
    *,
    rows: xr.DataArray,
    by: Replacement,
    seed: int = 0,
) -> xr.Dataset:
    """Return observations with the values of some variables replaced on some rows, (well, time).

    They are replaced by NaN, by noise with mean 0 and standard deviation 10, or by 1e6.
    """
    random = np.random.default_rng(seed)
    changed = {}
    for name in names:
        variable = observations[name]
        new = {
            "missing": np.nan,
            "huge": 1e6,
            "noise": variable.copy(data=random.normal(0.0, 10.0, variable.shape)),
        }[by]
        changed[name] = variable.where(~rows, new).assign_attrs(variable.attrs)
    return observations.assign(changed)


def difference(found: xr.DataArray, expected: xr.DataArray, *, rows: xr.DataArray) -> np.ndarray:
    """Return the times at which any value on some rows differs in any bit, ``datetime64``.

    Both are (well, time[, member | quantile]), and NaN equals NaN; rows are (well, time).
    """
    xr.align(found, expected, rows, join="exact")
    found = found.transpose(*expected.dims)
    differs = (found != expected) & ~(found.isnull() & expected.isnull()) & rows
    others = [d for d in differs.dims if d != schema.TIME]
    return np.asarray(differs[schema.TIME].values[differs.any(others).values])


def describe(steps: np.ndarray) -> str:
    """Return a description of the result of :func:`difference`."""
    if not steps.size:
        return "identical"
    return f"{steps.size} steps change, the first at {timeline.format_time(steps[0])}"


STATISTICS = "statistics come from fitted rows only"
AHEAD = "no value depends on later rows"
TARGETS = "targets lie in their own period"
INPUTS = "inputs end with their target at the latest"
LEVELS = "no level outside the fitted periods is used"
CLOSED = "a simulation uses no level"
_COLUMNS = ["part", "name", "well", "period", "rule", "first", "last", "n", "passed", "note"]

Feature = Callable[[xr.Dataset], xr.DataArray]
Row = dict[str, object]


class AuditedWindows(Protocol):
    """Windows as positions on the time axis, shape (window,), with exclusive ends."""

    @property
    def well(self) -> np.ndarray: ...  # noqa: D102
    @property
    def input_start(self) -> np.ndarray: ...  # noqa: D102
    @property
    def input_stop(self) -> np.ndarray: ...  # noqa: D102
    @property
    def target_start(self) -> np.ndarray: ...  # noqa: D102
    @property
    def target_stop(self) -> np.ndarray: ...  # noqa: D102


class AuditedForecaster(Protocol):
    """Methods needed by the audit; see ``gwforecast.models.base.Forecaster``."""

    def fit(self, observations: xr.Dataset, *, split: Split) -> Self:
        """Fit on the train rows and return itself."""

    def refit(self, observations: xr.Dataset, *, split: Split, through: Period) -> Self:
        """Return a new forecaster, fitted through the end of a period."""

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return ``level`` (well, time[, member | quantile])."""


@dataclass(frozen=True, eq=False)
class LeakageAudit:
    """The result of an audit, which can be printed or read as a table.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each part, name, well, period and rule: first, last and number of the rows that
        were used, whether the rule holds, and a note.
    weather : str
        Which steps of weather a prediction may see.
    """

    table: pd.DataFrame
    weather: str = ""

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return bool(self.table["passed"].all())

    @property
    def failures(self) -> pd.DataFrame:
        """Rows of the table with a broken rule."""
        return self.table[~self.table["passed"].astype(bool)]

    def __add__(self, other: LeakageAudit) -> LeakageAudit:
        """Return both audits as one."""
        both = pd.concat([self.table, other.table], ignore_index=True)
        return LeakageAudit(both, self.weather or other.weather)

    def __str__(self) -> str:
        shown = self.table.assign(
            passed=np.where(self.table["passed"].astype(bool), "pass", "LEAK"),
            **{edge: self.table[edge].map(_day) for edge in ("first", "last")},
        )
        n, bad = len(self.table), len(self.failures)
        verdict = f"Leakage audit: {n - bad} of {n} rules hold" + (
            f", {bad} BROKEN." if bad else "."
        )
        if self.weather:
            verdict = f"{verdict}\nWeather that a prediction may see: {self.weather}."
        return verdict if n == 0 else f"{verdict}\n{shown.to_string(index=False)}"


def audit(
    observations: xr.Dataset,
    split: Split,
    *,
    scaler: Scaler | None = None,
    features: Mapping[str, Feature] | None = None,
    windows: AuditedWindows | Mapping[Period, AuditedWindows] | None = None,
    targets: xr.DataArray | None = None,
    through: Period = "train",
) -> LeakageAudit:
    """Check which rows scaler, features and windows use.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    scaler : Scaler, optional
        Fitted. Its recorded rows must lie in the fitted periods; its centre and scale are
        recomputed from them.
    features : mapping of str to callable, optional
        Functions that derive a covariate (well, time) from observations. All rows after the end of
        a period are replaced by missing values, noise and 1e6; up to the end the feature must
        remain identical bit for bit. It must not depend on levels after the fitted periods.
    windows : AuditedWindows or mapping of period to AuditedWindows, optional
        Windows of each period; a single object is taken for the train period. Inputs may extend
        back into an earlier period, but targets with a level must lie in their period, and inputs
        must not extend beyond their target.
    targets : xarray.DataArray, optional
        Levels used as targets of the windows, NaN where masked, dims (well, time); by default all
        observed levels. Windows may extend beyond their period if the levels there are masked,
        e.g. by ``split.levels(observations, "train")``.
    through : {"train", "validation", "test"}
        Last period whose rows statistics may use.

    Returns
    -------
    LeakageAudit
        Printed, it shows which rules hold; ``passed`` is whether all do, ``failures`` are the rows
        of its ``table`` that do not.

    Raises
    ------
    TypeError
        If the split is not sequential.
    """
    require_sequential(split)
    rows: list[Row] = []
    if scaler is not None:
        rows += _audit_scaler(observations, split, scaler, through)
    for name, feature in (features or {}).items():
        rows += _audit_feature(observations, split, name, feature, through)
    if windows is not None:
        by_period = windows if isinstance(windows, Mapping) else {PERIODS[0]: windows}
        given = observations[schema.LEVEL] if targets is None else targets
        xr.align(given, observations[schema.LEVEL], join="exact")
        for period, chosen in by_period.items():
            rows += _audit_windows(given, split.rows(observations, period), chosen, period)
    return LeakageAudit(pd.DataFrame(rows, columns=_COLUMNS), weather_steps(observations)["seen"])


def audit_forecaster(
    forecaster_factory: Callable[[], AuditedForecaster],
    observations: xr.Dataset,
    split: Split,
    *,
    refit_through: Iterable[Period] = ("train", "validation"),
    replacements: Sequence[Replacement] = REPLACEMENTS,
    name: str = "forecaster",
) -> LeakageAudit:
    """Test by perturbation that a forecaster does not use data it must not use.

    These data are replaced by missing values, noise and 1e6, the forecaster is fitted again, and
    its levels are compared bit for bit. This needs about
    ``(2 + len(refit_through)) * (1 + len(replacements))`` fits.

    Parameters
    ----------
    forecaster_factory : callable
        Returns a new forecaster, with the same seeds each time.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    refit_through : iterable of {"train", "validation", "test"}
        Refits to test as well. A fit may use validation rows to choose, a refit on train may not.
    replacements : sequence of {"missing", "noise", "huge"}
        Replacements. The rule also holds if missing covariates raise a SchemaError.
    name : str
        Name in the table.

    Returns
    -------
    LeakageAudit
        As of :func:`audit`, a row for each rule and replacement.

    Raises
    ------
    TypeError
        If the split is not sequential.
    """
    rows: list[Row] = []
    for proof in _proofs(forecaster_factory, observations, split, tuple(refit_through)):
        expected = proof.run(observations)[schema.LEVEL]
        for by in replacements:
            changed = replaced(observations, proof.names, rows=proof.where, by=by)
            outcome = _outcome(
                partial(proof.run, changed), expected=expected, upto=~proof.free, by=by
            )
            row: Row = {"part": "forecaster", "name": name, "well": "all", "period": proof.period}
            rows.append(row | {"rule": proof.rule} | outcome)
    return LeakageAudit(pd.DataFrame(rows, columns=_COLUMNS), weather_steps(observations)["seen"])


@dataclass(frozen=True, eq=False)
class _Proof:
    """A run, the variables and rows to replace, and the rows that may change as a result."""

    rule: str
    period: str
    run: Callable[[xr.Dataset], xr.Dataset]
    names: list[str]
    where: xr.DataArray
    free: xr.DataArray


def _proofs(
    factory: Callable[[], AuditedForecaster],
    observations: xr.Dataset,
    split: Split,
    refit_through: tuple[Period, ...],
) -> Iterator[_Proof]:
    fitted = factory().fit(observations, split=require_sequential(split))

    def fit(changed: xr.Dataset) -> xr.Dataset:
        return factory().fit(changed, split=split).simulate(changed)

    def refit(period: Period, changed: xr.Dataset) -> xr.Dataset:
        return fitted.refit(changed, split=split, through=period).simulate(changed)

    level, covariates = [schema.LEVEL], schema.covariate_names(observations)
    everywhere = xr.ones_like(observations[schema.LEVEL], dtype=bool)
    unseen = ~split.rows(observations, "train", "validation")
    yield _Proof(LEVELS, "fit", fit, level, unseen, ~everywhere)
    for p in refit_through:
        unseen = ~split.rows(observations, *PERIODS[: PERIODS.index(p) + 1])
        run = partial(refit, p)
        yield _Proof(LEVELS, f"refit through {p}", run, level, unseen, ~everywhere)
    yield _Proof(CLOSED, "simulate", fitted.simulate, level, everywhere, ~everywhere)
    if covariates:
        for p in PERIODS[:2]:
            later = rows_after(observations, split, p)
            yield _Proof(AHEAD, f"simulate, {p}", fitted.simulate, covariates, later, later)
        later = rows_after(observations, split, "validation")
        yield _Proof(AHEAD, "fit", fit, covariates, later, later)


def _outcome(
    run: Callable[[], xr.Dataset], *, expected: xr.DataArray, upto: xr.DataArray, by: Replacement
) -> Row:
    times = expected[schema.TIME].values[upto.any(schema.WELL).values]
    outcome: Row = {"first": times[0], "last": times[-1], "n": int(upto.sum())}
    try:
        steps = difference(run()[schema.LEVEL], expected, rows=upto)
    except SchemaError as error:
        # an error for missing covariates is not a leak, an error for other values is
        refused = by == "missing" and not bool(upto.all())
        return outcome | {"passed": refused, "note": f"{by}: error, {error}"}
    return outcome | {"passed": steps.size == 0, "note": f"{by}: {describe(steps)}"}


def _audit_scaler(
    observations: xr.Dataset, split: Split, scaler: Scaler, through: Period
) -> list[Row]:
    allowed = split.rows(observations, *PERIODS[: PERIODS.index(through) + 1])
    names = scaler.names_.tolist()
    wanted = Scaler(per_well=scaler.per_well, methods=scaler.methods)
    if scaler.per_well:
        observations = observations.sel({schema.WELL: scaler.wells_})
        allowed = allowed.sel({schema.WELL: scaler.wells_})
    wanted.fit(observations, rows=allowed, names=names)
    rows: list[Row] = []
    for i, j in np.ndindex(scaler.center_.shape):
        passed, note = _judge_statistics(scaler, wanted, i, j)
        rows.append(
            {
                "part": "scaler",
                "name": names[j],
                "well": scaler.wells_[i] or "all",
                "period": through,
                "rule": STATISTICS,
                "first": scaler.first_[i, j],
                "last": scaler.last_[i, j],
                "n": int(scaler.n_[i, j]),
                "passed": passed,
                "note": note,
            }
        )
    return rows


def _judge_statistics(scaler: Scaler, wanted: Scaler, i: int, j: int) -> tuple[bool, str]:
    broken = []
    if scaler.first_[i, j] < wanted.first_[i, j] or scaler.last_[i, j] > wanted.last_[i, j]:
        broken.append(f"fitted rows end at {_day(wanted.last_[i, j])}")
    if scaler.n_[i, j] > wanted.n_[i, j]:
        broken.append(f"only {wanted.n_[i, j]} of the rows are fitted rows")
    near = 1e-6 * wanted.scale_[i, j]
    same = (
        abs(scaler.center_[i, j] - wanted.center_[i, j]) <= near
        and abs(scaler.scale_[i, j] - wanted.scale_[i, j]) <= near
    )
    if scaler.n_[i, j] == wanted.n_[i, j] and not same:
        broken.append("centre and scale are not those of the recorded rows")
    if broken:
        return False, "; ".join(broken)
    if same:
        return True, "same centre and scale from the fitted rows"
    return True, f"{wanted.n_[i, j]} rows are available; values were not recomputed"


def _audit_feature(
    observations: xr.Dataset, split: Split, name: str, feature: Feature, through: Period
) -> list[Row]:
    expected = feature(observations)
    series = [schema.LEVEL, *schema.covariate_names(observations)]
    outside = ~split.rows(observations, *PERIODS[: PERIODS.index(through) + 1])
    everywhere = xr.ones_like(outside)
    trials = [(LEVELS, through, [schema.LEVEL], outside, everywhere)]
    for p in PERIODS[:2]:
        later = rows_after(observations, split, p)
        trials.append((AHEAD, p, series, later, ~later))
    rows: list[Row] = []
    for rule, period, names, where, upto in trials:
        for by in REPLACEMENTS:
            run = partial(_derive, feature, replaced(observations, names, rows=where, by=by))
            row: Row = {"part": "feature", "name": name, "well": "all", "period": period}
            outcome = _outcome(run, expected=expected, upto=upto, by=by)
            rows.append(row | {"rule": rule} | outcome)
    return rows


def _derive(feature: Feature, observations: xr.Dataset) -> xr.Dataset:
    return feature(observations).to_dataset(name=schema.LEVEL)


def _audit_windows(
    targets: xr.DataArray, rows_of_period: xr.DataArray, windows: AuditedWindows, period: Period
) -> list[Row]:
    times = targets[schema.TIME].values
    inside = rows_of_period.values
    outside = targets.notnull().values & ~inside
    so_far = np.concatenate([np.zeros((outside.shape[0], 1), int), outside.cumsum(axis=1)], axis=1)
    well = np.asarray(windows.well)
    begin, end = np.asarray(windows.target_start), np.asarray(windows.target_stop)
    oldest, newest = np.asarray(windows.input_start), np.asarray(windows.input_stop)
    strays = so_far[well, np.clip(end, 0, times.size)] > so_far[well, np.clip(begin, 0, times.size)]
    ahead = newest > end
    rows: list[Row] = []
    for i in np.unique(well):
        mine = well == i
        back = int((~inside[i, np.clip(oldest[mine], 0, times.size - 1)]).sum())
        for rule, broken, first, last, note in (
            (TARGETS, strays[mine], begin[mine], end[mine], "with a target outside"),
            (INPUTS, ahead[mine], oldest[mine], newest[mine], "with inputs after their target"),
        ):
            n = int(broken.sum())
            looking = f", {back} extend back before the period" if rule == INPUTS else ""
            rows.append(
                {
                    "part": "windows",
                    "name": type(windows).__name__,
                    "well": str(targets[schema.WELL].values[i]),
                    "period": period,
                    "rule": rule,
                    "first": times[np.clip(first.min(), 0, times.size - 1)],
                    "last": times[np.clip(last.max() - 1, 0, times.size - 1)],
                    "n": int(mine.sum()),
                    "passed": n == 0,
                    "note": f"{n} windows {note}{looking}",
                }
            )
    return rows


def _day(time: object) -> str:
    stamp = pd.Timestamp(time)  # type: ignore[arg-type]
    return "" if pd.isna(stamp) else timeline.format_time(stamp)
