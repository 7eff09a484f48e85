"""Changes of covariates: a factor, a shift or a value, in all months or in some."""

from __future__ import annotations

import calendar
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = ["Change", "apply_changes", "parse_change", "trained_ranges", "warn_of_ranges"]


OUTSIDE = 0.005  # share of steps outside the trained range, above which there is a warning


@dataclass(frozen=True)
class Change:
    """A change of one covariate.

    Parameters
    ----------
    covariate : str
        Name of the covariate, or its kind, such as ``"rain"``, for all covariates of the kind.
    factor, shift : float
        The value is multiplied by the factor, and the shift, in the units of the covariate, added.
    value : float, optional
        Value that replaces the covariate, e.g. 0 for pumping that is switched off.
    months : tuple of int
        Months that are changed, 1 to 12; by default all.

    Examples
    --------
    >>> Change("rain", factor=0.8, months=(6, 7, 8)).applied(np.array([2.0, 2.0]), np.array([5, 6]))
    array([2. , 1.6])
    >>> print(Change("rain", factor=0.8, months=(6, 7)), "|", Change("rain", value=0.8), sep="")
    rain times 0.8, in Jun, Jul|rain is 0.8 at every step (a factor is written *0.8)
    """

    covariate: str
    factor: float = 1.0
    shift: float = 0.0
    value: float | None = None
    months: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(not 1 <= month <= 12 for month in self.months):
            raise ValueError(
                f"Months of a change are numbers from 1 to 12. Received {self.months}. "
                "Correct them."
            )

    def __str__(self) -> str:
        """Return the change in words, for people to compare with what they meant."""
        parts = [f"times {self.factor:g}"] * (self.factor != 1)
        parts += [f"{'plus' if self.shift > 0 else 'minus'} {abs(self.shift):g}"] * bool(self.shift)
        said = f"{self.covariate} {' '.join(parts) or 'as it is'}"
        if self.value is not None:
            said = f"{self.covariate} is {self.value:g} at every step"
            said += f" (a factor is written *{self.value:g})" * bool(self.value)
        when = ", ".join(calendar.month_abbr[month] for month in self.months)
        return said + f", in {when}" * bool(when)

    def applied(self, values: np.ndarray, month: np.ndarray) -> np.ndarray:
        """Return changed values (..., time) of some months (time,)."""
        changed = self.factor * values + self.shift
        if self.value is not None:
            changed = np.where(np.isfinite(values), self.value, np.nan)
        inside = np.isin(month, self.months) if self.months else np.ones(month.size, bool)
        return np.where(inside, changed, values)


_CHANGE = re.compile(
    r"(?P<name>[^=]+)=(?P<sign>[*+-]?)(?P<number>[\d.eE+-]+)(@(?P<months>[\d,-]+))?"
)


def parse_change(text: str) -> Change:
    """Return a change written as text.

    Raises ValueError if the text has another form.

    Parameters
    ----------
    text : str
        ``rain=*0.8`` (factor), ``temperature=+2`` or ``stage=-0.5`` (shift), ``pumping=0`` (value);
        months behind an at sign: ``rain=*0.8@6-8`` or ``@12,1,2``.

    Examples
    --------
    >>> parse_change("rain=*0.8@6-8")
    Change(covariate='rain', factor=0.8, shift=0.0, value=None, months=(6, 7, 8))
    >>> parse_change("pumping=0").value
    0.0
    """
    found = _CHANGE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        number = float(found["number"])
        months = _months(found["months"]) if found["months"] else ()
    except ValueError:
        raise ValueError(
            "A change is a covariate, an equals sign, and a factor (*0.8), a shift (+2) or a value "
            f"(0), with months behind an at sign where it is not for all. Received {text!r}. Write "
            "for example rain=*0.8, temperature=+2, pumping=0 or rain=*0.8@6-8."
        ) from None
    name, sign = found["name"].strip(), found["sign"]
    if sign == "*":
        return Change(name, factor=number, months=months)
    if sign in ("+", "-"):
        return Change(name, shift=-number if sign == "-" else number, months=months)
    return Change(name, value=number, months=months)


def _months(text: str) -> tuple[int, ...]:
    months: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        months += range(int(first), int(last or first) + 1)
    return tuple(months)


def apply_changes(observations: xr.Dataset, changes: Sequence[Change]) -> xr.Dataset:
    """Return observations with changed covariates.

    Raises SchemaError if a covariate does not exist; ValueError if rain would be negative, or a
    value infinite.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    changes : sequence of Change
        Applied one after the other.
    """
    names = schema.covariate_names(observations)
    kinds = {name: schema.covariate_kind(name, observations[name].attrs) for name in names}
    month = observations[schema.TIME].dt.month.values
    changed = observations
    for change in changes:
        chosen = [n for n in names if n == change.covariate] or [
            n for n in names if kinds[n] == change.covariate
        ]
        if not chosen:
            raise SchemaError(
                f"A scenario changes covariates of the data: {', '.join(names)}. Received "
                f"{change.covariate!r}. Correct the name, or use a kind: "
                f"{', '.join(sorted(set(kinds.values())))}."
            )
        for name in chosen:
            old = changed[name]
            new = change.applied(old.values, month)
            _check_possible(name, kinds[name], old.values, new, change)
            changed = changed.assign({name: old.copy(data=new)})
    _warn_of_evapotranspiration(kinds, observations, changed)
    return changed


def _check_possible(name: str, kind: str, old: np.ndarray, new: np.ndarray, change: Change) -> None:
    known = np.isfinite(old)
    negative = kind == "rain" and (new[known] < 0).any() and not (old[known] < 0).any()
    if negative or not np.isfinite(new[known]).all():
        raise ValueError(
            f"Changed {'rain is not negative' if negative else 'covariates are finite'}. Received "
            f"{change}, after which {name!r} has values from {new[known].min():g} to "
            f"{new[known].max():g}. Give a factor or a value instead of a shift, or correct the "
            "number."
        )


def _warn_of_evapotranspiration(
    kinds: dict[str, str], before: xr.Dataset, after: xr.Dataset
) -> None:
    moved = {kinds[name] for name in kinds if not before[name].equals(after[name])}
    if "temperature" in moved and "evapotranspiration" in set(kinds.values()) - moved:
        warnings.warn(
            "Evapotranspiration rises with temperature. Received a change of temperature alone. "
            "Change evapotranspiration too, or leave it out of the covariates.",
            stacklevel=3,
        )


def trained_ranges(reference: xr.Dataset, scenario: xr.Dataset) -> pd.DataFrame:
    """Return how often the covariates of a scenario leave the range that models were fitted on.

    Columns are covariate, well, statistic (``"value"``, or ``"mean of a year"``, a running mean),
    lowest and highest of the reference up to the last level, and share_outside, the share of the
    scenario's steps outside this range.
    """
    frequency = timeline.infer_frequency(reference[schema.TIME].values)
    year = max(1, round(timeline.steps_per_year(frequency)))
    rows = []
    for well in schema.well_names(reference):
        known = reference[schema.LEVEL].sel({schema.WELL: well}).notnull().values
        last = int(np.flatnonzero(known)[-1]) if known.any() else known.size - 1
        for name in schema.covariate_names(reference):
            trained = reference[name].sel({schema.WELL: well}).to_series().iloc[: last + 1]
            given = scenario[name].sel({schema.WELL: well}).to_series()
            for statistic, window in (("value", 1), ("mean of a year", year)):
                of_trained = trained.rolling(window).mean().dropna()
                of_given = given.rolling(window).mean().dropna()
                if not len(of_trained) or not len(of_given):
                    continue
                low, high = float(of_trained.min()), float(of_trained.max())
                slack = 1e-9 * max(abs(low), abs(high), 1.0)
                outside = (of_given < low - slack) | (of_given > high + slack)
                rows.append((name, well, statistic, low, high, float(outside.mean())))
    columns = ["covariate", "well", "statistic", "lowest", "highest", "share_outside"]
    return pd.DataFrame(rows, columns=columns)


def warn_of_ranges(ranges: pd.DataFrame, *, stacklevel: int = 3) -> None:
    """Warn where a scenario leaves the range that models were fitted on in over 0.5 % of steps."""
    outside = ranges[ranges["share_outside"] > OUTSIDE]
    if not len(outside):
        return
    worst = outside.sort_values("share_outside").iloc[-1]
    names = ", ".join(sorted(set(outside["covariate"])))
    warnings.warn(
        "A model is only tested within the range that it was fitted on. Received a scenario that "
        f"leaves it for {names}; most of all the {worst['statistic']} of {worst['covariate']!r} at "
        f"well {worst['well']!r}, in {100 * worst['share_outside']:.0f} % of steps. Read its "
        "answer with care, and compare models, such as linear and kernel_ridge.",
        stacklevel=stacklevel,
    )
