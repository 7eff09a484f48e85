"""Write archived forecasts to a database, each in one transaction, and read them back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.database import available, connect
from gwforecast.writing import dump_json

__all__ = ["read_forecast", "write_forecast"]


AGAIN = "The forecast is in the archive; issue it again when the database can be reached."
TEXTS = ("status", "reason", "model", "forcing", "bundle")
TIMES = ("last_observation", "last_covariate", "trained_through")


def write_forecast(product: xr.Dataset, url: str, *, table: str = "forecast") -> int:
    """Write a forecast; an existing forecast of the same issue time is replaced.

    ``product``: a forecast of one issue time, as archived; ``url``: URL of the database, see
    :func:`gwforecast.data.database.connect`; ``table``: prefix of the tables ``<table>_issues``,
    ``<table>_wells`` and ``<table>_levels``, which are created if they do not exist.

    Returns
    -------
    int
        Number of rows of levels. Readers see either the old or the new forecast.

    Raises
    ------
    ValueError
        If a text contains a NUL character, which databases refuse.
    ConnectionError
        If the database cannot be reached, or is locked.
    """
    from sqlalchemy import delete, text

    engine = connect(url)
    issues, wells, levels = _tables(table)
    rows = _rows(product)
    if any("\x00" in str(row[name]) for row in rows[1] for name in ("well", *TEXTS)):
        raise ValueError(
            "Text in a database must not contain the NUL character. Received one in the name or "
            "reason of a well. Rename the well."
        )
    try:
        with available(engine, "to write a forecast", fix=AGAIN), engine.begin() as connection:
            if (
                engine.dialect.name == "postgresql"
            ):  # one writer at a time, also when tables are created
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": table}
                )
            issues.metadata.create_all(connection)
            for target in (levels, wells, issues):
                at = target.c.issue_time == rows[0][0]["issue_time"]
                connection.execute(delete(target).where(at))
            for target, part in zip((issues, wells, levels), rows, strict=True):
                if part:
                    connection.execute(target.insert(), part)
    finally:
        engine.dispose()
    return len(rows[2])


def read_forecast(url: str, issue_time: object, *, table: str = "forecast") -> xr.Dataset:
    """Return the forecast of an issue time as it was written.

    Parameters
    ----------
    url, table : str
        See :func:`write_forecast`.
    issue_time : time
        Issue time of the forecast.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile), m, and what was stored with it.

    Raises
    ------
    KeyError
        If there is no such forecast.
    """
    from sqlalchemy import select

    engine = connect(url)
    parts = _tables(table)
    moment = pd.Timestamp(timeline.to_times([issue_time])[0]).to_pydatetime()
    try:
        with available(engine, "to read a forecast"), engine.connect() as connection:
            if engine.dialect.name == "postgresql":  # all queries see the same state
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            found = [
                connection.execute(select(part).where(part.c.issue_time == moment)).mappings().all()
                for part in parts
            ]
    finally:
        engine.dispose()
    if not found[0]:
        raise KeyError(
            f"Only forecasts in the database can be read. Received the issue time {moment}."
        )
    return _product(found[0][0], pd.DataFrame(found[1]), pd.DataFrame(found[2]))


def _tables(name: str) -> tuple[Any, Any, Any]:
    from sqlalchemy import Column, DateTime, Double, Integer, MetaData, Table, Text

    metadata = MetaData()
    return (
        Table(
            f"{name}_issues",
            metadata,
            Column("issue_time", DateTime, primary_key=True),
            Column("attributes", Text, nullable=False),
        ),
        Table(
            f"{name}_wells",
            metadata,
            Column("issue_time", DateTime, primary_key=True),
            Column("well", Text, primary_key=True),
            Column("place", Integer, nullable=False),
            *(Column(text, Text, nullable=False) for text in TEXTS),
            *(Column(time, DateTime) for time in TIMES),
        ),
        Table(
            f"{name}_levels",
            metadata,
            Column("issue_time", DateTime, primary_key=True),
            Column("well", Text, primary_key=True),
            Column("lead", Integer, primary_key=True),
            Column("quantile", Double, primary_key=True),
            Column("valid_time", DateTime, nullable=False),
            Column("level", Double),
        ),
    )


def _rows(product: xr.Dataset) -> tuple[list[dict[str, object]], ...]:
    moment = _moment(product[schema.ISSUE_TIME].values[0])
    attributes = {
        "dataset": dict(product.attrs),
        "variables": {str(name): dict(v.attrs) for name, v in product.variables.items()},
        "frequency": _frequency(product),
    }
    issue = {"issue_time": moment, "attributes": dump_json(attributes)}
    names = [str(well) for well in product[schema.WELL].values]
    wells = [
        {"issue_time": moment, "well": well, "place": place}
        | {text: str(product[text].values[place]) for text in TEXTS}
        | {time: _moment(product[time].values[place]) for time in TIMES}
        for place, well in enumerate(names)
    ]
    quantiles = [float(q) for q in product[schema.QUANTILE].values]
    valid = [_moment(time) for time in product[schema.VALID_TIME].values[0]]
    values = product[schema.LEVEL].values[:, 0]
    levels = [
        {
            "issue_time": moment,
            "well": well,
            "lead": lead + 1,
            "quantile": quantile,
            "valid_time": valid[lead],
            "level": None if np.isnan(value) else value,
        }
        for well, block in zip(names, values, strict=True)
        for lead, row in enumerate(block)
        for quantile, value in zip(quantiles, row.tolist(), strict=True)
    ]
    return [issue], wells, levels


def _product(issue: Any, wells: pd.DataFrame, levels: pd.DataFrame) -> xr.Dataset:
    stored = json.loads(issue["attributes"])
    wells = wells.sort_values("place")
    names = wells["well"].tolist()
    quantiles = np.sort(levels["quantile"].unique())
    place = {name: number for number, name in enumerate(names)}
    value = np.full((len(names), 1, int(levels["lead"].max()), quantiles.size), np.nan)
    at = levels["well"].map(place), 0, levels["lead"] - 1
    value[(*at, np.searchsorted(quantiles, levels["quantile"]))] = levels["level"].astype(float)
    product = schema.label_forecast(
        value[..., 0],
        wells=names,
        issue_times=np.array([issue["issue_time"]], schema.TIME_DTYPE),
        frequency=stored["frequency"],
    )
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE)
    product = product.assign_coords({schema.QUANTILE: quantiles}).assign(
        {schema.LEVEL: (dims, value)}
    )
    for text in TEXTS:
        product[text] = (schema.WELL, wells[text].to_numpy(object))
    for time in TIMES:
        stamps = pd.to_datetime(wells[time]).to_numpy().astype(schema.TIME_DTYPE)
        product[time] = (schema.WELL, stamps)
    for name, attrs in stored["variables"].items():
        product[name].attrs = attrs
    return product.assign_attrs(stored["dataset"])


def _frequency(product: xr.Dataset) -> str:
    times = np.concatenate(
        [product[schema.ISSUE_TIME].values, product[schema.VALID_TIME].values[0]]
    )
    return timeline.infer_frequency(times)


def _moment(time: np.datetime64) -> Any:
    return None if np.isnat(time) else pd.Timestamp(time).to_pydatetime()
