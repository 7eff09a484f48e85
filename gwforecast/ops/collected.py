"""What shards need of settings and data, and their plain results brought together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from gwforecast.ops import record
from gwforecast.ops.cluster import ShardOutcome
from gwforecast.ops.config import Settings
from gwforecast.ops.forecasters import POOLED
from gwforecast.ops.intake import Intake, read_each
from gwforecast.ops.settings import Section
from gwforecast.ops.shards import Shard
from gwforecast.ops.stitch import OUTCOME_COLUMNS

__all__ = [
    "about_cluster",
    "absolute",
    "listed",
    "models_of",
    "outcomes_of",
    "read_csv",
    "read_shard",
    "refuse_pooled",
    "rows_of",
    "seconds_of",
    "told_of",
    "warn_for",
    "workers_of",
]

_TIMES = ("time", "issue_time", "first_10", "first_50", "first_90")


def absolute(settings: Settings) -> Settings:
    """Return settings with files named from the root; tables of a database keep their names."""
    data, schedule = settings.data, settings.schedule
    if data.database is None:
        data = data.model_copy(update=_absolute(data, "levels", "covariates", "attributes"))
    placed = _absolute(schedule, "bundles", "archive", "weather_forecast")
    schedule = schedule.model_copy(update=placed)
    return settings.model_copy(update={"data": data, "schedule": schedule})


def _absolute(section: Section, *names: str) -> dict[str, Path]:
    paths = {name: getattr(section, name) for name in names}
    return {name: path.absolute() for name, path in paths.items() if path is not None}


def refuse_pooled(models: Sequence[str], work: str) -> None:
    """Refuse networks of all wells for work that is done in shards.

    Raises
    ------
    ValueError
        If there is one; it is named.
    """
    pooled = [model for model in models if model in POOLED]
    if pooled:
        raise ValueError(
            f"{work} in shards is of models of one well each. Received {pooled[0]!r}, which all "
            "wells share. Leave it out, or leave out --dask and --shard."
        )


def read_shard(settings: Settings, shard: Shard) -> tuple[Intake, list[str]]:
    """Return the wells of a shard, and what was warned of in reading them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        intake = read_each(settings.data.model_copy(update={"wells": list(shard.wells)}))
    return intake, told_of(caught)


def workers_of(settings: Settings) -> int | None:
    """Return the networks that a worker trains at once: one, where each core has a worker."""
    return settings.models.workers or (1 if settings.cluster.dask == "local" else None)


def told_of(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return what a user is to be told of."""
    return [str(one.message) for one in caught if issubclass(one.category, UserWarning)]


def outcomes_of(ended: Sequence[ShardOutcome], use: Sequence[str]) -> pd.DataFrame:
    """Return what became of each model and well, those of shards that failed among them."""
    rows: dict[tuple[str, str], tuple[str, str]] = {}
    for outcome in ended:
        if outcome.result is None:
            pooled = outcome.shard.folder.name.startswith("all-")
            models = [m for m in use if (m in POOLED) == pooled]
            reason = f"the shard failed: {outcome.reason}"
            for model in models:
                rows |= {(model, well): ("failed", reason) for well in outcome.shard.wells}
        else:
            for model, well, status, reason in listed(outcome.result["outcomes"]):
                rows[model, well] = (status, reason)
    table = [(*names, *what) for names, what in rows.items()]
    return pd.DataFrame(table, columns=OUTCOME_COLUMNS)


def rows_of(ended: Sequence[ShardOutcome], name: str) -> pd.DataFrame:
    """Return the rows of a table that each shard gave with its result."""
    return pd.DataFrame([row for o in ended if o.result for row in listed(o.result[name])])


def listed(value: object) -> list[Any]:
    """Return a list of a result, which is JSON."""
    return cast("list[Any]", value)


def seconds_of(ended: Sequence[ShardOutcome]) -> dict[str, float]:
    """Return the seconds of each stage, added up over the workers."""
    total: dict[str, float] = {}
    for outcome in ended:
        given = cast("dict[str, float]", (outcome.result or {}).get("seconds", {}))
        for stage, seconds in given.items():
            total[stage] = round(total.get(stage, 0.0) + seconds, 3)
    return total


def read_csv(path: Path) -> pd.DataFrame:
    """Return a joined table; an empty file is an empty table."""
    if not path.stat().st_size:
        return pd.DataFrame()
    table = pd.read_csv(path, dtype=dict.fromkeys(("model", "well", "metric", "period"), str))
    for name in [column for column in table if column in _TIMES]:
        table[name] = pd.to_datetime(table[name])
    if "lead_time" in table and not pd.api.types.is_numeric_dtype(table["lead_time"].dtype):
        table["lead_time"] = pd.to_timedelta(table["lead_time"])  # months are numbers
    return table


def warn_for(ended: Sequence[ShardOutcome], *, stacklevel: int) -> list[str]:
    """Warn of what the workers warned of, once; return all of it."""
    told = sorted({str(t) for o in ended if o.result for t in listed(o.result["warnings"])})
    if told:
        more = f" There are {len(told) - 1} more in run.json." if len(told) > 1 else ""
        warnings.warn(f"Workers warned: {told[0]}{more}", stacklevel=stacklevel + 1)
    return told


def models_of(ended: Sequence[ShardOutcome]) -> dict[str, Any]:
    """Return the settings of all models, as the shards recorded them."""
    models: dict[str, Any] = {}
    for outcome in ended:
        described = outcome.shard.folder / "run.json"
        if outcome.result and described.exists():
            models = record.load_json(described)["models"] | models
    return models


def about_cluster(settings: Settings, ended: Sequence[ShardOutcome]) -> dict[str, object]:
    """Return how the work was spread, for a record."""
    failed = [outcome.shard.folder.name for outcome in ended if outcome.result is None]
    return {**settings.cluster.model_dump(), "shards": len(ended), "failed": failed}
