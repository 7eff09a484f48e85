"""The files of a run: written completely or not at all, with a record of how they were made.

The record, ``run.json``, holds versions, checksums, settings, periods and outcomes. It is written
last: if it exists, the other files are complete. This is the only module of ``runs`` that uses the
disk and the clock.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import time
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock, Timeout

from gwforecast import __version__, schema
from gwforecast.runs.catalogue import BLEND
from gwforecast.writing import dump_json, load_json, versions, write_atomically, write_text

if TYPE_CHECKING:
    from gwforecast.models.base import Forecaster
    from gwforecast.runs.results import Backtest, Evaluation, Tuning

__all__ = [
    "RECORD", "FolderBusyError", "Stopwatch", "begin_record", "challenge_table", "dataset_sha256",
    "describe_observations", "file_checksums", "file_names", "forecaster_settings",
    "join_descriptions", "model_settings", "now", "own_folder", "owns_its_folder",
    "write_challenge_tables", "write_hindcasts", "write_predictions", "write_record",
    "write_table",
]  # fmt: skip


LOWER, MEDIAN, UPPER = 0.025, 0.5, 0.975
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
_LONGEST = 80


_FORMULA = re.compile(r"[=+\-@\t\r](?![\d.]*$)")  # except plain numbers


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a safe file name, without its ending, for each name of a well or model.

    Accents are removed, and any character but letters, digits, dots, hyphens and underscores
    becomes an underscore. If several names would share a file name, ignoring case, those that were
    changed end with the first digits of their sha256.

    Examples
    --------
    >>> file_names(["Weiß/3", "../b"])
    {'Weiß/3': 'Weiss_3', '../b': '_b'}
    """
    slugs = {name: _slug(name) for name in names}
    groups: dict[str, list[str]] = {}
    for name, slug in slugs.items():
        groups.setdefault(slug.casefold(), []).append(name)
    for group in groups.values():
        cased = len({slugs[name] for name in group}) > 1
        for name in group if len(group) > 1 else ():
            if cased or slugs[name] != name:
                slugs[name] += (
                    f"-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
                )
    return slugs


def _slug(name: str) -> str:
    text = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".-").rstrip(". ")[:_LONGEST] or "_"
    return f"_{slug}" if _RESERVED.match(slug.split(".")[0]) else slug


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV in UTF-8, with ISO dates and empty fields for missing values."""
    safe = table.apply(lambda c: c if c.dtype.kind in "biufcmM" else c.map(_inert))
    return write_text(path, safe.to_csv(index=False, lineterminator="\n"))


def _inert(value: object) -> object:
    """Return text that a spreadsheet does not read as a formula."""
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    return "'" + value


def write_predictions(predictions: xr.Dataset, path: Path) -> Path:
    """Write predictions as compressed NetCDF-4: ``level`` in m, and ``fitted_through`` as text."""
    encoding: dict[str, dict[str, object]] = {
        schema.LEVEL: {"zlib": True, "complevel": 4, "shuffle": True},
        "fitted_through": {"dtype": "S1", "zlib": True, "complevel": 4},
        schema.TIME: {"dtype": "int64", "units": "seconds since 1970-01-01"},
    }
    pieces = predictions[schema.LEVEL].chunksizes
    if pieces:  # chunks of the file are those of the Dataset, so that each is compressed once
        sizes = {name: of_dim[0] for name, of_dim in pieces.items()}
        sizes |= {schema.MODEL: 1, schema.QUANTILE: 1}
        order = predictions[schema.LEVEL].dims
        encoding[schema.LEVEL]["chunksizes"] = tuple(sizes[str(name)] for name in order)
    return write_atomically(
        path, lambda target: predictions.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    )


def write_hindcasts(hindcasts: xr.Dataset, path: Path) -> Path:
    """Write hindcasts as compressed NetCDF-4, levels as 32-bit numbers; return the path."""
    kept = hindcasts.assign_attrs(
        title="Groundwater level hindcasts", source=f"gwforecast {__version__}"
    )
    seconds: dict[str, object] = {"dtype": "int64", "units": "seconds since 1970-01-01"}
    encoding: dict[str, dict[str, object]] = {
        schema.LEVEL: {"zlib": True, "complevel": 4, "shuffle": True, "dtype": "float32"},
        schema.ISSUE_TIME: dict(seconds),
        schema.VALID_TIME: dict(seconds),
    }
    if np.issubdtype(kept[schema.LEAD_TIME].dtype, np.timedelta64):
        encoding[schema.LEAD_TIME] = {"dtype": "int64", "units": "hours"}
    return write_atomically(
        path, lambda target: kept.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    )


def challenge_table(level: xr.DataArray) -> pd.DataFrame:
    """Return levels (time, quantile), m, in the form of the 2022 groundwater modelling challenge.

    The columns are ``Date``, ``Simulated Head``, ``95% Lower Bound``, ``95% Upper Bound``
    (Collenteur et al. 2024, https://doi.org/10.5194/hess-28-5193-2024).
    """
    stamps = pd.DatetimeIndex(level[schema.TIME].values)
    whole_days = bool((stamps == stamps.normalize()).all())
    columns = {"Simulated Head": MEDIAN, "95% Lower Bound": LOWER, "95% Upper Bound": UPPER}
    values = {
        name: level.sel({schema.QUANTILE: quantile}).values for name, quantile in columns.items()
    }
    dates = stamps.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%dT%H:%M:%S")
    return pd.DataFrame({"Date": dates, **values})


def write_challenge_tables(predictions: xr.Dataset, folder: Path) -> dict[str, Path]:
    """Write ``predictions/<model>/<well>.csv``, and ``predictions.csv`` if there is one well.

    ``predictions.csv`` is the table of the blend of the networks if there is one, else of the first
    model. Levels are in m with four decimals. The paths are returned by their names relative to the
    folder.
    """
    wells = file_names(schema.well_names(predictions))
    models = [str(model) for model in predictions[schema.MODEL].values]
    main = BLEND if BLEND in models else models[0]
    written: dict[str, Path] = {}
    for model, model_file in file_names(models).items():
        for well, well_file in wells.items():
            level = predictions[schema.LEVEL].sel({schema.MODEL: model, schema.WELL: well})
            text = challenge_table(level).to_csv(
                index=False, float_format="%.4f", lineterminator="\n"
            )
            names = [f"predictions/{model_file}/{well_file}.csv"]
            if model == main and len(wells) == 1:
                names.append("predictions.csv")
            written |= {name: write_text(folder / name, text) for name in names}
    return written


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
RECORD, LOCK = "run.json", ".run.lock"


class FolderBusyError(OSError):
    """Another run writes to the folder."""


@contextmanager
def own_folder(folder: Path | str | None) -> Iterator[None]:
    """Hold the lock of the folder of a run; it is released when the process ends, however it ends.

    The folder is created if it does not exist; without one nothing is locked.

    Raises FolderBusyError if another run holds the lock; NotADirectoryError if there is a file of
    this name.
    """
    if folder is None:
        yield
        return
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"The results of a run are written to a folder. Received {str(path)!r}, which is a "
            "file. Choose another folder."
        )
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FolderBusyError(
            f"Only one run at a time may write to a folder. Received {str(path)!r}, to which "
            "another run writes. Wait for it to end, or choose another folder."
        ) from None
    try:
        yield
    finally:
        (path / LOCK).unlink(missing_ok=True)  # while it is held: a run that waits has failed
        lock.release()
        with suppress(OSError):  # it holds results
            path.rmdir()


def owns_its_folder(run: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function that holds the lock of its folder, the keyword ``out``, while it runs."""

    @wraps(run)
    def locked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with own_folder(cast("Path | str | None", kwargs.get("out"))):
            return run(*args, **kwargs)

    return locked


def begin_record(folder: Path) -> None:
    """Remove the record of an earlier run from a folder, and the files that the record lists.

    Files that no run has written are kept.
    """
    earlier = _earlier_outputs(folder)
    (folder / RECORD).unlink(missing_ok=True)
    for name in earlier:
        (folder / name).unlink(missing_ok=True)
        for parent in list(Path(name).parents)[:-1]:
            with suppress(OSError):  # it is not empty
                (folder / parent).rmdir()


def _earlier_outputs(folder: Path) -> list[str]:
    """Return the files inside a folder that the record of an earlier run lists, but the record."""
    try:
        named = [str(name) for name in load_json(folder / RECORD)["outputs"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # there is no record, or none of a run
    inside = folder.resolve()
    return [
        name
        for name in named
        if name != RECORD
        and (folder / name).parent.resolve().is_relative_to(inside)
        and not (folder / name).is_dir()
    ]


def write_record(
    result: Evaluation | Backtest | Tuning,
    folder: Path,
    *,
    watch: Stopwatch,
    models: Mapping[str, object],
    inputs: Iterable[Path],
    details: Mapping[str, object],
    setup: Mapping[str, object] | None = None,
    messages: Sequence[str] | None = None,
    name: str = RECORD,
) -> None:
    """Write the record of a run after all other files, and add its path to the result.

    ``models``: settings by model, see :func:`forecaster_settings`; ``inputs``: files that the
    observations were read from; ``details``: further entries, of the observations or of the issue
    times; ``setup``: baseline and cluster, if the run has them; ``messages``: warnings of the
    workers.
    """
    record = {
        "started": watch.started,
        "finished": now(),
        "versions": versions(),
        "cores": os.cpu_count(),
        **(setup or {}),
        "models": models,
        "inputs": file_checksums(inputs),
        **details,
        **_entries(result),
        **({} if messages is None else {"warnings": messages}),
        "seconds": result.seconds,
        "outputs": [*result.paths, name],
    }
    result.paths[name] = write_text(folder / name, dump_json(record))


def _entries(result: Evaluation | Backtest | Tuning) -> dict[str, object]:
    """Return periods and outcomes of a run, or trials and the best one of a search."""
    from gwforecast.runs.results import Tuning

    if isinstance(result, Tuning):
        return {
            "trials": result.trials["state"].value_counts().to_dict(),
            "best": {"value": result.value, "settings": result.best},
            "n": result.n,
        }
    return {
        "split": result.split.to_frame().to_dict("records"),
        "outcomes": result.outcomes.to_dict("records"),
    }


def file_checksums(paths: Iterable[Path]) -> list[dict[str, object]]:
    """Return path, size and sha256 of each file, including all files in folders."""
    files = []
    for path in paths:
        files.extend(sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])
    return [
        {"path": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in dict.fromkeys(files)
    ]


def describe_observations(observations: xr.Dataset) -> dict[str, object]:
    """Return what the record says of observations, as plain values."""
    from gwforecast.data.time_axis import weather_steps  # of the readers, which a status lacks
    from gwforecast.data.understood import ATTRIBUTE

    said = observations.attrs.get(ATTRIBUTE)
    return {
        "sha256": dataset_sha256(observations),
        "wells": observations.sizes[schema.WELL],
        "start": observations[schema.TIME].values[0],
        "end": observations[schema.TIME].values[-1],
        "covariates": schema.covariate_names(observations),
        "attributes": schema.attribute_names(observations),
        "weather_steps": weather_steps(observations),
        **({"understood": json.loads(said)} if said else {}),
    }


def join_descriptions(parts: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Return the description of the observations of all parts of a run, from those of the parts.

    Its ``sha256`` is that of the checksums of the parts.

    Examples
    --------
    >>> one = {"sha256": "a", "wells": 2, "start": "2001-01-01", "end": "2009-12-31",
    ...        "covariates": ["rain"], "attributes": [], "weather_steps": {"step": "D"}}
    >>> joined = join_descriptions([one, one | {"wells": 3, "end": "2012-12-31"}])
    >>> joined["wells"], joined["end"], joined["covariates"]
    (5, '2012-12-31', ['rain'])
    """
    sums = "".join(str(part["sha256"]) for part in parts)
    said = [tuple(line) for part in parts for line in part.get("understood", [])]
    return {
        "sha256": hashlib.sha256(sums.encode()).hexdigest(),
        "wells": sum(part["wells"] for part in parts),
        "start": min(part["start"] for part in parts),
        "end": max(part["end"] for part in parts),
        "covariates": list(dict.fromkeys(name for part in parts for name in part["covariates"])),
        "attributes": list(dict.fromkeys(name for part in parts for name in part["attributes"])),
        "weather_steps": parts[0]["weather_steps"],
        **({"understood": list(dict.fromkeys(said))} if said else {}),
    }


def dataset_sha256(dataset: xr.Dataset) -> str:
    """Return the sha256 of the names, dimensions and values of a Dataset, without attributes.

    Examples
    --------
    >>> level = xr.Dataset({"level": ("time", [1.0, np.nan])})
    >>> dataset_sha256(level) == dataset_sha256(level.assign_attrs(title="other"))
    True
    >>> dataset_sha256(level) == dataset_sha256(level + 1)
    False
    """
    return arrays_sha256({n: (v.dims, v.values) for n, v in dataset.variables.items()})


def arrays_sha256(arrays: Mapping[Hashable, tuple[tuple[Hashable, ...], np.ndarray]]) -> str:
    """Return the sha256 of arrays with the names of their dimensions, by name."""
    digest = hashlib.sha256()
    for name, (dims, values) in sorted((str(name), array) for name, array in arrays.items()):
        if values.dtype.kind in "OU":
            content = json.dumps([str(v) for v in values.ravel()]).encode()
        else:
            content = np.ascontiguousarray(values).tobytes()
        digest.update(json.dumps([name, list(map(str, dims)), len(content)]).encode())
        digest.update(content)
    return digest.hexdigest()


def forecaster_settings(forecaster: object) -> dict[str, object]:
    """Return the settings of a forecaster: its public attributes that are not fitted.

    Its name is left out, as the record names it anyway, and so is the ``head`` of a network, which
    can be set in Python only.
    """
    from gwforecast.calibration.cross_validation import LeaveWellsOut  # slow to import

    if isinstance(forecaster, LeaveWellsOut):
        return {
            "leave_wells_out": forecaster.folds,
            **forecaster_settings(forecaster.forecaster),
        }
    return {
        name: value
        for name, value in vars(forecaster).items()
        if not name.startswith("_") and not name.endswith("_") and name not in ("name", "head")
    }


def model_settings(forecasters: Mapping[str, Forecaster]) -> dict[str, object]:
    """Return the settings of forecasters, by name."""
    return {name: forecaster_settings(one) for name, one in forecasters.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Stopwatch:
    """Time of the start and seconds by stage; repeated stages add up."""

    def __init__(self) -> None:
        self.started = now()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the work of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = round(self.seconds.get(stage, 0.0) + spent, 3)


def now() -> pd.Timestamp:
    """Return the current time, naive UTC."""
    return pd.Timestamp(dt.datetime.now(dt.UTC).replace(tzinfo=None))
