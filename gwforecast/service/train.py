"""Champions for scheduled forecasts: trained, held against those before them, stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.forecaster import Calibrated
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.progress import Progress
from gwforecast.runs.catalogue import is_pooled, make_forecasters
from gwforecast.runs.forecast import TRAIN, VALIDATION, calibrate, fit_calibrated
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import mask_to_period
from gwforecast.sequences.split import Split, split_by_fraction
from gwforecast.service.bundle import BundleError, check_fits
from gwforecast.service.champions import Champion, Champions
from gwforecast.verification.lead_scoring import lead_scores

__all__ = ["COLUMNS", "DECISIONS", "Recipe", "train", "train_into"]


DECISIONS = ("first", "better", "replaced", "kept", "failed")
"""What became of a well: its first champion, a better one, one that replaces whatever was there,
the one that it had, none."""
COLUMNS = ["well", "decision", "reason", "bundle", "crps", "crps_champion", "origins"]
UNCOMPARED = "a network of all wells is not compared well by well; --replace puts the new one in"
WINDOW = np.timedelta64(365, "D")  # last levels that champion and challenger are compared on
FEWEST_ORIGINS = 20
ORIGINS = 60  # at most
METRICS = ("rmse", "crps")
SCORES = (
    "RMSE (m) of the median by lead time (steps) and its skill, in hindcasts of the last quarter "
    "of the levels by a fit on those before it; the correction by recent levels was chosen there"
)
INTENDED = (
    "Levels of the wells that are named, for the lead times that were calibrated, from levels and "
    "weather of the same series, units and datum."
)
LIMITS = (
    "No level beyond what the training span shows is known to the networks: pumping, land use or a "
    "new datum after it are not. Intervals hold on average over years like those of the "
    "calibration. Thresholds that matter need a person's judgement."
)


@dataclass(frozen=True)
class Recipe:
    """How the forecaster of a well is made.

    Parameters
    ----------
    models : sequence of str
        Of several the mean is taken.
    settings : mapping
        Settings by model and name.
    horizon : int
        Lead times.
    forcing : str
        ``"climatology"`` or ``"observed"``.
    seed, members, workers : int, optional
        As of :func:`gwforecast.runs.forecast.forecast`.
    """

    models: Sequence[str]
    settings: Mapping[str, Mapping[str, object]]
    horizon: int
    forcing: str = "climatology"
    seed: int = 0
    members: int | None = None
    workers: int | None = None

    @property
    def pooled(self) -> bool:
        """Whether a network of all wells is among the models."""
        return any(is_pooled(model) for model in self.models)

    def forecasters(self) -> list[Forecaster]:
        """Return the forecasters, not fitted."""
        shared = {"seed": self.seed, "members": self.members, "workers": self.workers}
        return list(make_forecasters(self.models, settings=self.settings, shared=shared).values())

    def weather(self) -> Forcing:
        """Return the weather after the issue times."""
        return make_forcing(self.forcing)


def train(
    observations: xr.Dataset,
    *,
    recipe: Recipe,
    champions: Champions,
    group: int = 50,
    replace: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train a champion for each well that has none, and challengers for the others.

    A challenger is fitted without the last year of levels, or without those that the champion has
    not seen where these are fewer, and both forecast them. It is trained on all levels and takes
    the champion's place where its mean CRPS is lower; the champion before it is kept to step back
    to.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time); only what is known at the moment of training.
    recipe : Recipe
        How forecasters are made.
    champions : Champions
        Where they are stored.
    group : int
        Wells that are trained together and share a bundle, at most; all of them where a network is
        one of all wells.
    replace : bool
        Let the new ones take the place of champions without a comparison.
    progress : Progress, optional
        Told of members and wells done.

    Returns
    -------
    pandas.DataFrame
        Columns well, decision of :data:`DECISIONS`, reason, bundle, crps and crps_champion (m, on
        the same issue times) and their number.
    """
    with champions.locked():
        table = train_into(
            champions,
            observations,
            recipe=recipe,
            champions=champions,
            group=group,
            replace=replace,
            progress=progress,
        )
        champions.sweep()
    return table


def train_into(
    target: Champions,
    observations: xr.Dataset,
    *,
    recipe: Recipe,
    champions: Champions,
    group: int = 50,
    replace: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train as :func:`train` does, and keep what is new in another store; nothing is locked.

    Parameters
    ----------
    target : Champions
        Where new champions go.
    observations, recipe, champions, group, replace, progress
        As of :func:`train`; the champions are only read.
    """
    job = _Job(recipe, champions, target, replace, progress)
    held = champions.table()
    group = observations.sizes[schema.WELL] if recipe.pooled else group
    rows = [row for part in _groups(observations, group) for row in _train_group(part, job, held)]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("well", ignore_index=True)


@dataclass(frozen=True)
class _Job:
    """What all wells are trained by, and where champions are and go."""

    recipe: Recipe
    champions: Champions
    target: Champions
    replace: bool
    progress: Progress | None


def _groups(observations: xr.Dataset, size: int) -> Iterator[xr.Dataset]:
    for first in range(0, observations.sizes[schema.WELL], size):
        yield observations.isel({schema.WELL: slice(first, first + size)})


def _train_group(
    part: xr.Dataset, job: _Job, held: Mapping[str, Champion]
) -> list[dict[str, object]]:
    """Train the wells of a group together, and one by one where one of them cannot be."""
    wells = [str(well) for well in part[schema.WELL].values]
    judge = _judge_pooled if job.recipe.pooled else _judge
    rows = {well: judge(part.sel({schema.WELL: [well]}), job, held) for well in wells}
    wanted = [well for well in wells if rows[well]["decision"] not in ("kept", "failed")]
    together = [wanted] if wanted else []
    while together:
        names = together.pop()
        try:
            name = _store(part.sel({schema.WELL: names}), job)
        except (SchemaError, ValueError, RuntimeError) as error:
            if len(names) > 1 and not job.recipe.pooled:
                together += [[well] for well in names]
                continue
            for well in names:
                decision = "kept" if well in held else "failed"
                rows[well] |= {"decision": decision, "reason": f"training failed: {error}"}
            continue
        job.target.promote(names, name)
        for well in names:
            rows[well]["bundle"] = name
    return list(rows.values())


def _judge(data: xr.Dataset, job: _Job, held: Mapping[str, Champion]) -> dict[str, object]:
    """Return the row of one well, and in it whether it is to be trained."""
    well = str(data[schema.WELL].values[0])
    if well in held and not job.replace:
        return _challenge(data, job, held[well])
    return {"well": well, "decision": "replaced" if well in held else "first", "reason": ""}


def _judge_pooled(data: xr.Dataset, job: _Job, held: Mapping[str, Champion]) -> dict[str, object]:
    """Return the row of one well for networks of all wells, which one bad well must not stop."""
    well = str(data[schema.WELL].values[0])
    if held and not job.replace:
        row: dict[str, object] = {"well": well, "reason": UNCOMPARED}
        if well not in held:
            return row | {"decision": "failed"}
        return row | {"decision": "kept", "bundle": held[well].bundle}
    try:
        split_by_fraction(data, train=TRAIN, validation=VALIDATION)
    except SchemaError as error:
        return {"well": well, "decision": "failed", "reason": f"training failed: {error}"}
    return {"well": well, "decision": "replaced" if well in held else "first", "reason": ""}


def _store(part: xr.Dataset, job: _Job) -> str:
    """Fit wells, store the bundle with its card and return its name."""
    recipe = job.recipe
    calibrated, split = calibrate(
        recipe.forecasters(),
        part,
        horizon=recipe.horizon,
        forcing=recipe.weather(),
        progress=job.progress,
    )
    scores = _scores_of_card(calibrated, part, split, recipe)
    unfit = [well for well, scored in scores.items() if not scored]
    if unfit:
        raise SchemaError(
            f"A well needs hindcasts to be trusted. Received none of {unfit[0]!r}: it could not "
            "be fitted, or has no levels to compare with. Give a longer record."
        )
    fitted = calibrated.refit(part, split=split, progress=job.progress)
    return job.target.add(fitted, part, card=_card(recipe, scores))


def _challenge(data: xr.Dataset, job: _Job, held: Champion) -> dict[str, object]:
    """Compare a challenger that has not seen the last levels with the champion on them."""
    recipe = job.recipe
    well = str(data[schema.WELL].values[0])
    row: dict[str, object] = {"well": well, "decision": "kept", "bundle": held.bundle}
    try:
        champion, manifest = job.champions.open(held.bundle)
        check_fits(manifest, data)
    except (BundleError, OSError) as error:
        return row | {"decision": "replaced", "reason": f"the champion cannot be used: {error}"}
    seen = champion.trained_through(well)
    times = data[schema.TIME].values
    observed = times[data[schema.LEVEL].notnull().values[0]]
    start = max(seen, observed[-1] - WINDOW)
    issued = _thinned(times[(times >= start) & (times < observed[-1])])
    if issued.size < FEWEST_ORIGINS:
        return row | {
            "reason": f"the champion has seen all but {issued.size} issue times; "
            f"{FEWEST_ORIGINS} are needed to compare",
            "origins": int(issued.size),
        }
    try:
        challenger = fit_calibrated(
            recipe.forecasters(),
            data.sel({schema.TIME: slice(None, start)}),
            horizon=recipe.horizon,
            forcing=recipe.weather(),
        )
        both = {"challenger": challenger, "champion": champion}
        made = {name: _issue(one, data, issued, recipe) for name, one in both.items()}
        scores = _lead_scores(made, data, baselines=())
    except (SchemaError, ValueError, RuntimeError) as error:
        return row | {"reason": f"the challenger failed: {error}"}
    means = scores[scores["metric"] == "crps"].groupby("model")["value"].mean()
    both_means = {"crps": means["challenger"], "crps_champion": means["champion"]}
    row |= {name: float(value) for name, value in both_means.items()} | {"origins": issued.size}
    if means["challenger"] < means["champion"]:
        return row | {"decision": "better", "reason": ""}
    return row | {"reason": "the challenger is not better on the last levels"}


def _thinned(times: np.ndarray) -> np.ndarray:
    return times[:: max(1, math.ceil(times.size / ORIGINS))]


def _issue(
    forecaster: Calibrated | Forecaster, data: xr.Dataset, issued: np.ndarray, recipe: Recipe
) -> xr.Dataset:
    """Return the forecasts of some issue times."""
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


def _scores_of_card(
    calibrated: Calibrated, part: xr.Dataset, split: Split, recipe: Recipe
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
    table = table[table["lead"].isin(_shown_leads(recipe.horizon))]
    columns = (table[name].tolist() for name in ("well", "lead", "metric", "value"))
    for well, lead, metric, value in zip(*columns, strict=True):
        found[well].setdefault(str(lead), {})[metric] = round(value, 4)
    return found


def _shown_leads(horizon: int) -> list[int]:
    return sorted({1, *(max(1, round(horizon * part)) for part in (0.1, 0.3, 1.0))})


def _card(recipe: Recipe, scores: Mapping[str, object]) -> dict[str, object]:
    return {
        "intended_use": INTENDED,
        "limits": LIMITS,
        "models": list(recipe.models),
        "settings": {name: dict(given) for name, given in recipe.settings.items()},
        "seed": recipe.seed,
        "forcing": recipe.forcing,
        "scores_are": SCORES,
        "scores": dict(scores),
    }
