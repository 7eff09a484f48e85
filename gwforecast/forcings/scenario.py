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
    """Another forcing with changes: rain times a factor, temperature plus a shift.

    Parameters
    ----------
    name : str
        Name of the scenario.
    base : Forcing
        The weather that is changed.
    factors, shifts : mapping
        By covariate: what it is multiplied by, and then what is added to it.

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
        """Return the changed versions of the base."""
        unknown = [n for n in (*self.factors, *self.shifts) if n not in covariates]
        if unknown:
            raise SchemaError(
                f"A scenario changes covariates that are used: {', '.join(covariates)}. Received "
                f"a change of {unknown[0]!r} in {self.name!r}. Correct the name."
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
    """Return a forcing by its name, ``"observed"`` or ``"climatology"``, or the one that is given.

    Raises
    ------
    ValueError
        If the name is neither.
    """
    known: dict[str, type[Forcing]] = {
        "observed": ObservedWeather,
        "climatology": ClimatologyWeather,
    }
    if isinstance(forcing, Forcing):
        return forcing
    if forcing not in known:
        raise ValueError(
            f"The weather after an issue time is one of {', '.join(known)}, or a Forcing. Received "
            f"{forcing!r}. Weather forecasts and scenarios are given from Python."
        )
    return known[forcing]()
