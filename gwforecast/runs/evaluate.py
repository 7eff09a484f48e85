"""The main jobs, from observations to scores, tables and figures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from gwforecast import __version__, schema
from gwforecast.models.base import Forecaster
from gwforecast.progress import Progress
from gwforecast.quality import checks
from gwforecast.runs import figures as drawing
from gwforecast.runs import files, out_of_sample
from gwforecast.runs.catalogue import BLEND, DEFAULT_MODELS, make_forecasters, neural_among
from gwforecast.runs.files import Stopwatch, now, write_text
from gwforecast.runs.one_by_one import select_wells, together_or_one_by_one
from gwforecast.runs.results import Evaluation
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split, split_by_fraction
from gwforecast.verification.scoring import score_table

__all__ = ["check", "check_levels", "evaluate", "split_wells"]


def check(observations: xr.Dataset) -> pd.DataFrame:
    """Return what is doubtful in observations, as of today; nothing is changed.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).

    Returns
    -------
    pandas.DataFrame
        The findings of :func:`gwforecast.quality.checks.check_observations`.
    """
    return checks.check_observations(observations, now=now())


def check_levels(levels: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Return what is doubtful in the stamps of levels as they were read, as of today.

    Parameters
    ----------
    levels : pandas.Series or pandas.DataFrame
        Levels by time, in any order.

    Returns
    -------
    pandas.DataFrame
        The findings of :func:`gwforecast.quality.checks.check_levels`.
    """
    return checks.check_levels(levels, now=now())


def evaluate(
    observations: xr.Dataset,
    *,
    split: Split | None = None,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    baseline: str = "climatology",
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    leave_wells_out: int | None = None,
    precomputed: Mapping[str, out_of_sample.Prediction] | None = None,
    out: Path | str | None = None,
    figures: int = 12,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Show how well the levels can be modelled from the weather alone.

    Each model is fitted on the train period, choosing by the validation period, then refitted
    through the validation period to predict the test period, and through the test period to
    predict what comes after the last level. Of two or more networks the mean is added as the model
    ``"blend"``. A model or well that fails is named in ``outcomes`` and in a warning, and the
    others go on.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, covariates, static attributes.
    split : Split, optional
        The periods; by default the first 60 % of the levels of each well, the next 20 %, the rest.
    models : sequence of str or Forecaster
        Names of :data:`gwforecast.runs.catalogue.MODELS`, or forecasters.
    settings : mapping, optional
        Settings by model and name, e.g. ``{"lstm": {"units": [64]}}``.
    baseline : str
        The model that skill is measured against.
    seed, members, workers : int, optional
        Seed, number of networks and of networks trained at once, for models that have them.
    leave_wells_out : int, optional
        Number of groups of wells; global models then predict the wells of each group by networks
        that were trained at those of the others. By default they are trained at all wells.
    precomputed : mapping of str to Prediction, optional
        Predictions of further models for these wells and times.
    out : pathlib.Path or str, optional
        Folder for tables, predictions, figures and the record of the run; by default none.
    figures : int
        Number of wells, in their order, that figures are drawn of.
    inputs : iterable of pathlib.Path
        Files that the observations were read from; their checksums go into the record.
    progress : Progress, optional
        Told of models, and of members and wells within them.

    Returns
    -------
    Evaluation
        Predictions, scores, outcomes and paths.

    Raises
    ------
    SchemaError
        If the observations do not have their form, or no well can be split.
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
    watch = Stopwatch()
    shared = {"seed": seed, "members": members, "workers": workers}
    forecasters = make_forecasters(
        models, settings=settings or {}, shared=shared, leave_wells_out=leave_wells_out
    )
    schema.validate_observations(observations)
    with watch("check"):
        findings = check(observations)
    with watch("split"):
        split, excluded = (split, {}) if split is not None else split_wells(observations)
    used = observations.drop_sel({schema.WELL: list(excluded)})
    predicted, outcomes = out_of_sample.predict_all(
        forecasters,
        used,
        split,
        excluded=excluded,
        precomputed=precomputed,
        watch=watch,
        progress=progress,
    )
    networks = [predicted[name] for name in neural_among(predicted)]
    if len(networks) > 1:
        predicted[BLEND] = out_of_sample.blend(networks, used, split=split)
    with watch("score"):
        predictions = _gather(predicted, used, split)
        scores = score_table(predictions, used, split, baseline=baseline)
    history = _history(predicted)
    evaluation = Evaluation(predictions, scores, history, findings, outcomes, split, watch.seconds)
    if out is not None:
        run = _describe(observations, forecasters, baseline=baseline, inputs=inputs)
        _write(evaluation, used, run, folder=Path(out), figures=figures, watch=watch)
    return evaluation


def split_wells(observations: xr.Dataset) -> tuple[Split, dict[str, str]]:
    """Split by the default fractions; return wells that cannot be split with the reason.

    Raises
    ------
    SchemaError
        If no well can be split.
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
        stacklevel=3,
    )
    return Split(xr.concat(attempt.results, schema.WELL)), excluded


def _gather(
    predicted: Mapping[str, out_of_sample.Prediction], observations: xr.Dataset, split: Split
) -> xr.Dataset:
    levels = xr.concat(
        [one.level.drop_attrs() for one in predicted.values()],
        pd.Index(list(predicted), name=schema.MODEL, dtype=object),
        join="exact",
    )
    attrs = observations[schema.LEVEL].attrs
    levels.attrs = {**attrs, "units": schema.LEVEL_UNITS, "long_name": "predicted level"}
    source = out_of_sample.fitted_through(observations, split)
    source.attrs = {"long_name": "last period whose levels the fit behind this row had seen"}
    predictions = xr.Dataset({schema.LEVEL: levels, "fitted_through": source})
    predictions.attrs = {
        "Conventions": "CF-1.12",
        "title": "Groundwater levels simulated from covariates",
        "source": f"gwforecast {__version__}",
    }
    return predictions


def _history(predicted: Mapping[str, out_of_sample.Prediction]) -> pd.DataFrame:
    columns = [schema.MODEL, *out_of_sample.HISTORY_COLUMNS]
    parts = [
        one.history.assign(**{schema.MODEL: name})[columns]
        for name, one in predicted.items()
        if len(one.history)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _describe(
    observations: xr.Dataset,
    forecasters: Mapping[str, Forecaster],
    *,
    baseline: str,
    inputs: Iterable[Path],
) -> dict[str, object]:
    return {
        "baseline": baseline,
        "models": {name: files.forecaster_settings(one) for name, one in forecasters.items()},
        "inputs": files.file_checksums(inputs),
        "observations": {
            "sha256": files.dataset_sha256(observations),
            "wells": observations.sizes[schema.WELL],
            "start": observations[schema.TIME].values[0],
            "end": observations[schema.TIME].values[-1],
            "covariates": schema.covariate_names(observations),
            "attributes": schema.attribute_names(observations),
        },
    }


def _write(
    evaluation: Evaluation,
    observations: xr.Dataset,
    run: Mapping[str, object],
    *,
    folder: Path,
    figures: int,
    watch: Stopwatch,
) -> None:
    """Write tables, then figures, then ``run.json``: where it is, the other files are whole."""
    (folder / "run.json").unlink(missing_ok=True)
    with watch("write"):
        evaluation.paths.update(_write_tables(evaluation, folder))
    with watch("draw"):
        drawn = drawing.draw_all(evaluation, observations, folder=folder, wells=figures)
        evaluation.paths.update(drawn)
    content = {
        "started": watch.started,
        "finished": now(),
        "versions": files.versions(),
        "cores": os.cpu_count(),
        **run,
        "split": evaluation.split.to_frame().to_dict("records"),
        "outcomes": evaluation.outcomes.to_dict("records"),
        "seconds": evaluation.seconds,
        "outputs": [*evaluation.paths, "run.json"],
    }
    evaluation.paths["run.json"] = write_text(folder / "run.json", files.dump_json(content))


def _write_tables(evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    tables = {
        "scores.csv": evaluation.scores,
        "choice.csv": evaluation.choice,
        "findings.csv": evaluation.findings,
        "history.csv": evaluation.history,
    }
    paths = {name: files.write_table(t, folder / name) for name, t in tables.items()}
    name = "predictions.nc"
    paths[name] = files.write_predictions(evaluation.predictions, folder / name)
    return paths | files.write_challenge_tables(evaluation.predictions, folder)
