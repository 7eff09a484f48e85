"""Checks that a forecaster of one's own does what runs expect of every forecaster."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.forcings.base import ObservedWeather
from gwforecast.models.base import Forecaster
from gwforecast.sequences.split import Split, split_by_fraction

__all__ = ["check_forecaster"]

STEPS, HORIZON = 220, 4
Check = Callable[[], None]


class _BrokenRuleError(Exception):
    """A rule that the forecaster does not keep, and what was received."""


def check_forecaster(
    model: Forecaster | type[Forecaster],
    observations: xr.Dataset | None = None,
    *,
    split: Split | None = None,
) -> pd.DataFrame:
    """Check that a forecaster keeps the contract of :class:`gwforecast.Forecaster`.

    It is fitted, refitted and run on a small record, and then again on records whose later levels
    and weather were changed. What it must not use must not change what it predicts.

    Parameters
    ----------
    model : Forecaster or type
        Not fitted, or its class. It is copied and stays as it is.
    observations : xarray.Dataset, optional
        At least two wells; by default four made-up years of weekly levels, rain and temperature.
    split : Split, optional
        By default the first 60 % of the levels for training, and 20 % for validation.

    Returns
    -------
    pandas.DataFrame
        Columns rule and passed, one row for each rule that was checked.

    Raises
    ------
    ValueError
        If a rule is broken; the message lists each of them with what was received.

    Examples
    --------
    >>> import gwforecast as gw
    >>> table = gw.check_forecaster(gw.Climatology())
    >>> bool(table["passed"].all()), len(table)
    (True, 14)
    """
    data = made_up_record() if observations is None else observations
    one = model() if isinstance(model, type) else copy.deepcopy(model)
    checks = _Checks(one, data, split or split_by_fraction(data))
    rows = []
    for rule, check in checks.all():
        try:
            check()
            rows.append((rule, True, ""))
        except _BrokenRuleError as broken:
            rows.append((rule, False, str(broken)))
        except Exception as error:
            rows.append((rule, False, f"{type(error).__name__}: {error}"))
    broken_rules = [f"- {rule} Received: {what}" for rule, passed, what in rows if not passed]
    if broken_rules:
        raise ValueError(
            f"A forecaster keeps the rules of gwforecast.Forecaster. {type(one).__name__} breaks "
            f"{len(broken_rules)} of {len(rows)}:\n"
            + "\n".join(broken_rules)
            + "\nCorrect these methods; docs/howto/own_model.md has a complete example."
        )
    return pd.DataFrame([row[:2] for row in rows], columns=["rule", "passed"])


def made_up_record() -> xr.Dataset:
    """Return weekly levels, rain and temperature of two wells, with some levels missing."""
    rng = np.random.default_rng(0)
    rain = rng.gamma(0.8, 15.0, (2, STEPS))
    season = np.cos(2 * np.pi * np.arange(STEPS) / 52.18)
    temperature = 9 - 8 * season + rng.normal(0, 2, (2, STEPS))
    level = np.zeros((2, STEPS))
    for step in range(1, STEPS):
        recharge = 0.02 * rain[:, step] - 0.01 * np.maximum(temperature[:, step], 0)
        level[:, step] = 0.9 * level[:, step - 1] + recharge
    level += np.array([[20.0], [80.0]])
    level[0, 30:40] = level[1, ::17] = np.nan
    dims = (schema.WELL, schema.TIME)
    times = pd.date_range("2001-01-01", periods=STEPS, freq="7D")
    return xr.Dataset(
        {
            schema.LEVEL: (dims, level, {"units": "m"}),
            "rain": (dims, rain, {"units": "mm"}),
            "temperature": (dims, temperature, {"units": "degC"}),
        },
        {schema.WELL: ["a", "b"], schema.TIME: times},
    )


class _Checks:
    """The rules, in the order in which they are checked; each check raises if one is broken."""

    def __init__(self, model: Forecaster, data: xr.Dataset, split: Split) -> None:
        self.model, self._data, self.split = model, data, split
        self.issued = data[schema.TIME].values[[-HORIZON - 10, -HORIZON - 1]]

    @property
    def data(self) -> xr.Dataset:
        """A copy of the record, which a careless forecaster may change."""
        return self._data.copy(deep=True)

    def all(self) -> Iterator[tuple[str, Check]]:
        """Yield each rule with its check."""
        cls = type(self.model)
        yield "It is a gwforecast.Forecaster with a name.", self.is_a_forecaster
        yield "fit returns the forecaster itself.", self.fit_returns_itself
        yield "fit changes no data.", self.fit_changes_no_data
        yield "fit uses no level after the validation period.", self.fit_uses_no_later_level
        yield "Progress is reported as 0 to total parts done.", self.progress_is_taken
        yield "refit returns a new forecaster and leaves the first.", self.refit_is_new
        yield "It has a method simulate or forecast.", self.predicts
        if cls.simulate is not Forecaster.simulate:
            yield "simulate returns 'level' of all wells and steps.", self.simulation_has_its_form
            yield "simulate uses no level.", self.simulation_uses_no_level
            yield "simulate uses no weather of later steps.", self.simulation_uses_no_later_weather
            yield "A well is simulated alone as among others.", self.wells_do_not_mix
        if cls.forecast is not Forecaster.forecast:
            yield "forecast returns 'level' by issue and lead time.", self.forecast_has_its_form
            yield "forecast uses no level after the issue time.", self.forecast_uses_no_later_level
        if cls.storable and not self.model.parts:
            yield "from_state restores what to_state describes.", self.state_is_restored

    def fitted(self, data: xr.Dataset | None = None) -> Forecaster:
        """Return a copy that is fitted."""
        given = self.data if data is None else data
        return copy.deepcopy(self.model).fit(given, split=self.split)

    def predicted(self, one: Forecaster, data: xr.Dataset | None = None) -> np.ndarray:
        """Return levels that a fitted forecaster predicts."""
        given = self.data if data is None else data
        if type(one).simulate is not Forecaster.simulate:
            return np.asarray(one.simulate(given)[schema.LEVEL].values)
        return np.asarray(self.forecast(one, given)[schema.LEVEL].values)

    def forecast(self, one: Forecaster, data: xr.Dataset) -> xr.Dataset:
        """Return a forecast of two issue times."""
        return one.forecast(
            data, issue_times=self.issued, horizon=HORIZON, forcing=ObservedWeather()
        )

    def after(self, moment: np.datetime64, names: list[str]) -> xr.Dataset:
        """Return the record with other values after a moment."""
        later = self.data[schema.TIME] > moment
        return self.data.assign(
            {name: self.data[name].where(~later, self.data[name] * 1.5 + 7) for name in names}
        )

    def is_a_forecaster(self) -> None:
        if not isinstance(self.model, Forecaster):
            raise _BrokenRuleError(f"{type(self.model).__name__}, which is not a subclass of it")
        if not isinstance(self.model.name, str) or not self.model.name.strip():
            raise _BrokenRuleError(f"the name {self.model.name!r}")

    def fit_returns_itself(self) -> None:
        one = copy.deepcopy(self.model)
        found = one.fit(self.data, split=self.split)
        if found is not one:
            raise _BrokenRuleError(f"{type(found).__name__}, another object")

    def fit_changes_no_data(self) -> None:
        given = self.data.copy(deep=True)
        self.predicted(self.fitted(given), given)
        if not given.identical(self._data):
            raise _BrokenRuleError("data that differ after fit and prediction")

    def fit_uses_no_later_level(self) -> None:
        end = self.split.end_through("validation")
        later = (self.data[schema.TIME] > end).transpose(*self.data[schema.LEVEL].dims)
        other = self.data.assign(level=self.data[schema.LEVEL].where(~later, 7.0))
        # both predict from the same record
        _same(self.predicted(self.fitted()), self.predicted(self.fitted(other)), "later levels")

    def progress_is_taken(self) -> None:
        def report(task: str, done: float, total: int) -> None:
            if not 0 <= done <= total:
                raise _BrokenRuleError(f"progress {done} of {total} for {task!r}")

        one = copy.deepcopy(self.model).fit(self.data, split=self.split, progress=report)
        one.refit(self.data, split=self.split, through="train", progress=report)

    def refit_is_new(self) -> None:
        one = self.fitted()
        before = self.predicted(one)
        again = one.refit(self.data, split=self.split, through="validation")
        if again is one or type(again) is not type(one):
            raise _BrokenRuleError("the same object" if again is one else type(again).__name__)
        _same(before, self.predicted(one), "a refit of another object")
        self.predicted(again)

    def predicts(self) -> None:
        cls = type(self.model)
        if cls.simulate is Forecaster.simulate and cls.forecast is Forecaster.forecast:
            raise _BrokenRuleError("neither of them")

    def simulation_has_its_form(self) -> None:
        found = self.fitted().simulate(self.data)
        level = found[schema.LEVEL]
        dims = (schema.WELL, schema.TIME)
        if level.dims not in (dims, (*dims, schema.MEMBER)):
            raise _BrokenRuleError(f"the dimensions {level.dims}")
        for dim in dims:
            if not np.array_equal(level[dim].values, self.data[dim].values):
                raise _BrokenRuleError(f"other labels of {dim!r} than in the data")
        if not np.isfinite(level.values).any():
            raise _BrokenRuleError("NaN everywhere")

    def simulation_uses_no_level(self) -> None:
        one = self.fitted()
        other = self.data.assign(level=xr.full_like(self.data[schema.LEVEL], np.nan))
        _same(one.simulate(self.data)[schema.LEVEL].values,
              one.simulate(other)[schema.LEVEL].values, "missing levels")  # fmt: skip

    def simulation_uses_no_later_weather(self) -> None:
        one, at = self.fitted(), self.data.sizes[schema.TIME] * 3 // 4
        moment = self.data[schema.TIME].values[at - 1]
        other = self.after(moment, schema.covariate_names(self.data))
        found, expected = (one.simulate(d)[schema.LEVEL].values[:, :at] for d in (other, self.data))
        _same(expected, found, "later weather")

    def wells_do_not_mix(self) -> None:
        one = self.fitted()
        alone = one.simulate(self.data.isel({schema.WELL: [1]}))[schema.LEVEL].values
        _same(one.simulate(self.data)[schema.LEVEL].values[[1]], alone, "one well alone")

    def forecast_has_its_form(self) -> None:
        found = schema.validate_forecast(self.forecast(self.fitted(), self.data))
        expected = {schema.WELL: self.data.sizes[schema.WELL], schema.ISSUE_TIME: 2,
                    schema.LEAD_TIME: HORIZON}  # fmt: skip
        sizes = {str(dim): found.sizes[dim] for dim in expected}
        if sizes != expected:
            raise _BrokenRuleError(f"the sizes {sizes}, expected {expected}")
        issued = timeline.to_times(found[schema.ISSUE_TIME].values)
        if not np.array_equal(issued, timeline.to_times(self.issued)):
            raise _BrokenRuleError("other issue times than those requested")
        if not np.isfinite(found[schema.LEVEL].values).any():
            raise _BrokenRuleError("NaN everywhere")

    def forecast_uses_no_later_level(self) -> None:
        one = self.fitted()
        for number, issued in enumerate(self.issued):
            other = self.after(issued, [schema.LEVEL])
            found, expected = (
                self.forecast(one, data)[schema.LEVEL].values[:, number]
                for data in (other, self.data)
            )
            _same(expected, found, "levels after the issue time")

    def state_is_restored(self) -> None:
        one = self.fitted()
        description, arrays = one.to_state()
        again = type(one).from_state(description, arrays)
        _same(self.predicted(one), self.predicted(again), "storing and restoring")


def _same(expected: np.ndarray, found: np.ndarray, what: str) -> None:
    """Raise if levels differ."""
    if found.shape != expected.shape:
        raise _BrokenRuleError(f"the shape {found.shape} instead of {expected.shape} with {what}")
    if not np.allclose(expected, found, rtol=0, atol=1e-6, equal_nan=True):
        worst = float(np.nanmax(np.abs(expected - found)))
        raise _BrokenRuleError(f"levels that differ by up to {worst:.3g} m with {what}")
