"""Weather as it might be, and forcings by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.schema import SchemaError

__all__ = ["Scenario", "forcing_from_state", "forcing_to_state", "make_forcing"]

STORED = ("observed", "climatology")
"""Forcings that a later issue time has as well."""


@dataclass(frozen=True, eq=False)
class Scenario(Forcing):
    """Another forcing with changes, such as scaled rain and warmer temperatures.

    Parameters
    ----------
    name : str
        Name of the scenario.
    base : Forcing
        The forcing that is changed.
    factors, shifts : mapping
        For each covariate, the factor by which it is multiplied, and the value then added.

    Examples
    --------
    >>> dry = Scenario("dry", ClimatologyWeather(), factors={"rr": 0.8}, shifts={"tg": 1.5})
    >>> dry.origin, dry.label
    ('scenario', "scenario 'dry' of climatology")
    """

    name: str
    base: Forcing
    factors: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    origin = "scenario"

    @property
    def label(self) -> str:
        """Name of the scenario, and the forcing that it changes."""
        return f"scenario {self.name!r} of {self.base.label}"

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes of forecasts under the scenario, with its name."""
        base = self.base.label
        return {"forcing": self.origin, "scenario": self.name, "scenario_of": base}

    def futures(
        self,
        observations: xr.Dataset,
        *,
        issue_time: np.datetime64,
        horizon: int,
        covariates: Sequence[str],
    ) -> xr.Dataset:
        """Return the changed covariates of the base forcing."""
        unknown = [n for n in (*self.factors, *self.shifts) if n not in covariates]
        if unknown:
            raise SchemaError(
                f"A scenario can change the covariates {', '.join(covariates)}. Received a change "
                f"of {unknown[0]!r} in {self.name!r}. Correct the name."
            )
        futures = self.base.futures(
            observations, issue_time=issue_time, horizon=horizon, covariates=covariates
        )
        changed = {
            name: (futures[name] * self.factors.get(name, 1.0) + self.shifts.get(name, 0.0))
            .assign_attrs(futures[name].attrs)
            for name in covariates
        }  # fmt: skip
        return futures.assign(changed).assign_attrs(scenario=self.name)


def make_forcing(forcing: str | Forcing) -> Forcing:
    """Return the forcing with a name, ``"observed"`` or ``"climatology"``, or a given forcing.

    Raises ValueError if there is no forcing of this name.
    """
    classes: tuple[type[Forcing], ...] = (ObservedWeather, ClimatologyWeather)
    known = {cls.origin: cls for cls in classes}
    if isinstance(forcing, Forcing):
        return forcing
    if forcing not in known:
        raise ValueError(
            f"The weather after an issue time must be one of {', '.join(known)}, or a Forcing. "
            f"Received {forcing!r}. Use WeatherForecast or Scenario from Python for others."
        )
    return known[forcing]()


def forcing_to_state(forcing: Forcing) -> dict[str, Any]:
    """Return a forcing as plain JSON: its origin, and a scenario with its changes.

    Weather forecasts are stored as climatology: that of a later issue time is a new one. A scenario
    of a scenario is stored with the changes of the last one only.

    Examples
    --------
    >>> forcing_to_state(Scenario("dry", ClimatologyWeather(), factors={"rr": 0.8}))["scenario"]
    {'name': 'dry', 'factors': {'rr': 0.8}, 'shifts': {}}
    """
    if not isinstance(forcing, Scenario):
        return {"forcing": forcing.origin if forcing.origin in STORED else "climatology"}
    changes = {
        "name": str(forcing.name),
        "factors": {str(name): float(value) for name, value in forcing.factors.items()},
        "shifts": {str(name): float(value) for name, value in forcing.shifts.items()},
    }
    return {**forcing_to_state(forcing.base), "scenario": changes}


def forcing_from_state(description: Mapping[str, Any]) -> Forcing:
    """Return the forcing that :func:`forcing_to_state` described.

    Raises KeyError, TypeError or ValueError if an entry is missing, unknown or of another type.
    """
    origin, changes = description["forcing"], description.get("scenario")
    if origin not in STORED:
        raise ValueError(f"forcing {origin!r} is none of {STORED}")
    base = make_forcing(origin)
    if changes is None:
        return base
    if not isinstance(changes["name"], str) or not changes["name"]:
        raise TypeError(f"the name of a scenario must be text, not {changes['name']!r}")
    if not all(isinstance(changes[kind], Mapping) for kind in ("factors", "shifts")):
        raise TypeError("the factors and shifts of a scenario must be values by covariate")
    factors, shifts = (
        {str(name): float(value) for name, value in changes[kind].items()}
        for kind in ("factors", "shifts")
    )
    if not np.isfinite([*factors.values(), *shifts.values()]).all():
        raise ValueError("the factors and shifts of a scenario must be finite")
    return Scenario(changes["name"], base, factors=factors, shifts=shifts)
