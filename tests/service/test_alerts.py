"""Alerts against servers on this machine: each event once, signed, kept while a server is away."""

from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.config.load import Settings, settings_from
from gwforecast.service.archive import Archive, ArchiveBusyError, ArchiveError
from gwforecast.service.monitor import recorded
from gwforecast.service.notify.alerts import send_alerts
from gwforecast.service.notify.channels import SECRET, SMTP_PASSWORD
from gwforecast.service.notify.events import in_lines

WELLS = ["brook", "fen\r\nBcc: x@example.org"]


def forecast(
    day: int, level: float, status: str = "ok", wells: list[str] = WELLS[:1]
) -> xr.Dataset:
    """Return a forecast with medians of a level and quantiles 0.1 m apart."""
    ahead = level + np.linspace(-0.3, 0.3, len(QUANTILES)) * np.ones((len(wells), 1, 5, 1))
    made = schema.label_forecast(
        ahead[..., 0], wells=wells, frequency="D",
        issue_times=np.array([f"2024-01-{day:02d}"], "datetime64[us]"),
    )  # fmt: skip
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE)
    made = made.assign_coords({schema.QUANTILE: list(QUANTILES)}).assign({"level": (dims, ahead)})
    for name, value in (("status", status), ("reason", "" if status == "ok" else "why.")):
        made[name] = ("well", np.array([value] * len(wells), object))
    return made


class Hook(HTTPServer):
    """A webhook that keeps what it receives; ``codes`` are its next answers."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.codes: list[int] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token-123"


class Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.server.codes.pop(0) if self.server.codes else 200
        if code < 300:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.received.append((headers, body))
        self.send_response(code)
        if code == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def log_message(self, *given: object) -> None: ...


class Mail(socketserver.StreamRequestHandler):
    """A mail server that understands just enough."""

    def handle(self) -> None:
        def say(text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        say("220 here")
        receivers: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "EHLO":
                self.wfile.write(b"250-here\r\n250 AUTH PLAIN\r\n")
            elif word == "AUTH":
                self.server.logins.append(line)  # type: ignore[attr-defined]
                say("235 ok")
            elif word == "RCPT":
                receivers.append(line)
                say("250 ok")
            elif word == "DATA":
                say("354 go on")
                content = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    content += part
                self.server.received.append((receivers, content))  # type: ignore[attr-defined]
                say("250 ok")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


def serving(server: socketserver.BaseServer) -> Iterator[socketserver.BaseServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    yield from serving(Hook())  # type: ignore[misc]


@pytest.fixture
def mail() -> Iterator[socketserver.TCPServer]:
    server = socketserver.TCPServer(("127.0.0.1", 0), Mail)
    server.received, server.logins = [], []  # type: ignore[attr-defined]
    yield from serving(server)  # type: ignore[misc]


def settings(folder: Path, **alerts: object) -> Settings:
    schedule = {"archive": folder / "archive"}
    return settings_from(
        {"data": {"levels": Path("x.csv")}, "schedule": schedule,
         "alerts": {"below": {"brook": 10.0}, "timeout": 5.0, **alerts}}
    )  # fmt: skip


def publish(folder: Path, made: xr.Dataset) -> None:
    Archive(folder / "archive").publish(made)


def test_a_crossing_is_reported_once_and_so_is_its_end(tmp_path: Path, hook: Hook) -> None:
    wanted = settings(tmp_path, webhook=hook.address)
    for day, level, kinds in (
        (1, 11.0, []), (2, 10.05, []), (3, 9.9, ["crossing"]), (4, 9.7, []),
        (5, 10.005, []),  # the probability is below the limit, but not clearly
        (6, 9.9, []), (7, 11.0, ["crossing_over"]), (8, 9.9, ["crossing"]),
    ):  # fmt: skip
        publish(tmp_path, forecast(day, level))
        assert [event.kind for event in send_alerts(wanted).events] == kinds
        assert not send_alerts(wanted).events  # run again on the same forecast
    sent = [event for _, body in hook.received for event in json.loads(body)["events"]]
    assert [event["kind"] for event in sent] == ["crossing", "crossing_over", "crossing"]
    assert sent[0]["well"] == "brook"
    assert sent[0]["details"]["threshold"] == 10.0
    assert 0.5 < sent[0]["details"]["probability"] < 1
    assert sent[0]["details"]["by"] == "2024-01-04"
    assert len({event["id"] for event in sent}) == 3


def test_changes_of_status_and_failed_runs_are_reported_once(tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    seen = []
    for day, status in enumerate(("ok", "stale", "stale", "no_data", "ok"), start=1):
        publish(tmp_path, forecast(day, 11.0, status))
        seen += [event.text for event in send_alerts(wanted).events]
    assert seen == [
        "brook changed from ok to stale: why.", "brook changed from stale to no data: why.",
        "brook changed from no data to ok.",
    ]  # fmt: skip
    kinds = []
    for code in (4, 4, 0, 0, 6):
        with recorded(tmp_path / "archive") as run:
            run.code, run.message = code, "a message"
        kinds += [event.kind for event in send_alerts(wanted).events]
    assert kinds == ["run_failed", "run_recovered", "run_failed"]
    keys = []
    for number, status in enumerate(("stale", "ok")):  # a revision of the same issue time
        made = forecast(6, 11.0 + number, status)
        Archive(tmp_path / "archive").publish(made, revise=True)
        keys += [event.key for event in send_alerts(wanted).events]
    assert len(set(keys)) == 2
    quiet = settings(tmp_path / "other", status=False)
    publish(tmp_path / "other", forecast(1, 11.0, "stale"))
    assert not send_alerts(quiet).events


def test_wells_whose_status_changed_alike_are_one_line(tmp_path: Path) -> None:
    publish(tmp_path, forecast(1, 9.0, "stale", [f"w{n}" for n in range(20)] + ["brook"]))
    events = [event.as_json() for event in send_alerts(settings(tmp_path)).events]
    assert len(events) == 22
    crossing, alike = in_lines(events)
    assert crossing == events[0]["text"]
    assert "brook is forecast below" in crossing
    assert alike.startswith("21 wells (w0, w1,")
    assert alike.endswith(", ...) changed from ok to stale: why.")


def test_messages_are_signed(tmp_path: Path, hook: Hook, monkeypatch) -> None:
    monkeypatch.setenv(SECRET, "s3cret ü")
    monkeypatch.setenv("HOOK", hook.address)
    publish(tmp_path, forecast(1, 9.9))
    send_alerts(settings(tmp_path, webhook="$HOOK"))
    ((headers, body),) = hook.received
    signed = headers["x-gwforecast-timestamp"].encode() + b"." + body
    expected = hmac.new("s3cret ü".encode(), signed, hashlib.sha256).hexdigest()
    assert headers["x-gwforecast-signature"] == f"sha256={expected}"
    assert headers["content-type"] == "application/json"
    assert b"s3cret" not in body


@pytest.mark.parametrize("answer", [500, 404, 302, "away"])
def test_events_are_kept_while_the_server_is_away(tmp_path: Path, hook: Hook, answer) -> None:
    address = hook.address if answer != "away" else "http://127.0.0.1:9/token-123"
    hook.codes = [answer] if answer != "away" else []
    publish(tmp_path, forecast(1, 9.9))
    failed = send_alerts(settings(tmp_path, webhook=address))
    assert len(failed.errors) == 1
    assert "token-123" not in failed.errors[0]  # it may be a secret
    assert not hook.received
    publish(tmp_path, forecast(2, 9.8, "stale"))
    later = send_alerts(settings(tmp_path, webhook=hook.address))
    assert later.sent == {"webhook": 2}
    kinds = [event["kind"] for event in json.loads(hook.received[0][1])["events"]]
    assert kinds == ["crossing", "status"]
    assert send_alerts(settings(tmp_path, webhook=hook.address)).sent == {}


def test_mail_reaches_all_receivers_and_names_are_text(tmp_path: Path, mail, monkeypatch) -> None:
    monkeypatch.setenv(SMTP_PASSWORD, "pass word")
    publish(tmp_path, forecast(1, 9.9, "stale", WELLS))
    host = f"smtp://user@127.0.0.1:{mail.server_address[1]}"
    wanted = settings(
        tmp_path, smtp=host, mail_from="gw@example.org", mail_to=["a@example.org", "b@example.org"]
    )
    assert send_alerts(wanted).sent == {"mail": 3}
    ((receivers, content),) = mail.received
    assert [line.split("<")[1].rstrip(">") for line in receivers] == wanted.alerts.mail_to
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Subject"] == "Groundwater levels: 3 events"
    assert message["To"] == "a@example.org, b@example.org"
    assert message["Bcc"] is None
    text = message.get_content()
    assert "brook is forecast below 10.00 m with a probability of" in text
    assert "2 wells (brook, fen Bcc: x@example.org) changed from ok to stale: why." in text
    assert len(mail.logins) == 1
    assert b"pass word" not in content
    assert send_alerts(wanted).sent == {}


def test_wrong_settings_and_damage_are_errors(tmp_path: Path) -> None:
    publish(tmp_path, forecast(1, 9.9))
    with pytest.raises(ValueError, match="http://"):
        send_alerts(settings(tmp_path, webhook="file:///etc/passwd"))
    given = {"smtp": "smtp://u:hunter2@127.0.0.1", "mail_to": ["a@b.c"], "mail_from": "a@b.c"}
    with pytest.raises(ValueError, match=SMTP_PASSWORD) as caught:
        send_alerts(settings(tmp_path, **given))
    assert "hunter2" not in str(caught.value)
    (tmp_path / "archive" / "alerts.json").write_text("{", "utf-8")
    with pytest.raises(ArchiveError, match=r"alerts\.json"):
        send_alerts(settings(tmp_path))


def test_one_run_at_a_time(tmp_path: Path, hook: Hook) -> None:
    publish(tmp_path, forecast(1, 9.9))
    wanted = settings(tmp_path, webhook=hook.address)
    caught: list[Exception] = []
    original = Handler.do_POST

    def slow(self: Handler) -> None:
        try:
            send_alerts(wanted)
        except ArchiveBusyError as error:
            caught.append(error)
        original(self)

    Handler.do_POST = slow  # type: ignore[method-assign]
    try:
        assert send_alerts(wanted).sent == {"webhook": 1}
    finally:
        Handler.do_POST = original  # type: ignore[method-assign]
    assert len(caught) == 1
    assert len(hook.received) == 1


def test_the_command(tmp_path: Path, hook: Hook, gwforecast) -> None:
    publish(tmp_path, forecast(1, 9.9))
    (tmp_path / "run.toml").write_text(
        f'[data]\nlevels = "x.csv"\n[alerts]\nwebhook = "{hook.address}"\nbelow = 10.0\n', "utf-8"
    )
    dry = gwforecast("alerts", "run.toml", "--dry-run", cwd=tmp_path)
    assert "brook is forecast below 10.00 m" in dry.stdout
    assert not hook.received
    hook.codes = [500]
    failed = gwforecast("alerts", "run.toml", cwd=tmp_path, code=6)
    assert "status 500" in failed.stderr
    assert "1 events sent by webhook" in gwforecast("alerts", "run.toml", cwd=tmp_path).stdout
    assert "No new events" in gwforecast("alerts", "run.toml", cwd=tmp_path).stdout
