"""Faults of a real PostgreSQL: away, silent, slow, locked, cut mid-read, without rights."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from gwforecast import schema
from gwforecast.data.database import connect
from gwforecast.data.readers import read_observations

SECRET = "s3cr3t"  # noqa: S105 - of no one
SETUP = f"""
CREATE ROLE reader LOGIN PASSWORD '{SECRET}'; GRANT SELECT ON heads, weather TO reader;
CREATE ROLE denied LOGIN PASSWORD '{SECRET}';
CREATE ROLE poor LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 0;
CREATE VIEW slow AS SELECT h.* FROM heads h, pg_sleep(60);
CREATE VIEW wrong AS SELECT well, time, 1 / 0 * level AS level FROM heads;
GRANT SELECT ON slow, wrong TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC
"""  # noqa: S608 - constants
Case = tuple[str, str, str, int, Callable[[], None] | None]


def program(name: str) -> str | None:
    """Return a program of PostgreSQL."""
    others = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(others[-1]) if others else shutil.which(name)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Yield the port and the process of a server of our own that asks for passwords."""
    folder, user = Path(tempfile.mkdtemp(prefix="gwforecast-")), {}
    if os.getuid() == 0:  # the server refuses to be run by root
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    (folder / "password").write_text(SECRET)
    os.chmod(folder / "password", 0o644)
    subprocess.run(
        [str(program("initdb")), "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256",
         "--pwfile", folder / "password", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **user,
    )  # fmt: skip
    port = free_port()
    running = subprocess.Popen(
        [str(program("postgres")), "-D", folder / "data", "-p", str(port), "-k", str(folder),
         "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **user,
    )  # fmt: skip
    try:
        yield port, running
    finally:
        running.send_signal(signal.SIGCONT)
        running.send_signal(signal.SIGINT)
        running.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def write_observations(observations: xr.Dataset, url: str, *, levels: str, covariates: str) -> None:
    """Write levels and covariates (well, time) as two long tables, which must not exist."""
    engine = connect(url)
    try:
        with engine.begin() as connection:
            for name, columns in (
                (levels, [schema.LEVEL]),
                (covariates, schema.covariate_names(observations)),
            ):
                frame = observations[columns].to_dataframe().reset_index()
                kept = frame[["well", "time", *columns]].dropna(subset=columns, how="all")
                kept.to_sql(name, connection, index=False, chunksize=5000)
    finally:
        engine.dispose()


def fill(url: str, folder: Path) -> None:
    """Write the wells of a place to two tables, and the roles and views of the faults."""
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    engine = connect(url)
    for _ in range(100):
        try:
            engine.connect().close()
            break
        except OperationalError:
            time.sleep(0.2)
    observations = read_observations(folder / "wells", folder / "weather.csv")
    write_observations(observations, url, levels="heads", covariates="weather")
    with engine.begin() as connection:
        for line in SETUP.split(";"):
            connection.execute(text(line))
    engine.dispose()


def cutting(port: int, after: int, *, mute: bool = False) -> int:
    """Return the port of a proxy that cuts each connection after some bytes of the server.

    With ``mute`` it stays open, and nothing more comes.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            near = listener.accept()[0]
            far, left = socket.create_connection(("127.0.0.1", port)), after

            def send(near: socket.socket = near, far: socket.socket = far) -> None:
                try:
                    while data := near.recv(4096):
                        far.sendall(data)
                except OSError:
                    return

            threading.Thread(target=send, daemon=True).start()
            try:
                while left > 0 and (data := far.recv(min(4096, left))):
                    near.sendall(data)
                    left -= len(data)
            except OSError:
                pass
            if mute:
                kept.append(near)
                continue
            near.shutdown(socket.SHUT_RDWR)
            far.close()

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


def silent() -> int:
    """Return the port of a server that accepts connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []
    threading.Thread(
        target=lambda: [kept.append(listener.accept()[0]) for _ in range(99)], daemon=True
    ).start()
    return int(listener.getsockname()[1])


def cases(port: int, running: subprocess.Popen[bytes]) -> list[Case]:
    """Return name, URL, table of the levels, documented code and what happens meanwhile.

    Cases whose table is empty write to the database instead of reading from it.
    """

    def url(user: str = "reader", at: int = port, more: str = "", name: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}:{SECRET}@127.0.0.1:{at}/{name}{more}"

    limit = "?options=-c%20statement_timeout%3D1500"

    def stopped() -> None:
        time.sleep(6)
        running.send_signal(signal.SIGINT)  # cuts all connections

    return [
        ("readable", url(), "heads", 0, None),
        ("away", url(at=free_port()), "heads", 4, None),
        ("silent", url(at=silent()), "heads", 4, None),
        ("no such database", url(name="nowhere"), "heads", 4, None),
        ("no such role", url("nobody"), "heads", 4, None),
        ("wrong password", url().replace(SECRET, "wrong"), "heads", 4, None),
        ("no connection left", url("poor"), "heads", 4, None),
        ("no right to read", url("denied"), "heads", 4, None),
        ("no such table", url(), "tails", 4, None),
        ("slow view, limited", url(more=limit), "slow", 4, None),
        ("error while reading", url(), "wrong", 4, None),
        ("cut at once", url(at=cutting(port, 20)), "heads", 4, None),
        ("cut while signing in", url(at=cutting(port, 300)), "heads", 4, None),
        ("cut mid-read", url(at=cutting(port, 30_000)), "heads", 4, None),
        ("mute mid-read", url(at=cutting(port, 30_000, mute=True)), "heads", 4, None),
        ("writable", url("owner"), "", 0, None),
        ("no right to write", url("reader"), "", 6, None),
        ("no server to write to", url(at=free_port()), "", 6, None),
        ("cut mid-write", url("owner", at=cutting(port, 900)), "", 6, None),
        ("stopped while it is read", url(), "slow", 4, stopped),
    ]  # fmt: skip


def settings(text: str, url: str, levels: str) -> str:
    """Return the settings of a case."""
    if not levels:
        return f'{text}sql = "{url}"\n'
    text = text.replace("[data]", f'[data]\ndatabase = "{url}"')
    return text.replace('"wells"', f'"{levels}"').replace('"weather.csv"', '"weather"')
