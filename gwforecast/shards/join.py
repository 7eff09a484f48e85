"""The results of shards joined into those of the run, without holding them all in memory."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, reduce
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs import files
from gwforecast.runs.catalogue import BLEND, is_pooled
from gwforecast.runs.files import Stopwatch, file_names
from gwforecast.runs.outcomes import outcome_table
from gwforecast.runs.results import Backtest, Evaluation
from gwforecast.service.inputs import requested_wells
from gwforecast.shards.map import (
    SHARDS,
    ShardOutcome,
    Task,
    make_shards,
    read_subset,
    run_shards,
    with_absolute_paths,
)
from gwforecast.writing import load_json, write_atomically

__all__ = [
    "POOLED", "ShardedRun", "read_dataset", "read_table", "refuse_pooled", "refused_wells",
    "rows_of", "run_result", "warn_of_workers", "write_dataset",
]  # fmt: skip


POOLED = "all"  # purpose of the shard of models that all wells share
ARRAYS, DESCRIPTION = "arrays.npz", "description.json"
TIME_COLUMNS = ("time", "issue_time", "first_10", "first_50", "first_90")


@dataclass(frozen=True)
class ShardedRun:
    """An evaluation or a backtest in shards, whose results are joined in the folder of the run."""

    settings: Settings  # settings of the run, with absolute paths
    folder: Path  # folder of the run
    models: Sequence[str]  # names of the models
    wells: list[str]  # names of all wells
    watch: Stopwatch = field(default_factory=Stopwatch)  # stopwatch of the run
    # outcomes of the shards whose results are joined
    ended: list[ShardOutcome] = field(default_factory=list)

    @classmethod
    def begin(cls, settings: Settings, folder: Path, models: Sequence[str]) -> ShardedRun:
        """Begin a run; raise ImportError if Dask is not installed."""
        _require_dask()
        files.begin_record(folder)
        return cls(with_absolute_paths(settings), folder, models, requested_wells(settings.data))

    def map(
        self, task: Task, purpose: str, *, size: int | None = None, progress: Progress | None = None
    ) -> list[ShardOutcome]:
        """Do a task on all shards, of the size in the settings by default."""
        with self.watch("shards"):
            shards = make_shards(
                self.wells,
                size=size or self.settings.cluster.size,
                folder=(self.folder / SHARDS).absolute(),
                settings=self.settings,
                purpose=purpose,
            )
            return run_shards(task, self.settings, shards, progress=progress)

    @property
    def complete(self) -> list[ShardOutcome]:
        """Shards of local models with a result.

        Raises
        ------
        RuntimeError
            If there is none.
        """
        local = [outcome for outcome in self.ended if not _is_pooled(outcome)]
        found = [outcome for outcome in local if outcome.result and outcome.result.get("models")]
        if not found:
            reasons = [outcome.reason for outcome in local if outcome.reason]
            reasons = reasons or ["No well could be read."]
            raise RuntimeError(
                f"A run needs one shard that gives a result. Received none. {reasons[0]}"
            )
        return found

    def join_tables(self, names: Sequence[str], *, also_pooled: str = "") -> dict[str, Path]:
        """Join the tables of the shards; a table in no shard is left out.

        Of models that all wells share, only the table ``also_pooled`` is joined.
        """
        pooled = [one for one in self.ended if one.result and _is_pooled(one)]
        paths = {}
        for name in names:
            shards = [*pooled, *self.complete] if name == also_pooled else self.complete
            sources = [one.shard.folder / name for one in shards]
            sources = [source for source in sources if source.exists()]
            if sources:
                paths[name] = _concatenate(sources, self.folder / name)
        return paths

    @contextmanager
    def joined(self, name: str, fill: Mapping[str, object] | None = None) -> Iterator[xr.Dataset]:
        """Yield the NetCDF files of a name as one Dataset that is read chunk by chunk.

        Times and other axes are the union of those of the shards; what a shard lacks has the value
        in ``fill``, by default NaN.
        """
        sources = [outcome.shard.folder / name for outcome in self.complete]
        # a chunk is a variable of a shard: the chunks of the files are small and would be thousands
        parts = [xr.open_dataset(path, engine="h5netcdf", chunks=-1) for path in sources]
        try:
            known = {str(model) for part in parts for model in part[schema.MODEL].values}
            order = [model for model in (*self.models, BLEND) if model in known]
            axes: dict[str, object] = {schema.MODEL: order}
            for dim in map(str, parts[0].dims):
                if dim in parts[0].indexes and dim not in (schema.WELL, schema.MODEL):
                    axes[dim] = reduce(pd.Index.union, [part.indexes[dim] for part in parts])
            values = {schema.LEVEL: np.nan, **(fill or {})}
            joined = xr.concat(
                [part.reindex(axes, fill_value=values) for part in parts],
                schema.WELL,
                data_vars="minimal",
                coords="minimal",
                compat="override",
                join="override",
                combine_attrs="override",
            )
            texts = {n: v.astype(str) for n, v in joined.data_vars.items() if v.dtype.kind == "O"}
            yield joined.assign(texts)
        finally:
            for part in parts:
                part.close()

    def copy_predictions(self) -> dict[str, Path]:
        """Copy the files ``predictions/<model>/<well>.csv``, by names unique among all wells."""
        paths = {}
        unique = file_names([well for one in self.complete for well in one.shard.wells])
        for one in self.complete:
            for well, name in file_names(one.shard.wells).items():
                for file in sorted(one.shard.folder.glob(f"predictions/*/{name}.csv")):
                    target = Path("predictions", file.parent.name, f"{unique[well]}.csv")
                    copied = write_atomically(self.folder / target, partial(shutil.copy, file))
                    paths[target.as_posix()] = copied
        return paths

    def rows(self, name: str) -> pd.DataFrame:
        """Return the rows of a table that the results of complete shards hold."""
        return rows_of(self.complete, name)

    def outcomes(self) -> pd.DataFrame:
        """Return the outcome of each model and well, including shards that failed."""
        rows: dict[tuple[str, str], tuple[str, str]] = {}
        for outcome in self.ended:
            models = [m for m in self.models if is_pooled(m) == _is_pooled(outcome)]
            for model, well, status, reason in _items(outcome, "outcomes"):
                rows[model, well] = (status, reason)
            models = models if outcome.result is None else [*self.models]
            for well, (_, reason) in refused_wells([outcome], "failed").items():
                rows |= {(model, well): ("failed", reason) for model in models}
        return outcome_table([(*names, *found) for names, found in rows.items()])

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage: of this process, and the sum over the workers."""
        total: dict[str, float] = {}
        for outcome in self.ended:
            given = cast("dict[str, float]", (outcome.result or {}).get("seconds", {}))
            for stage, seconds in given.items():
                total[stage] = round(total.get(stage, 0.0) + seconds, 3)
        return self.watch.seconds | total

    def finish(
        self,
        result: Evaluation | Backtest,
        wells: np.ndarray,
        *,
        draw: Callable[[xr.Dataset, int], dict[str, Path]],
        setup: Mapping[str, object],
        details: Mapping[str, object],
    ) -> None:
        """Draw the first wells, repeat a warning of the workers, and write the record last.

        The folder of the shards is removed unless one failed.
        """
        number = self.settings.output.figures
        with self.watch("draw"):
            if number and (shown := self.observations_of(wells[:number])) is not None:
                result.paths.update(draw(shown, number))
        failed = [one.shard.folder.name for one in self.ended if one.result is None]
        cluster = {**self.settings.cluster.model_dump(), "shards": len(self.ended)}
        files.write_record(
            result,
            self.folder,
            watch=self.watch,
            setup={"cluster": {**cluster, "failed": failed}, **setup},
            models={n: one for part in _records(self.ended, "models") for n, one in part.items()},
            inputs=self.settings.data.files(),
            details={
                "observations": files.join_descriptions(_records(self.complete, "observations")),
                **details,
            },
            messages=warn_of_workers(self.ended, stacklevel=5),
        )
        if not failed:
            shutil.rmtree(self.folder / SHARDS)

    def observations_of(self, wells: Iterable[object]) -> xr.Dataset | None:
        """Return the observations of some wells without warnings, which the workers reported."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_subset(self.settings, [str(well) for well in wells]).observations


def refuse_pooled(models: Sequence[str], work: str) -> None:
    """Raise ValueError if one fit of a model serves all wells, as shards divide them."""
    pooled = [model for model in models if is_pooled(model)]
    if pooled:
        raise ValueError(
            f"{work} in shards is for models of one well each. Received {pooled[0]!r}, which all "
            "wells share. Leave it out, or leave out --dask and --shard."
        )


def run_result(result: Evaluation | Backtest, levels: xr.Dataset) -> dict[str, object]:
    """Return what the join needs of the evaluation or backtest of a shard, as JSON."""
    return {
        "outcomes": [*result.outcomes.itertuples(index=False, name=None)],
        "split": result.split.to_frame().to_dict("records"),
        "seconds": result.seconds,
        "models": [str(model) for model in levels[schema.MODEL].values],
    }


def refused_wells(ended: Sequence[ShardOutcome], status: str) -> dict[str, tuple[str, str]]:
    """Return status and reason of wells that could not be read or whose shard failed.

    ``status``: status of the wells of a shard that failed.
    """
    refused: dict[str, tuple[str, str]] = {}
    for outcome in ended:
        if outcome.result is None:
            reason = f"the shard failed: {outcome.reason}"
            refused |= dict.fromkeys(outcome.shard.wells, (status, reason))
        else:
            given = cast("dict[str, list[str]]", outcome.result["refused"])
            refused |= {well: (pair[0], pair[1]) for well, pair in given.items()}
    return refused


def rows_of(ended: Sequence[ShardOutcome], name: str) -> pd.DataFrame:
    """Return the rows of a table that the results of shards hold."""
    return pd.DataFrame([row for outcome in ended for row in _items(outcome, name)])


def warn_of_workers(ended: Sequence[ShardOutcome], *, stacklevel: int) -> list[str]:
    """Warn once of the warnings of workers; return all of them."""
    messages = sorted({str(text) for outcome in ended for text in _items(outcome, "warnings")})
    if messages:
        more = f" There are {len(messages) - 1} more in run.json." if len(messages) > 1 else ""
        warnings.warn(f"Workers warned: {messages[0]}{more}", stacklevel=stacklevel)
    return messages


def _items(outcome: ShardOutcome, name: str) -> list[Any]:
    """Return a list in the result of a shard; empty if the result lacks it."""
    return cast("list[Any]", (outcome.result or {}).get(name, []))


def _is_pooled(outcome: ShardOutcome) -> bool:
    return outcome.shard.folder.name.startswith(f"{POOLED}-")


def _records(ended: Sequence[ShardOutcome], entry: str) -> list[dict[str, Any]]:
    """Return an entry of the records of the shards that have one."""
    paths = [outcome.shard.folder / files.RECORD for outcome in ended if outcome.result]
    return [load_json(path)[entry] for path in paths if path.exists()]


def _require_dask() -> None:
    """Raise before the work begins if its results could not be joined."""
    if find_spec("dask") is None:
        raise ImportError(
            "Results of shards are joined chunk by chunk by Dask, which is an extra. Received a "
            "run in shards without it. Install it: pip install 'gwforecast[dask]'."
        )


def _concatenate(sources: Sequence[Path], target: Path) -> Path:
    """Concatenate CSV files with the same columns."""

    def write(path: Path) -> None:
        with path.open("wb") as joined:
            header = b""
            for source in sources:
                with source.open("rb") as rows:
                    header = _copy_rows(rows, joined, header, source)

    return write_atomically(target, write)


def _copy_rows(rows: IO[bytes], joined: IO[bytes], header: bytes, source: Path) -> bytes:
    """Copy a table, without its header if that was already written; return the header."""
    own = rows.readline()
    if not own.strip():
        return header  # an empty table has no columns
    if header and own != header:
        raise ValueError(
            f"Tables to be joined must have the same columns. Received {own!r} in {source} and "
            f"{header!r} before. Remove the folder of shards and run again."
        )
    if not header:
        joined.write(own)
    shutil.copyfileobj(rows, joined)
    return own


def read_table(path: Path) -> pd.DataFrame:
    """Read a joined table; an empty file is an empty table."""
    if not path.stat().st_size:
        return pd.DataFrame()
    texts = dict.fromkeys(("model", "well", "metric", "period", "variable"), str)
    table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])  # a well "NA"
    table = table.fillna({name: "" for name in texts if name in table})
    for name in [column for column in table if column in TIME_COLUMNS]:
        table[name] = pd.to_datetime(table[name])
    if "lead_time" in table and not pd.api.types.is_numeric_dtype(table["lead_time"].dtype):
        table["lead_time"] = pd.to_timedelta(table["lead_time"])  # lead times in months are numbers
    return table


def write_dataset(dataset: xr.Dataset, folder: Path) -> None:
    """Write a Dataset into a folder: arrays as ``.npz``, names and attributes as JSON.

    It is read ten times as fast as a NetCDF file, which counts where hundreds are joined.
    """
    arrays: dict[str, Any] = {}
    described: dict[str, Any] = {"attrs": dict(dataset.attrs), "variables": {}}
    for name, variable in dataset.variables.items():
        values = variable.values
        arrays[str(name)] = values.astype(str) if values.dtype == object else values
        described["variables"][name] = {
            "dims": variable.dims,
            "attrs": dict(variable.attrs),
            "coord": name in dataset.coords,
            "text": values.dtype == object,
        }
    np.savez(folder / ARRAYS, **arrays)
    (folder / DESCRIPTION).write_text(json.dumps(described), "utf-8")


def read_dataset(folder: Path) -> xr.Dataset:
    """Return the Dataset that :func:`write_dataset` wrote into a folder."""
    described = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    variables: dict[bool, dict[str, xr.Variable]] = {True: {}, False: {}}
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        for name, one in described["variables"].items():
            values = arrays[name].astype(object) if one["text"] else arrays[name]
            variables[one["coord"]][name] = xr.Variable(one["dims"], values, one["attrs"])
    return xr.Dataset(variables[False], variables[True], described["attrs"])
