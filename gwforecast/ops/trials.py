"""What a trial of a search does: fit, simulate and score a forecaster on validation rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.base import Forecaster, Progress
from gwforecast.ops import record
from gwforecast.ops.forecasters import make_forecasters
from gwforecast.ops.space import suggest
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split
from gwforecast.verification.metrics import METRICS, Metric

__all__ = ["REASON", "SEARCHED", "Task", "before_test", "make", "run", "scored_rows"]

SEARCHED = [
    name
    for name, metric in METRICS.items()
    if metric.larger_is_better is not None and name != "nse_reference"
]
"""Metrics that a search can use: those with a direction that need no level of another period."""

REASON = "reason"
"""Attribute of a trial of optuna: why it failed or was pruned."""

_STEPS = (1, 3)  # members after which a trial may be stopped


@dataclass(frozen=True)
class Task:
    """What each trial does: fit, simulate and score one forecaster."""

    model: str
    metric: str
    space: dict[str, list[Any]]
    fixed: dict[str, Any]
    seed: int
    workers: int | None
    observations: xr.Dataset
    split: Split
    rows: np.ndarray
    progress: Progress | None

    @property
    def judge(self) -> Metric:
        """The metric that is made best."""
        return METRICS[self.metric]

    def identity(self) -> dict[str, object]:
        """Return what must be the same where a search goes on."""
        return {
            "model": self.model,
            "metric": self.metric,
            "space": self.space,
            "settings": json.loads(record.dump_json(self.fixed)),
            "seed": self.seed,
            "data": record.dataset_sha256(self.observations),
            "split": record.dataset_sha256(self.split.bounds[["train", "validation"]]),
        }


def before_test(observations: xr.Dataset, split: Split) -> xr.Dataset:
    """Return the observations up to the end of validation, levels of no later row among them."""
    levels = split.levels(observations, "train", "validation")
    wells = {schema.WELL: observations[schema.WELL].values}
    end = split.end_through("validation").sel(wells).max()
    return observations.assign(level=levels).sel({schema.TIME: observations[schema.TIME] <= end})


def scored_rows(observations: xr.Dataset, split: Split, metric: Metric) -> np.ndarray:
    """Return the rows that every trial is scored on, (well, time): observed, with all covariates.

    A well that the metric can say nothing of, e.g. NSE of a constant level, has none.
    """
    level = split.levels(observations, "validation")
    rows = np.array(level.notnull().values)
    for name in schema.covariate_names(observations):
        rows &= observations[name].notnull().values
    for number in range(len(rows)):
        observed = level.values[number, rows[number]]
        with np.errstate(all="ignore"):
            possible = metric.function(observed=observed, predicted=observed + 1.0)
        rows[number] &= bool(np.isfinite(possible))
    if not rows.any():
        raise SchemaError(
            f"A search needs a well whose levels {metric.label} can be computed of in the "
            f"validation period. Received none among {len(rows)}. Use a longer validation period, "
            "or another metric."
        )
    return rows


def make(task: Task, settings: Mapping[str, Any], **stage: int) -> Forecaster:
    """Return the forecaster of a trial, not fitted, with members and seed of a step if any."""
    given = {**task.fixed, **settings, **stage}
    shared = {"seed": task.seed, "workers": task.workers}
    return make_forecasters([task.model], settings={task.model: given}, shared=shared)[task.model]


def run(optuna: Any, trial: Any, task: Task) -> float:
    """Return the score of a trial; what goes wrong is kept with it."""
    try:
        return _score_steps(optuna, trial, task)
    except optuna.TrialPruned:
        raise
    except Exception as error:
        trial.set_user_attr(REASON, f"{type(error).__name__}: {error}")
        raise


def _score_steps(optuna: Any, trial: Any, task: Task) -> float:
    settings = suggest(trial, task.space)
    members = getattr(make(task, settings), "members", 1)
    steps = sorted({*(s for s in _STEPS if s < members), members})
    fits: list[Any] = []
    value = np.nan
    for done, through in zip([0, *steps], steps, strict=False):
        stage = {"members": through - done, "seed": task.seed + done} if members > 1 else {}
        forecaster = make(task, settings, **stage)
        fits.append(forecaster.fit(task.observations, split=task.split, progress=task.progress))
        fitted = _join(fits) if len(fits) > 1 else fits[0]
        level = fitted.simulate(task.observations)[schema.LEVEL]
        if schema.MEMBER in level.dims:
            level = level.median(schema.MEMBER, skipna=False)
        value = _score(level.transpose(schema.WELL, schema.TIME).values, task)
        trial.report(value, step=through)
        if through < members and trial.should_prune():
            trial.set_user_attr(REASON, f"stopped after {through} of {members} members")
            raise optuna.TrialPruned
    return value


def _join(fits: list[Any]) -> Forecaster:
    from gwforecast.models.joined import join_members  # imports TensorFlow

    return join_members(fits)


def _score(predicted: np.ndarray, task: Task) -> float:
    """Return the mean of the metric over the wells, all of whose rows must be predicted."""
    observed, values = task.observations[schema.LEVEL].values, []
    for number in np.flatnonzero(task.rows.any(axis=1)):
        rows = task.rows[number]
        lacking = rows & ~np.isfinite(predicted[number])
        if lacking.any():
            when = timeline.format_time(task.observations[schema.TIME].values[lacking.argmax()])
            raise SchemaError(
                "A trial must predict every level of the validation period that has covariates, or "
                "trials could not be compared. Received none for "
                f"{lacking.sum()} of {rows.sum()} levels of well "
                f"{str(task.observations[schema.WELL].values[number])!r}, first {when}. Fill the "
                "covariates before it, or leave the well out."
            )
        values.append(
            task.judge.function(observed=observed[number, rows], predicted=predicted[number, rows])
        )
    return float(np.mean(np.array(values, float)))
