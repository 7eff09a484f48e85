"""Observations from any database that SQLAlchemy supports."""

from __future__ import annotations

import os
import re
import socket
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.roles import text_of
from gwforecast.data.terms.headers import read_header
from gwforecast.schema import SchemaError
from gwforecast.writing import redact

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["available", "connect", "list_wells_sql", "read_sql", "shown", "without_password"]

SECRET = re.compile(r"(?i)pass|pwd|secret|token|key|odbc_connect")
"""Names of parts of a URL's query that may hold a password."""
CONNECT, QUERY, WAIT = 10, 300, 30  # s until a server answers, a query ends, a lock is released
READING = "to read observations"
OPEN: weakref.WeakSet[Any] = weakref.WeakSet()  # connections of drivers


def connect(url: str) -> Engine:
    """Return an engine for a database; a password ``$NAME`` is read from the environment.

    Raises ImportError if SQLAlchemy or the driver is not installed, and ValueError if it is not a
    URL, or the environment variable of the password is not set. Messages never contain passwords.
    """
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        raise ImportError(
            "A database needs SQLAlchemy, which is not installed. Install it with: pip install "
            "'gwforecast[sql]'."
        ) from None
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        parsed = None
    if parsed is None:  # outside of the handler, as its error may contain the password
        raise ValueError(
            "A database is named by a URL. Received one that SQLAlchemy cannot read. Write for "
            "example sqlite:///wells.db or postgresql+psycopg://me@host/wells."
        )
    try:
        if parsed.password:  # expanded on its own, as it may hold any character
            parsed = parsed.set(password=_expanded(str(parsed.password)))
        secret = {k: v for k, v in parsed.query.items() if SECRET.search(k)}
        if secret:
            expanded = {k: _expanded(v) for k, v in secret.items() if isinstance(v, str)}
            parsed = parsed.update_query_dict(expanded)
        engine = sqlalchemy.create_engine(parsed, connect_args=_limits(parsed))
    except sqlalchemy.exc.ArgumentError:
        raise ValueError(
            f"A database is named by a URL. Received {shown(url)}, for which SQLAlchemy has no "
            "dialect. Write for example sqlite:///wells.db or postgresql+psycopg://me@host/wells."
        ) from None
    except ModuleNotFoundError as error:
        raise ImportError(
            f"A database needs its driver. Received none: {error}. Install it, for PostgreSQL with "
            "pip install 'gwforecast[sql]'."
        ) from None
    if engine.dialect.name != "sqlite":  # which has no line that could be cut
        sqlalchemy.event.listen(engine, "connect", lambda opened, _: OPEN.add(opened))
    return engine


def _limits(url: Any) -> dict[str, Any]:
    """Return arguments of the driver that limit the time of a connection and of a query."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        return {"timeout": WAIT}
    if kind == "postgresql" and url.get_driver_name() in ("psycopg", "psycopg2"):
        limits = {"connect_timeout": CONNECT, "tcp_user_timeout": 1000 * QUERY,
                  "keepalives_idle": WAIT, "keepalives_interval": CONNECT, "keepalives_count": 3,
                  "options": f"-c statement_timeout={1000 * QUERY}"}  # fmt: skip
        return {name: value for name, value in limits.items() if name not in url.query}
    if kind in ("mysql", "mariadb") and url.get_driver_name() in ("pymysql", "mysqldb"):
        return {"connect_timeout": CONNECT, "read_timeout": QUERY, "write_timeout": QUERY}
    return {}


def without_password(url: str) -> str:
    """Return a URL in which ``$PASSWORD`` replaces a password."""
    import sqlalchemy

    parsed = sqlalchemy.make_url(url)
    changed = parsed
    if parsed.password and not str(parsed.password).startswith("$"):
        changed = changed.set(password="$PASSWORD")  # noqa: S106 - the name of a variable
    written = {
        k: "$PASSWORD"
        for k, v in parsed.query.items()
        if SECRET.search(k) and not str(v).startswith("$")
    }
    if written:
        changed = changed.update_query_dict(written)
    if changed is parsed:
        return url
    text = str(changed.render_as_string(hide_password=False))
    return text.replace("%24PASSWORD", "$PASSWORD")


def shown(url: str) -> str:
    """Return a URL as it may be shown: without any password."""
    import sqlalchemy

    parsed = sqlalchemy.make_url(url)
    hidden = {k: "***" for k in parsed.query if SECRET.search(k)}
    parsed = parsed.update_query_dict(hidden) if hidden else parsed
    return redact(str(parsed.render_as_string(hide_password=True)))


@contextmanager
def available(engine: Engine, what: str, *, fix: str = "Run again.") -> Iterator[None]:
    """Turn errors of a database into a ConnectionError that says what to do.

    Raises ConnectionError if the database cannot be reached, refuses, is locked, lacks a right or
    is cut off.
    """
    from sqlalchemy import exc

    watch = threading.Timer(QUERY + CONNECT, _cut)  # for a server that no longer answers
    watch.daemon = True
    watch.start()
    try:
        yield
    except exc.SQLAlchemyError as error:
        original = getattr(error, "orig", None) or error
        lines = str(original).strip().splitlines() or [""]
        raise ConnectionError(
            f"The database must be reachable {what}. Received "
            f"{type(original).__name__} from {shown(str(engine.url))}: {redact(lines[0][:300])}. "
            f"Check that it runs and that the user has the rights. {fix}"
        ) from None
    finally:
        watch.cancel()


def _cut() -> None:
    """Cut the connections that are open, so that waiting for them ends with an error."""
    for opened in list(OPEN):
        with suppress(Exception), socket.socket(fileno=os.dup(opened.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)  # also where it is closed meanwhile


def _expanded(password: str) -> str:
    """Return a password; ``$NAME`` is replaced by the value of that environment variable."""
    if not password.startswith("$"):
        return password
    found = os.environ.get(password[1:])
    if found is None:
        raise ValueError(
            f"A password like $NAME is taken from the environment. Received {password}, which is "
            "not set there. Set it, or correct the name."
        )
    return found


def read_sql(
    url: str,
    levels: str,
    covariates: str | None = None,
    *,
    attributes: str | None = None,
    wells: Sequence[str] | None = None,
    level_column: str | None = None,
    **reading: Any,
) -> xr.Dataset:
    """Read observations from the tables or views of a database.

    Parameters
    ----------
    url : str
        Address of the database, see :func:`connect`.
    levels : str
        Table with columns of well, time and level; ``schema.table`` if it is not in the default
        schema. NULL means that no level was observed. Times with a time zone are converted to UTC.
    covariates : str, optional
        Table with a column of times and one for each covariate, and a column of wells where the
        covariates differ by well, or of stations that a column of the attributes names.
    attributes : str, optional
        Table with a row for each well and a column for each static attribute.
    wells : sequence of str, optional
        Only these wells; the others are not queried.
    level_column : str, optional
        Column of the level, if several columns could be the level.
    **reading
        Further arguments of :func:`gwforecast.data.assemble.observations_from_frames`.

    Returns
    -------
    xarray.Dataset
        Observations, dims (well, time), as of :func:`gwforecast.observations_from_frames`.

    Raises
    ------
    SchemaError
        If a table does not exist or lacks a column.
    """
    engine = connect(url)
    _check_file(engine)
    try:
        long = _table(engine, levels, wells=wells)
        well = _named(long, levels, "well")
        _check_found(long[well], wells, levels)
        frames = _by_well(long, well, levels)
        static, named = None, wells
        if attributes is not None:
            static = _table(engine, attributes, wells=wells)
            static = static.set_index(_named(static, attributes, "well"))
            if wells is not None:  # and the stations whose weather they have
                named = [*wells, *map(text_of, static.to_numpy().ravel())]
        weather: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None
        if covariates is not None:
            table = _table(engine, covariates, wells=named)
            column = _find(table, "well")
            weather = _timed(table, covariates)
            if column is not None:
                weather = _by_well(table, column, covariates)
    finally:
        engine.dispose()
    return observations_from_frames(
        frames, weather, attributes=static, level_column=level_column, **reading
    )


def list_wells_sql(url: str, levels: str) -> list[str]:
    """Return the names of the wells in a table of levels."""
    engine = connect(url)
    _check_file(engine)
    try:
        table = _reflected(engine, levels)
        from sqlalchemy import select

        names = [column.name for column in table.columns]
        well = _named(pd.DataFrame(columns=names), levels, "well")
        query = select(table.c[well]).distinct().order_by(table.c[well])
        with available(engine, READING), engine.connect() as connection:
            return [str(row[0]) for row in connection.execute(query)]
    finally:
        engine.dispose()


def _reflected(engine: Engine, name: str) -> Any:
    from sqlalchemy import MetaData, Table
    from sqlalchemy.exc import NoSuchTableError

    schema, _, table = name.rpartition(".")
    try:
        with available(engine, READING):
            try:
                return Table(table, MetaData(), schema=schema or None, autoload_with=engine)
            except NoSuchTableError as error:
                raise KeyError(name) from error
    except KeyError:
        pass
    raise SchemaError(
        f"A table or view of the database holds the data. Received {name!r}, which "
        f"{shown(str(engine.url))} does not have. Correct the name."
    )


def _check_file(engine: Engine) -> None:
    """Raise if a SQLite file does not exist, which connecting would create."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name.startswith((":", "file:")):
        return
    if not os.path.exists(name):
        raise FileNotFoundError(
            f"A database must exist to be read. Received {name!r}, which does not. Correct "
            "'database' in the table [data]."
        )


def _table(engine: Engine, name: str, *, wells: Sequence[str] | None) -> pd.DataFrame:
    from sqlalchemy import Text, cast, select

    table = _reflected(engine, name)
    query = select(table)
    names = pd.DataFrame(columns=[column.name for column in table.columns])
    well = _find(names, "well")
    if wells is not None and well is not None:
        query = query.where(cast(table.c[well], Text).in_(list(wells)))
    time = _find(names, "time")
    if time is not None:
        query = query.order_by(table.c[time])
    with available(engine, READING), engine.connect() as connection:
        found = pd.DataFrame(connection.execute(query).mappings().all(), columns=list(names))
    for column in found.columns:
        if column not in (well, time):
            numbers = pd.to_numeric(found[column], errors="coerce")  # Decimal and None as well
            if numbers.notna().sum() == found[column].notna().sum():
                found[column] = numbers.astype(float)
    return found


def _timed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a table indexed by time, in UTC where a time zone is given."""
    time = _named(table, name, "time")
    try:
        stamps = pd.to_datetime(table[time], utc=True).dt.tz_localize(None)
    except (ValueError, TypeError) as error:
        raise SchemaError(
            f"The column {time!r} of {name!r} must hold times. Received another: {error}. Convert "
            "it in a view."
        ) from None
    index = pd.DatetimeIndex(stamps).as_unit("us")
    return table.drop(columns=time).set_index(index.rename("time"))


def _by_well(table: pd.DataFrame, well: str, name: str) -> dict[str, pd.DataFrame]:
    if table[well].isna().any():
        row = int(table[well].isna().to_numpy().argmax()) + 1
        raise SchemaError(
            f"Each row of a table names its well. Received NULL in {well!r} of {name!r}, row {row} "
            "by time. Name it, or leave the row out in a view."
        )
    timed = _timed(table, name)
    return {str(key): part.drop(columns=well) for key, part in timed.groupby(well, sort=False)}


def _find(table: pd.DataFrame, meaning: str) -> str | None:
    """Return the first column that names wells or times; a whole header before a part of one."""
    found = [str(c) for c in table.columns if read_header(str(c)).meaning == meaning]
    return next((c for c in found if not read_header(c).rest), next(iter(found), None))


def _named(table: pd.DataFrame, source: str, what: str) -> str:
    found = _find(table, what)
    if found is None:
        examples = {"well": "well, station, site_no", "time": "time, date, timestamp"}[what]
        raise SchemaError(
            f"A table needs a column of each {what}, called one of {examples}, ... Received "
            f"{list(map(str, table.columns))} in {source!r}. Rename it in a view."
        )
    return found


def _check_found(there: pd.Series, wells: Sequence[str] | None, source: str) -> None:
    missing = sorted(set(wells or ()) - set(map(str, there)))
    if missing:
        raise SchemaError(
            f"Requested wells must be in the data. Received {missing[0]!r}, of which "
            f"{source!r} has no level. Correct the name."
        )
    if not len(there):
        raise SchemaError(f"A table must hold rows of data. Received none in {source!r}.")
