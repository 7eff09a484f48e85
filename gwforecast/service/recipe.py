"""Forecasters that are trained for scheduled forecasts, their comparison and their model cards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.config.load import Settings
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.runs.catalogue import make_forecasters
from gwforecast.runs.forecast import default_horizon
from gwforecast.sequences.origins import mask_to_period
from gwforecast.sequences.split import Split
from gwforecast.service.champions import check_storable
from gwforecast.verification.lead_scoring import lead_scores

__all__ = [
    "FEWEST_ORIGINS", "TrainingRecipe", "card_of", "compare", "issue_times_after", "recipe_of",
    "scores_for_card",
]  # fmt: skip


@dataclass(frozen=True)
class TrainingRecipe:
    """Models and settings of the forecaster of each well."""

    # names of models, or forecasters. The mean of several is forecast
    models: Sequence[str | Forecaster]
    settings: Mapping[str, Mapping[str, object]]  # settings by model and name
    horizon: int  # number of lead times
    forcing: str = "climatology"  # ``"climatology"`` or ``"observed"``
    # of the networks, see the settings [models]
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
            check_storable(forecaster)
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


FEWEST_ORIGINS = 20
MOST_ORIGINS = 60
METRICS = ("rmse", "crps")


SCORES = (
    "RMSE (m) of the median by lead time (steps) and its skill, from hindcasts of the last quarter "
    "of the levels by a fit on the levels before them; the error correction was chosen on the same "
    "quarter"
)


INTENDED = (
    "Levels of the listed wells for the calibrated lead times, from levels and weather of the same "
    "series, units and datum."
)


LIMITS = (
    "The model knows only what the training period shows: it does not know of later pumping or of "
    "a new datum. Coverage of the intervals holds on average over years like those of the "
    "calibration. Decisions about critical thresholds need expert judgement."
)


def issue_times_after(data: xr.Dataset, start: np.datetime64) -> np.ndarray:
    """Return the issue times from a start until before the last level, evenly thinned.

    ``data``: dimensions (well, time), of one well.
    """
    times = data[schema.TIME].values
    observed = times[data[schema.LEVEL].notnull().values[0]]
    issued = times[(times >= start) & (times < observed[-1])]
    return np.asarray(issued[:: max(1, math.ceil(issued.size / MOST_ORIGINS))])


def compare(
    candidate: Calibrated,
    champion: Calibrated,
    data: xr.Dataset,
    *,
    issue_times: np.ndarray,
    recipe: TrainingRecipe,
) -> tuple[float, float]:
    """Return the mean CRPS (m) of a candidate and of the champion on the same pairs.

    ``candidate``, ``champion``: neither of them fitted on levels after the first issue time;
    ``data``: dimensions (well, time), of one well; ``issue_times``: shape (issue_time,).
    """
    both = {"candidate": candidate, "champion": champion}
    made = {name: _issue(one, data, issue_times, recipe) for name, one in both.items()}
    scores = _lead_scores(made, data, baselines=())
    means = scores[scores["metric"] == "crps"].groupby("model")["value"].mean()
    return float(means["candidate"]), float(means["champion"])


def card_of(recipe: TrainingRecipe, scores: Mapping[str, object]) -> dict[str, object]:
    """Return the model card of a bundle: intended use, limits, settings and scores."""
    return {
        "intended_use": INTENDED,
        "limits": LIMITS,
        "models": recipe.names,
        "settings": {name: dict(given) for name, given in recipe.settings.items()},
        "seed": recipe.seed,
        "forcing": recipe.forcing,
        "scores_are": SCORES,
        "scores": dict(scores),
    }


def scores_for_card(
    calibrated: Calibrated, part: xr.Dataset, split: Split, *, recipe: TrainingRecipe
) -> dict[str, dict[str, dict[str, float]]]:
    """Return scores of the validation period by well, lead time and metric."""
    baselines = {"persistence": Persistence(), "climatology": Climatology()}
    for baseline in baselines.values():
        baseline.fit(part, split=split)
    tables = []
    for hindcasts in calibrated.hindcasts_:
        data = part.sel({schema.WELL: hindcasts[schema.WELL].values})
        made = {"model": hindcasts}
        for name, baseline in baselines.items():
            issued = _issue(baseline, data, hindcasts[schema.ISSUE_TIME].values, recipe)
            made[name] = mask_to_period(issued, split, period="validation")
        tables.append(_lead_scores(made, data, baselines=list(baselines)))
    table = pd.concat(tables, ignore_index=True)
    found: dict[str, dict[str, dict[str, float]]] = {
        str(well): {} for well in part[schema.WELL].values
    }
    table = table[(table["model"] == "model") & (table["metric"] != "crps")]
    table = table[table["lead"].isin(_selected_leads(recipe.horizon))]
    columns = (table[name].tolist() for name in ("well", "lead", "metric", "value"))
    for well, lead, metric, value in zip(*columns, strict=True):
        found[well].setdefault(str(lead), {})[metric] = round(value, 4)
    return found


def _issue(
    forecaster: Calibrated | Forecaster,
    data: xr.Dataset,
    issued: np.ndarray,
    recipe: TrainingRecipe,
) -> xr.Dataset:
    return forecaster.forecast(
        data, issue_times=issued, horizon=recipe.horizon, forcing=recipe.weather()
    )


def _lead_scores(
    made: Mapping[str, xr.Dataset], data: xr.Dataset, *, baselines: Sequence[str]
) -> pd.DataFrame:
    """Return the scores of forecasts of the same issue times."""
    levels = []
    for forecast in made.values():
        one = forecast[[schema.LEVEL]]
        if schema.QUANTILE not in one.dims:
            one = one.expand_dims({schema.QUANTILE: [0.5]}, axis=-1)
        levels.append(one.reindex({schema.QUANTILE: list(QUANTILES)}))
    model = pd.Index(list(made), name=schema.MODEL)
    hindcasts = xr.concat(levels, model, coords="minimal", compat="override")
    return lead_scores(
        hindcasts,
        data,
        baselines=baselines,
        metrics=[*METRICS, *(f"skill_rmse_{b}" for b in baselines)],
    )


def _selected_leads(horizon: int) -> list[int]:
    return sorted({1, *(max(1, round(horizon * part)) for part in (0.1, 0.3, 1.0))})
