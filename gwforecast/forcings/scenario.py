"""Weather as it might be, and forcings by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.schema import SchemaError

__all__ = ["Scenario", "make_forcing"]


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
    >>> dry.origin
    'scenario'
    """

    name: str
    base: Forcing
    factors: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    origin = "scenario"

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

    Raises
    ------
    ValueError
        If there is no forcing of this name.
    """
    known: dict[str, type[Forcing]] = {
        "observed": ObservedWeather,
        "climatology": ClimatologyWeather,
    }
    if isinstance(forcing, Forcing):
        return forcing
    if forcing not in known:
        raise ValueError(
            f"The weather after an issue time must be one of {', '.join(known)}, or a Forcing. "
            f"Received {forcing!r}. Use WeatherForecast or Scenario from Python for others."
        )
    return known[forcing]()
