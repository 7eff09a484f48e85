"""What if: levels under changed covariates, and their difference to the reference."""

from __future__ import annotations

import calendar
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.models.base import Forecaster
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import Estimate, Fits, fit_models
from gwforecast.runs.results import prediction_table
from gwforecast.schema import SchemaError

__all__ = [
    "REFERENCE", "Change", "Simulated", "WhatIf", "apply_changes", "parse_change", "simulate",
    "trained_ranges", "warn_of_ranges", "whatif",
]  # fmt: skip


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
        """Return changed values of a covariate.

        Parameters
        ----------
        values : numpy.ndarray
            Shape (..., time), in the units of the covariate; NaN stays NaN.
        month : numpy.ndarray
            Shape (time,), 1 to 12.

        Returns
        -------
        numpy.ndarray
            The same shape; values of other months are as they were.
        """
        changed = self.factor * values + self.shift
        if self.value is not None:
            changed = np.where(np.isfinite(values), self.value, np.nan)
        inside = np.isin(month, self.months) if self.months else np.ones(month.size, bool)
        return np.where(inside, changed, values)


_CHANGE = re.compile(
    r"(?P<name>[^=]+)=(?P<sign>[*+-]?)(?P<number>[\d.eE+-]+)(@(?P<months>[\d,-]+))?"
)


def parse_change(text: str) -> Change:
    """Return a change written as text, or raise ValueError if the text has another form.

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


def apply_changes(
    observations: xr.Dataset, changes: str | Change | Sequence[str | Change]
) -> xr.Dataset:
    """Return observations with changed covariates; changes are applied one after the other.

    They may be written as text, see :func:`parse_change`.

    Raises SchemaError if a covariate does not exist; ValueError if rain would be negative, or a
    value infinite.
    """
    names = schema.covariate_names(observations)
    kinds = {name: schema.covariate_kind(name, observations[name].attrs) for name in names}
    month = observations[schema.TIME].dt.month.values
    changed = observations
    for one in [changes] if isinstance(changes, str | Change) else changes:
        change = parse_change(one) if isinstance(one, str) else one
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


REFERENCE = "reference"
"""Name of the simulation with the covariates as they are."""

SCENARIO = "scenario"
NORMAL_95 = 1.959964

DEFAULT_MODELS = ("kernel_ridge", "linear")
"""Models of a scenario where none are named: one that bends and one that is straight."""


@dataclass(frozen=True, eq=False, repr=False)
class Simulated(Answer):
    """Levels simulated for all times with covariates.

    Parameters
    ----------
    levels : xarray.Dataset
        ``level`` (well, time, quantile), m.
    observations : xarray.Dataset
        The data that the models were fitted on.
    failed : dict of str to str
        Wells that could not be simulated, and why.
    """

    levels: xr.Dataset
    observations: xr.Dataset
    failed: dict[str, str] = field(default_factory=dict)

    about = "Simulated levels: mean, lowest and highest of each well, m"

    def summary(self) -> pd.DataFrame:
        """Return mean, lowest and highest level of each well.

        Returns
        -------
        pandas.DataFrame
            Columns mean, min and max, m.
        """
        level = self.to_dataframe().groupby("well")["predicted"]
        return level.agg(["mean", "min", "max"])

    def to_dataframe(self) -> pd.DataFrame:
        """Return the levels with their 95 % interval as one long table.

        Returns
        -------
        pandas.DataFrame
            Columns well, time, predicted, lower_95 and upper_95, m.
        """
        return prediction_table(self.levels[schema.LEVEL], None, by=[schema.WELL, schema.TIME])

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return the levels."""
        return {"simulation.csv": self.to_dataframe(), "simulation.nc": self.levels}

    def figures(self) -> dict[str, Callable[..., Any]]:
        """Return the drawing of the levels."""
        from gwforecast import plots  # loads matplotlib

        named = self.levels.expand_dims({schema.MODEL: ["simulation"]})
        return {"": partial(plots.hydrograph, self.observations, named)}


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf(Answer):
    """The answer to what if.

    Parameters
    ----------
    name : str
        Name of the scenario.
    levels : xarray.Dataset
        ``level`` (scenario, well, time, quantile), m, of ``"reference"`` and the scenario;
        ``difference`` (well, time, quantile), m, scenario - reference by the same fits. The
        attribute ``scenario`` is the name.
    differences : pandas.DataFrame
        Mean difference with its 95 % interval, m, by well and month; month 0 is the whole year.
    ranges : pandas.DataFrame
        As of :func:`gwforecast.questions.whatif.trained_ranges`.
    observed : xarray.DataArray
        Observed levels, dims (well, time), m.
    failed : dict of str to str
        Wells without an answer, and why.
    """

    name: str
    levels: xr.Dataset
    differences: pd.DataFrame
    ranges: pd.DataFrame
    observed: xr.DataArray
    failed: dict[str, str] = field(default_factory=dict)

    written = {"summary.csv": "differences", "ranges.csv": "ranges", "whatif.nc": "levels"}  # noqa: RUF012
    drawn = {"": ("scenario", "levels", "observed")}  # noqa: RUF012

    @property
    def about(self) -> str:  # type: ignore[override]
        """What the summary shows, with units."""
        return f"What if, {self.name}: mean difference from the reference with its 95 % interval, m"

    def summary(self) -> pd.DataFrame:
        """Return the mean difference of the whole year at each well.

        Returns
        -------
        pandas.DataFrame
            Difference, scenario - reference, with its 95 % interval, m; a row for each well.
        """
        table = self.differences[self.differences["month"] == 0]
        return table.drop(columns="month").set_index("well")

    def to_dataframe(self) -> pd.DataFrame:
        """Return the levels with their 95 % interval as one long table.

        Returns
        -------
        pandas.DataFrame
            Columns scenario, well, time, predicted, lower_95 and upper_95, m.
        """
        by = [SCENARIO, schema.WELL, schema.TIME]
        return prediction_table(self.levels[schema.LEVEL], None, by=by)


def simulate(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> Simulated:
    """Simulate levels for all times with covariates, by models fitted on all levels.

    To know how good the simulation is, see :func:`gwforecast.evaluate`; here no level is kept back,
    except for the intervals, which come from errors in blocks of years that fits had not seen.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`.

    Returns
    -------
    Simulated
        Levels with intervals.
    """
    fits = fit_models(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=as_callback(progress),
    )  # fmt: skip
    level = fits.with_interval(fits.simulate(fits.observations))
    levels = level.assign_attrs(units="m").to_dataset(name=schema.LEVEL)
    levels.attrs["model"] = fits.name
    return Simulated(levels, fits.observations, fits.failed)


def whatif(
    observations: xr.Dataset,
    changes: str | Change | Sequence[str | Change] | xr.Dataset,
    *,
    name: str = SCENARIO,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> WhatIf:
    """Simulate levels under changed covariates, and their difference to the reference.

    Reference and scenario are simulated by the same fits on all levels, so that most of their error
    cancels in the difference. Its interval follows from how much it varies between the members of a
    model, between models, and between fits that have each left out a block of years, see
    :mod:`gwforecast.questions.fits`. It does not contain what all models leave out.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    changes : str, Change, sequence of these, or xarray.Dataset
        Changes of covariates, as text in the form of the command line (``"rain=*0.8@6-8"``,
        ``"pumping=0"``), or observations of the same wells and times with other covariates.
    name : str
        Name of the scenario, which figures, tables and attributes carry.
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`. ``linear`` and networks continue beyond the range that they
        were fitted on, each in its own way; ``kernel_ridge`` falls back to what it knows.

    Returns
    -------
    WhatIf
        Levels, difference, summary by month, and how far covariates leave the trained range.

    Raises
    ------
    SchemaError
        If a covariate, well or time does not match the observations.
    ValueError
        If changed rain is negative, or a changed covariate infinite.

    Warns
    -----
    UserWarning
        If changed covariates leave the range that the models were fitted on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> time = pd.date_range("2000-01-03", periods=700, freq="7D")
    >>> rain = rng.gamma(1.0, 10.0, time.size)
    >>> level = 20 + pd.Series(rain).ewm(halflife=10).mean().to_numpy() / 10
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), level[None]), "rain": (("well", "time"), rain[None])},
    ...     {"well": ["a"], "time": time},
    ... )
    >>> drier = Change("rain", factor=0.9, months=(6,))
    >>> answer = whatif(observations, [drier], name="dry Junes", models=["linear"])
    >>> mean = answer.summary().loc["a", "difference"]
    >>> bool(abs(mean + 0.1 / 12) < 0.001)  # 10 % of 10 mm in a month of twelve, by 0.1 m/mm
    True
    """
    if isinstance(changes, xr.Dataset):
        scenario = _matching(changes, observations)
    else:
        scenario = apply_changes(observations, changes)
    fits = fit_models(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=as_callback(progress),
    )  # fmt: skip
    used = fits.observations
    scenario = scenario.sel({schema.WELL: used[schema.WELL].values})
    ranges = trained_ranges(used, scenario)
    moved = [n for n in schema.covariate_names(used) if not scenario[n].equals(used[n])]
    warn_of_ranges(ranges[ranges["covariate"].isin(moved)])
    levels, by_month = _compare(fits, scenario, name)
    return WhatIf(name, levels, _differences(by_month), ranges, used[schema.LEVEL], fits.failed)


def _matching(scenario: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Return a scenario after checking that it has the wells, times and covariates of the data."""
    schema.validate_observations(scenario, covariates=schema.covariate_names(observations))
    same = all(
        np.array_equal(scenario[axis].values, observations[axis].values)
        for axis in (schema.WELL, schema.TIME)
    )
    if not same:
        raise SchemaError(
            "A scenario has the wells and times of the observations. Received "
            f"{dict(scenario.sizes)} for {dict(observations.sizes)}. Select the same wells and "
            "times, or use gwforecast.project for a climate projection."
        )
    return scenario


def _compare(fits: Fits, scenario: xr.Dataset, name: str) -> tuple[xr.Dataset, Estimate]:
    """Return levels of both with their difference, and the mean difference of each month."""
    reference = fits.observations

    kept: dict[int, xr.DataArray] = {}

    def difference(model: Forecaster) -> xr.DataArray:
        if id(model) not in kept:  # simulations take most of the time
            changed = model.simulate(scenario)[schema.LEVEL]
            kept[id(model)] = changed - model.simulate(reference)[schema.LEVEL]
        return kept[id(model)]

    month = reference[schema.TIME].dt.month

    def monthly(model: Forecaster) -> xr.DataArray:
        found = difference(model)
        parts = [found.mean(schema.TIME)]
        parts += [found.where(month == number).mean(schema.TIME) for number in range(1, 13)]
        return xr.concat(parts, xr.DataArray(np.arange(13), dims="month", name="month"))

    both = [fits.with_interval(fits.simulate(one)) for one in (reference, scenario)]
    level = xr.concat(both, xr.DataArray([REFERENCE, name], dims=SCENARIO, name=SCENARIO))
    level.attrs = {**reference[schema.LEVEL].attrs, "units": schema.LEVEL_UNITS}
    change = fits.estimate(difference).quantiles().transpose(..., schema.QUANTILE)
    change.attrs = {"units": "m", "long_name": f"difference of the level, {name} - {REFERENCE}"}
    levels = xr.Dataset(
        {schema.LEVEL: level, "difference": change},
        {schema.QUANTILE: list(QUANTILES)},
        {"scenario": name, "model": fits.name},
    )
    return levels, fits.estimate(monthly)


def _differences(by_month: Estimate) -> pd.DataFrame:
    """Return the mean difference of each month as a table, month 0 for the whole year."""
    value, reach = by_month.value, NORMAL_95 * by_month.error
    table = xr.Dataset({"difference": value, "lower_95": value - reach, "upper_95": value + reach})
    frame = table.to_dataframe().reset_index()
    columns = ["well", "month", "difference", "lower_95", "upper_95"]
    return frame[columns].sort_values(["well", "month"]).reset_index(drop=True)
