"""Hyperparameter search: fit, simulate and score a model on the validation period, trial by trial.

Interrupted searches resume, and trials that fall behind are pruned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import dump_toml
from gwforecast.config.space import Space, check_space, default_space, shown, start, suggest
from gwforecast.models.base import Forecaster
from gwforecast.models.requirements import require_inputs
from gwforecast.progress import Progress, ProgressOption, as_callback
from gwforecast.runs import files
from gwforecast.runs.catalogue import is_neural, make_forecasters
from gwforecast.runs.figures import draw_tuning
from gwforecast.runs.files import Stopwatch, write_table
from gwforecast.runs.results import Tuning
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split, require_sequential, split_by_fraction
from gwforecast.verification.metrics import METRICS, Metric, level_metrics
from gwforecast.writing import clause, dump_json, write_text

__all__ = [
    "REASON", "SEARCHED", "TRIAL_COLUMNS", "Task", "before_test", "make", "run", "scored_rows",
    "tune",
]  # fmt: skip


SEARCHED = [
    name
    for name, metric in level_metrics().items()
    if metric.larger_is_better is not None and name != "nse_reference"
]
"""Metrics that a search can use: they have a direction and need no level of another period."""

REASON = "reason"
"""Attribute of a trial of optuna: the reason why it failed or was pruned."""

RECORD = "tuning.json"
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
        """The metric that is optimised."""
        return METRICS[self.metric]

    def identity(self) -> dict[str, object]:
        """Return what must not change between the runs of a search."""
        return {
            "model": self.model,
            "metric": self.metric,
            "space": self.space,
            "settings": json.loads(dump_json(self.fixed)),
            "seed": self.seed,
            "data": files.dataset_sha256(self.observations),
            "split": files.dataset_sha256(self.split.bounds[["train", "validation"]]),
        }


def before_test(observations: xr.Dataset, split: Split) -> xr.Dataset:
    """Return the observations up to the end of the validation period, without later levels."""
    levels = split.levels(observations, "train", "validation")
    wells = {schema.WELL: observations[schema.WELL].values}
    end = split.end_through("validation").sel(wells).max()
    return observations.assign(level=levels).sel({schema.TIME: observations[schema.TIME] <= end})


def scored_rows(observations: xr.Dataset, split: Split, metric: Metric) -> np.ndarray:
    """Return the rows that every trial is scored on, (well, time): observed, with all covariates.

    A well for which the metric is undefined, e.g. the NSE of a constant level, has none.
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
    """Return the forecaster of a trial, not fitted, with the members and seed of a stage if any."""
    given = {**task.fixed, **settings, **stage}
    shared = {"seed": task.seed, "workers": task.workers}
    return make_forecasters([task.model], settings={task.model: given}, shared=shared)[task.model]


def run(optuna: Any, trial: Any, task: Task) -> float:
    """Return the score of a trial; the reason of a failure is stored with it."""
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
        fitted = fits[0].join_members(fits) if len(fits) > 1 else fits[0]
        level = fitted.simulate(task.observations)[schema.LEVEL]
        if schema.MEMBER in level.dims:
            level = level.median(schema.MEMBER, skipna=False)
        value = _score(level.transpose(schema.WELL, schema.TIME).values, task)
        trial.report(value, step=through)
        if through < members and trial.should_prune():
            trial.set_user_attr(REASON, f"stopped after {through} of {members} members")
            raise optuna.TrialPruned
    return value


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


TRIAL_COLUMNS = ["number", "state", "value", "seconds", "reason"]
_HOPELESS = 5  # failures, with no trial complete, after which a search ends


@files.owns_its_folder
def tune(
    observations: xr.Dataset,
    *,
    model: str = "lstm",
    space: Space | None = None,
    settings: Mapping[str, object] | None = None,
    split: Split | None = None,
    trials: int = 30,
    metric: str = "nse",
    timeout: float | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    without_weather: bool = False,
    out: Path | str | None = None,
    tables: Mapping[str, Mapping[str, object]] | None = None,
    inputs: Iterable[Path] = (),
    progress: ProgressOption = None,
) -> Tuning:
    """Search for the hyperparameters of a model that score best in the validation period.

    Each trial is fitted on the train period and scored in the validation period, as the mean over
    the wells; the data are cut before the test period, which remains unseen. The first trial has
    the defaults of the model, the others are proposed by a tree-structured Parzen estimator [1]_.
    An interrupted search gives the same trials when it is resumed. Networks are trained in three
    stages of members; a trial that is worse than the median at a stage is pruned [2]_.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, covariates, static attributes.
    model : str
        Name in :data:`gwforecast.runs.catalogue.MODELS`.
    space : mapping, optional
        Range by setting, see :data:`gwforecast.config.space.Space`; by default that of the model.
    settings : mapping, optional
        Settings of the model that are not searched, by name.
    trials : int
        Number of complete and pruned trials at the end, including those already in the folder.
    metric : str
        One of :data:`SEARCHED`.
    timeout : float, optional
        Seconds after which no further trial is started.
    out : pathlib.Path or str, optional
        Folder of the study, tables, figure and ``best.toml``; a study that is there is resumed.
    tables : mapping, optional
        Tables that ``best.toml`` contains besides that of the model, e.g. ``data`` and ``split``.
    split, seed, members, workers, without_weather, inputs, progress
        As of :func:`gwforecast.evaluate`.

    Returns
    -------
    Tuning
        ``best``, the settings for ``evaluate(..., settings={model: best})``, their score, and all
        trials.

    Raises
    ------
    ImportError
        If optuna is not installed.
    SchemaError
        If the observations do not have their form, or no well can be scored.
    ValueError
        If the metric, the number of trials or the space is not valid, or the folder contains
        another search.
    TypeError
        If the model is no name, or has no such setting.
    RuntimeError
        If no trial could be completed.

    References
    ----------
    .. [1] Bergstra et al. (2011). Algorithms for hyper-parameter optimization. NIPS 24.
    .. [2] Akiba et al. (2019). Optuna. https://doi.org/10.1145/3292500.3330701

    Examples
    --------
    >>> import numpy as np, pandas as pd, xarray as xr
    >>> times = pd.date_range("2010-01-01", "2014-12-31")
    >>> wave = 10 + np.sin(2 * np.pi * np.arange(times.size) / 365.25)
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": times}
    ... )
    >>> found = tune(observations, model="climatology", trials=8)
    >>> found.best["window"] < 15
    True
    """
    optuna, watch = _optuna(), Stopwatch()
    if not isinstance(model, str):
        raise TypeError(
            f"A search is for one model, by its name. Received {model!r}. Use model='lstm', and "
            "call tune again for each further model."
        )
    _check_numbers(trials, timeout, metric)
    fixed = dict(settings or {})
    if members is not None and is_neural(model):
        fixed.setdefault("members", members)
    schema.validate_observations(observations)
    split = split_by_fraction(observations) if split is None else require_sequential(split)
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    known = before_test(observations, split)
    if space is None:
        space = {n: r for n, r in default_space(model, frequency).items() if n not in fixed}
    checked = check_space(space, model=model, fixed=fixed)
    shared = {"seed": seed, "workers": workers}
    one = make_forecasters([model], settings={model: fixed}, shared=shared)
    known, _ = require_inputs(
        one, known, split, simulates=True, without_weather=without_weather, stacklevel=5
    )
    rows = scored_rows(known, split, METRICS[metric])
    task = Task(
        model, metric, checked, fixed, seed, workers, known, split, rows, as_callback(progress)
    )
    folder = None if out is None else Path(out)
    with _quiet(optuna), _study(optuna, task, folder) as study:
        with watch("search"):
            _search(optuna, study, task, trials, timeout, start(model, checked, frequency))
        tuning = _gather(optuna, study, task)
    tuning.seconds.update(watch.seconds)
    if folder is not None:
        _write(tuning, task, folder, dict(tables or {}))
        files.write_record(
            tuning, folder, watch=watch, models={model: tuning.best}, inputs=inputs,
            setup=task.identity(), details=_details(task), name=RECORD,
        )  # fmt: skip
    return tuning


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ImportError(
            "A hyperparameter search needs optuna. Received an environment without it. Install it "
            "with: pip install 'gwforecast[tune]' (or: pip install 'optuna>=4.4')."
        ) from None
    return optuna


def _check_numbers(trials: int, timeout: float | None, metric: str) -> None:
    if trials < 1 or (timeout is not None and not timeout > 0):
        raise ValueError(
            f"A search needs at least 1 trial, and a timeout above 0 s if any. Received "
            f"trials={trials}, timeout={timeout}. The default is 30 trials without a timeout."
        )
    if metric not in SEARCHED:
        raise ValueError(
            f"The metric of a search (--metric) must be one of {', '.join(SEARCHED)}. Received "
            f"{metric!r}. Choose one; the default is 'nse'."
        )


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def _study(optuna: Any, task: Task, folder: Path | None) -> Iterator[Any]:
    """Yield the study of a folder, new or resumed; in memory if there is no folder."""
    storage: Any = optuna.storages.InMemoryStorage()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = (folder / "study.db").resolve()
        storage = optuna.storages.RDBStorage(f"sqlite:///{path.as_posix()}")
    try:
        study = optuna.create_study(
            study_name="gwforecast",
            storage=storage,
            direction="maximize" if task.judge.larger_is_better else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
            load_if_exists=True,
        )
        _check_same(study, task.identity(), folder)
        yield study
    finally:
        if folder is not None:
            storage.remove_session()
            storage.engine.dispose()


def _check_same(study: Any, wanted: dict[str, object], folder: Path | None) -> None:
    held = study.user_attrs.get("search")
    if held is None:
        study.set_user_attr("search", wanted)
        return
    for name, value in wanted.items():
        if held.get(name) != value:
            raise ValueError(
                f"A search resumes with the {name} that it began with. Received {value!r}; the "
                f"study in {str(folder)!r} has {held.get(name)!r}. Give another folder, or the "
                f"{name} of before."
            )


def _search(
    optuna: Any,
    study: Any,
    task: Task,
    trials: int,
    timeout: float | None,
    first: dict[str, Any],
) -> None:
    """Run trials until enough are complete or pruned, the time is over, or too many fail."""
    before = len(_states(study, "FAIL"))

    def prepare() -> bool:
        """Seed the sampler for the next trial, and return whether there is one."""
        numbered = len(_finished(study))
        done, failed = numbered - len(_states(study, "FAIL")), len(_states(study, "FAIL")) - before
        study.sampler = optuna.samplers.TPESampler(seed=task.seed + numbered)
        if task.progress is not None:
            task.progress("trials", min(done, trials), trials)
        hopeless = failed >= _HOPELESS and not _states(study, "COMPLETE")
        return done < trials and failed < trials and not hopeless

    def after(*_: object) -> None:
        if not prepare():
            study.stop()

    if prepare():
        waiting = any(trial.state.name == "WAITING" for trial in study.get_trials(deepcopy=False))
        if not (waiting or _finished(study)):
            study.enqueue_trial(first, skip_if_exists=False)
        study.optimize(
            lambda trial: run(optuna, trial, task),
            timeout=timeout,
            catch=(Exception,),
            callbacks=[after],
        )


def _states(study: Any, state: str) -> list[Any]:
    return [trial for trial in _finished(study) if trial.state.name == state]


def _finished(study: Any) -> list[Any]:
    """Return the trials that have ended, without those that were interrupted or are running."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name in ("COMPLETE", "PRUNED")
        or (trial.state.name == "FAIL" and REASON in trial.user_attrs)
    ]


def _gather(optuna: Any, study: Any, task: Task) -> Tuning:
    finished = _finished(study)
    complete = _states(study, "COMPLETE")
    if not complete:
        reasons = [clause(trial.user_attrs[REASON]) for trial in finished]
        raise RuntimeError(
            f"A search needs one trial that is complete. Received {len(finished)}, and none is: "
            f"{reasons[0] if reasons else 'there was no time'}. Fix this, or give another space."
        )
    sign = -1 if task.judge.larger_is_better else 1
    best = min(complete, key=lambda trial: sign * trial.value)
    chosen = {**task.fixed, **suggest(optuna.trial.FixedTrial(best.params), task.space)}
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    rows = [
        {
            "number": number,
            "state": states[trial.state.name],
            "value": np.nan if trial.value is None else trial.value,
            "seconds": round(trial.duration.total_seconds(), 2),
            "reason": trial.user_attrs.get(REASON, ""),
            **shown(trial.params, task.space),
        }
        for number, trial in enumerate(finished)
    ]
    table = pd.DataFrame(rows, columns=[*TRIAL_COLUMNS, *task.space])
    return Tuning(
        task.model, task.metric, chosen, float(best.value), table,
        space=dict(task.space), n=int(task.rows.sum()),
    )  # fmt: skip


def _write(
    tuning: Tuning, task: Task, folder: Path, tables: dict[str, Mapping[str, object]]
) -> None:
    """Write table, figure and settings; add their paths to the result."""
    (folder / RECORD).unlink(missing_ok=True)
    paths = tuning.paths
    paths["study.db"] = folder / "study.db"
    paths["trials.csv"] = write_table(tuning.trials, folder / "trials.csv")
    tables.setdefault("models", {"use": [task.model], "seed": task.seed})
    text = dump_toml(tables | {task.model: tuning.best}, comment=_comment(tuning, task))
    paths["best.toml"] = write_text(folder / "best.toml", text)
    paths["tuning.png"] = draw_tuning(
        tuning.trials, folder=folder, space=task.space, metric=task.metric, model=task.model
    )


def _details(task: Task) -> dict[str, object]:
    return {
        "periods": task.split.to_frame().query("period != 'test'").to_dict("records"),
        "wells": task.observations[schema.WELL].values.astype(str)[task.rows.any(axis=1)],
        "direction": "maximize" if task.judge.larger_is_better else "minimize",
    }


def _comment(tuning: Tuning, task: Task) -> str:
    return (
        f"Best of {len(tuning.trials)} trials for {task.model}: {task.judge.label} "
        f"{tuning.value:.4f} in the validation period"
    )
