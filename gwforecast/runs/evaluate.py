"""How well can levels be modelled from the weather alone: simulations, their scores and files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import __version__, schema, timeline
from gwforecast.calibration.cross_validation import (
    blocks_of_years,
    mean_of_models,
    simulate_left_out,
)
from gwforecast.models.base import Forecaster
from gwforecast.models.requirements import require_inputs
from gwforecast.progress import Progress, ProgressOption, as_callback
from gwforecast.quality.checks import change_findings
from gwforecast.runs import files
from gwforecast.runs.catalogue import (
    BLEND,
    DEFAULT_MODELS,
    blended_among,
    make_forecasters,
    suited,
    with_blend,
)
from gwforecast.runs.check import check
from gwforecast.runs.figures import draw_evaluation
from gwforecast.runs.files import Stopwatch
from gwforecast.runs.out_of_sample import (
    HISTORY_COLUMNS,
    Prediction,
    fitted_through,
    predict_all,
)
from gwforecast.runs.outcomes import reason_of, select_wells, together_or_one_by_one
from gwforecast.runs.results import Evaluation
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import PERIODS, Split, require_sequential, split_by_fraction
from gwforecast.verification.probabilistic import coverage_by_year
from gwforecast.verification.scoring import check_baselines, score_summary, score_table
from gwforecast.writing import clause

__all__ = ["TABLES", "evaluate", "split_wells", "usable_data"]


USUAL_BASELINE = "climatology"
TABLES = ("scores.csv", "coverage.csv", "choice.csv", "findings.csv", "history.csv")
"""Tables of an evaluation, named as its attributes."""


@files.owns_its_folder
def evaluate(
    observations: xr.Dataset,
    *,
    split: Split | None = None,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    baseline: str = USUAL_BASELINE,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    leave_wells_out: int | None = None,
    cross_validate: int | None = None,
    without_weather: bool = False,
    precomputed: Mapping[str, Prediction] | None = None,
    out: Path | str | None = None,
    figures: int = 12,
    inputs: Iterable[Path] = (),
    progress: ProgressOption = None,
) -> Evaluation:
    """Simulate levels from the weather alone and score them against the observed levels.

    Each model is fitted on the train period, with the validation period for choices, then refitted
    through the validation period to predict the test period, and through the test period to predict
    later rows. The weighted mean of two or more networks and kernel regressions is added as the
    model ``"blend"``. A failure of a model or well is reported in ``outcomes`` and in a warning;
    the others continue.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, covariates, static attributes.
    split : Split, optional
        The periods; by default the first 60 % of the levels of each well, the next 20 %, the rest.
    models : str, or sequence of str or Forecaster
        Names of :data:`gwforecast.runs.catalogue.MODELS`, or forecasters.
    settings : mapping, optional
        Settings by model and name, e.g. ``{"lstm": {"units": [64]}}``.
    baseline : str
        The model that skill is measured against.
    seed, members, workers : int, optional
        Seed and number of members, for models that have them; number of networks trained at once,
        and of processes for models that are fitted well by well (on Linux, outside notebooks).
    leave_wells_out : int, optional
        Groups of wells of a cross-validation: each is predicted by a global model that was not
        trained on it. By default, global models are trained on all wells.
    cross_validate : int, optional
        Blocks of years of a cross-validation: each is also simulated by models fitted on all other
        blocks, and scored as the period ``"cross-validation"``. It takes this many more fits.
    without_weather : bool
        Allow models that derive levels from the weather to be fitted on the season alone, where
        there is no weather.
    precomputed : mapping of str to Prediction, optional
        Predictions of further models for these wells and times.
    out : pathlib.Path or str, optional
        Folder for tables, predictions, figures and the record of the run; by default none.
    figures : int
        Number of wells to draw figures of, in the order of the observations.
    inputs : iterable of pathlib.Path
        Files that the observations were read from; the record holds their checksums.
    progress : bool or Progress, optional
        True shows bars with stage, well, member and time left; or a callback of your own.

    Returns
    -------
    Evaluation
        Predictions of each model with their quantiles for all times with weather, scores by period
        and well with the skill against the baseline, findings in the data, and failures of models
        and wells in ``outcomes``.

    Raises
    ------
    SchemaError
        If the observations are not valid, no well can be split, or no well has the weather that the
        models use without gaps and in each period.
    ValueError
        If a setting is impossible, e.g. a lookback longer than the record, or the baseline is none
        of the models; without climatology among them there is no skill.
    RuntimeError
        If no model could be fitted.

    Examples
    --------
    >>> import numpy as np, pandas as pd, xarray as xr
    >>> times = pd.date_range("2010-01-01", "2014-12-31")
    >>> wave = 10 + np.sin(2 * np.pi * np.arange(times.size) / 365.25)
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": times}
    ... )
    >>> evaluation = evaluate(observations, models=["climatology", "persistence"])
    >>> scores = evaluation.scores.set_index(["model", "period", "metric"])["value"]
    >>> bool(scores["climatology", "test", "rmse"] < 0.05)
    True
    """
    watch, report = Stopwatch(), as_callback(progress)
    schema.validate_observations(observations)
    forecasters = make_forecasters(
        suited(models, observations), settings=settings or {}, leave_wells_out=leave_wells_out,
        shared={"seed": seed, "members": members, "workers": workers},
    )  # fmt: skip
    known = with_blend([*forecasters, *(precomputed or {})])
    check_baselines([baseline], known, usual=[USUAL_BASELINE])
    with watch("check"):
        findings = check(observations, changes=False)
    with watch("split"):
        used, split, excluded = usable_data(
            forecasters, observations, split, simulates=True, without_weather=without_weather
        )
    if cross_validate:
        blocks_of_years(used, blocks=cross_validate)  # refuses what is impossible before any fit
    predicted, outcomes = predict_all(
        forecasters, used, split, excluded=excluded, precomputed=precomputed,
        workers=workers, watch=watch, progress=report,
    )  # fmt: skip
    with watch("score"):
        predictions = _join_models(predicted, used, split)
        scores = score_table(predictions, used, split, baseline=baseline)
        scores = _cross_validated(scores, forecasters, used, cross_validate, baseline, report)
        findings = _with_changes(findings, scores, predicted, forecasters, used, split)
        coverage = coverage_by_year(predictions[schema.LEVEL], split.levels(used, "test"))
    evaluation = Evaluation(
        predictions, scores, _history(predicted), findings, outcomes, split, watch.seconds,
        coverage, {}, used, baseline,
    )  # fmt: skip
    if out is not None:
        _write(evaluation, used, folder=Path(out), figures=figures, watch=watch, progress=report)
        files.write_record(
            evaluation, Path(out), watch=watch, models=files.model_settings(forecasters),
            inputs=inputs, details={"observations": files.describe_observations(observations)},
            setup={"baseline": baseline},
        )  # fmt: skip
    return evaluation


def usable_data(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    split: Split | None,
    *,
    simulates: bool,
    without_weather: bool,
) -> tuple[xr.Dataset, Split, dict[str, str]]:
    """Return the wells that a run can use, their periods, and why wells have no result.

    Without a split the periods are shares of the levels of each well. For the other arguments see
    :func:`gwforecast.models.requirements.require_inputs`.

    Raises SchemaError or ValueError if no well can be used, or a setting is impossible.
    """
    excluded: dict[str, str] = {}
    if split is None:
        split, excluded = split_wells(observations)
    split = require_sequential(split)
    used, unusable = require_inputs(
        forecasters,
        observations.drop_sel({schema.WELL: list(excluded)}),
        split,
        simulates=simulates,
        without_weather=without_weather,
        stacklevel=6,
    )
    return used, split, {**excluded, **unusable, **_without_test(used, split)}


def _without_test(observations: xr.Dataset, split: Split) -> dict[str, str]:
    """Return the wells without a level in the test period, and why; warn of them.

    They are predicted, and not scored. None is returned where no well has a test period.
    """
    tested = split.levels(observations, "test").notnull().any(schema.TIME).values
    if tested.all() or np.isnat(split.start("test").values).all():
        return {}
    wells = [str(well) for well in observations[schema.WELL].values[~tested]]
    known = observations[schema.LEVEL].sel({schema.WELL: wells[0]}).dropna(schema.TIME)
    warnings.warn(
        "Models are scored by the levels of the test period. Received none at "
        f"{len(wells)} of {tested.size} wells, the first {wells[0]!r}, whose levels end on "
        f"{timeline.format_time(known[schema.TIME].values[-1])}. They have no scores. Choose an "
        "earlier test period (--test-start), or leave these wells out.",
        stacklevel=5,
    )
    return dict.fromkeys(wells, "no level was observed in the test period")


def split_wells(observations: xr.Dataset) -> tuple[Split, dict[str, str]]:
    """Split by the default fractions; return wells that cannot be split with the reason.

    Raises SchemaError if no well can be split.
    """

    def bounds_of(wells: list[str]) -> xr.Dataset:
        return split_by_fraction(select_wells(observations, wells)).bounds

    wells = [str(well) for well in observations[schema.WELL].values]
    attempt = together_or_one_by_one(bounds_of, wells, errors=SchemaError).require()
    excluded = {well: str(error) for well, error in attempt.failed.items()}
    if attempt.first_error is None:
        return Split(attempt.results[0]), excluded
    warnings.warn(
        f"Each well needs levels in each period. {len(excluded)} of {len(wells)} wells do not "
        f"have them and are left out, the first for this reason: {attempt.first_error}",
        stacklevel=5,
    )
    return Split(xr.concat(attempt.results, schema.WELL)), excluded


def _with_changes(
    findings: pd.DataFrame,
    scores: pd.DataFrame,
    predicted: Mapping[str, Prediction],
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    split: Split,
) -> pd.DataFrame:
    """Add findings of levels that changed against the best prediction from weather."""
    explains = {name for name, one in forecasters.items() if one.needs_weather != "never"} | {BLEND}
    ranked = score_summary(scores, period="validation", metrics=["rmse"]).index
    models = [name for name in [BLEND, *ranked] if name in predicted and name in explains]
    if not models or not schema.covariate_names(observations):
        return findings
    held_out = predicted[models[0]].held_out
    unseen = split.levels(observations, *(PERIODS if held_out is not None else PERIODS[1:]))
    central = predicted[models[0]].simulation if held_out is None else held_out
    found = change_findings(unseen, central[schema.LEVEL], by=f"the model {models[0]!r}")
    kept = findings[~((findings["check"] == "all") & findings["well"].isin(found["well"]))]
    both = pd.concat([kept, found], ignore_index=True) if len(found) else kept
    both.attrs = findings.attrs
    return both


def _join_models(
    predicted: Mapping[str, Prediction], observations: xr.Dataset, split: Split
) -> xr.Dataset:
    """Return the predictions of all models, with the last period behind each row."""
    levels = xr.concat(
        [one.level.drop_attrs() for one in predicted.values()],
        pd.Index(list(predicted), name=schema.MODEL, dtype=object),
        join="exact",
    )
    attrs = observations[schema.LEVEL].attrs
    levels.attrs = {**attrs, "units": schema.LEVEL_UNITS, "long_name": "predicted level"}
    source = fitted_through(observations, split)
    source.attrs = {"long_name": "last period whose levels the fit behind this row had seen"}
    predictions = xr.Dataset({schema.LEVEL: levels, "fitted_through": source})
    predictions.attrs = {
        "Conventions": "CF-1.12",
        "title": "Groundwater levels simulated from covariates",
        "source": f"gwforecast {__version__}",
    }
    return predictions


CROSS_VALIDATION = "cross-validation"
"""Name of the period of a cross-validation in a table of scores: the whole record."""


def _cross_validated(
    of_split: pd.DataFrame,
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    blocks: int | None,
    baseline: str,
    progress: Progress | None,
) -> pd.DataFrame:
    """Return scores, with those of levels simulated without their block of years added.

    They are of the whole record. Models that cannot be fitted without each block have none.
    """
    if not blocks:
        return of_split
    found = {}
    for name, forecaster in forecasters.items():
        try:
            found[name] = simulate_left_out(
                forecaster, observations, blocks=blocks, progress=progress
            )
        except Exception as error:
            warnings.warn(
                f"A model is cross-validated where it simulates each block of years. Received "
                f"{name!r}: {clause(reason_of(error))}. It has no scores of the cross-validation.",
                stacklevel=4,
            )
    if not found:
        return of_split
    blended = [found[name] for name in blended_among(found)]
    if len(blended) > 1:
        block = blocks_of_years(observations, blocks=blocks)
        found[BLEND] = mean_of_models(blended, observations[schema.LEVEL], block)
    models = pd.Index(list(found), name=schema.MODEL, dtype=object)
    levels = [one[schema.LEVEL].drop_attrs() for one in found.values()]
    central = xr.concat(levels, models, join="exact").expand_dims({schema.QUANTILE: [0.5]}, axis=-1)
    scores = score_table(
        central.to_dataset(name=schema.LEVEL), observations, _whole_record(observations),
        baseline=baseline,
    )  # fmt: skip
    scores = scores[(scores["period"] == "train") & (scores["metric"] != "nse_reference")]
    return pd.concat([of_split, scores.assign(period=CROSS_VALIDATION)], ignore_index=True)


def _whole_record(observations: xr.Dataset) -> Split:
    """Return periods of which the first is the whole record, and the others are empty."""
    wells, times = observations[schema.WELL].values, observations[schema.TIME].values
    none = np.full((wells.size, 2), np.datetime64("NaT"), schema.TIME_DTYPE)
    whole = np.tile(times[[0, -1]].astype(schema.TIME_DTYPE), (wells.size, 1))
    dims = (schema.WELL, "edge")
    bounds = {"train": (dims, whole), "validation": (dims, none), "test": (dims, none)}
    return Split(xr.Dataset(bounds, {schema.WELL: wells, "edge": ["start", "end"]}))


def _history(predicted: Mapping[str, Prediction]) -> pd.DataFrame:
    """Return the training histories of all models."""
    columns = [schema.MODEL, *HISTORY_COLUMNS]
    parts = [
        one.history.assign(**{schema.MODEL: name})[columns]
        for name, one in predicted.items()
        if len(one.history)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _write(
    evaluation: Evaluation,
    observations: xr.Dataset,
    *,
    folder: Path,
    figures: int,
    watch: Stopwatch,
    progress: Progress | None,
) -> None:
    """Write tables, predictions and figures; add their paths to the evaluation."""
    files.begin_record(folder)
    paths = evaluation.paths
    with watch("write"):
        for name in TABLES:
            table = getattr(evaluation, name.removesuffix(".csv"))
            paths[name] = files.write_table(table, folder / name)
        name = "predictions.nc"
        paths[name] = files.write_predictions(evaluation.predictions, folder / name)
        paths.update(files.write_challenge_tables(evaluation.predictions, folder))
    with watch("draw"):
        paths |= draw_evaluation(
            evaluation, observations, folder=folder, wells=figures, progress=progress
        )
