"""TrainingRecipe of the forecasters that are trained for scheduled forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from gwforecast.config.load import Settings
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.runs.catalogue import make_forecasters
from gwforecast.runs.forecast import default_horizon
from gwforecast.service import bundle

__all__ = ["TrainingRecipe", "recipe_of"]


@dataclass(frozen=True)
class TrainingRecipe:
    """Models and settings of the forecaster of each well."""

    # names of models, or forecasters. The mean of several is forecast
    models: Sequence[str | Forecaster]
    settings: Mapping[str, Mapping[str, object]]  # settings by model and name
    horizon: int  # number of lead times
    forcing: str = "climatology"  # ``"climatology"`` or ``"observed"``
    # see forecast
    seed: int = 0
    members: int | None = None
    workers: int | None = None
    # allow models that derive levels from the weather to be trained without weather
    without_weather: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the models."""
        return [model if isinstance(model, str) else model.name for model in self.models]

    @property
    def pooled(self) -> bool:
        """Whether one of the models is fitted to all wells together."""
        return any(forecaster.pooled for forecaster in self.forecasters())

    def forecasters(self) -> list[Forecaster]:
        """Return new forecasters, not fitted."""
        shared = {"seed": self.seed, "members": self.members, "workers": self.workers}
        return list(make_forecasters(self.models, settings=self.settings, shared=shared).values())

    def weather(self) -> Forcing:
        """Return the weather after the issue times."""
        return make_forcing(self.forcing)

    def check(self) -> None:
        """Raise if the models cannot be stored or averaged, before anything is fitted.

        Raises
        ------
        TypeError
            If a forecaster is not of a class in the catalogue; a subclass would be read back as
            its parent.
        ValueError
            If several models are given and one of them does not simulate.
        """
        forecasters = self.forecasters()
        for forecaster in forecasters:
            bundle.check_storable(forecaster)
        lonely = [one.name for one in forecasters if type(one).simulate is Forecaster.simulate]
        if len(forecasters) > 1 and lonely:
            raise ValueError(
                "The mean of several models is taken of models that simulate from covariates. "
                f"Received {lonely[0]!r}, which needs recent levels. Remove it from 'models' in "
                "the table [schedule], or use it alone."
            )


def recipe_of(
    settings: Settings, observations: xr.Dataset, *, workers: int | None
) -> TrainingRecipe:
    """Return the recipe that the settings describe."""
    wanted = settings.schedule
    return TrainingRecipe(
        models=wanted.models,
        settings={name: settings.of_model(name) for name in wanted.models},
        horizon=wanted.horizon or default_horizon(observations),
        forcing=wanted.forcing,
        seed=settings.models.seed,
        members=settings.models.members,
        workers=workers,
        without_weather=settings.models.without_weather,
    )
