"""Alerts: find new events of the last forecast, and send each of them once by each channel.

Events wait in a file beside the archive until a channel has accepted them. A run that is killed
between a delivery and its note sends the same events again, with the same identifier.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gwforecast.config.load import Settings
from gwforecast.service.archive import Archive, ArchiveBusyError, ArchiveError
from gwforecast.service.monitor import read_last_run
from gwforecast.service.notify.channels import (
    DeliveryError,
    mail_server,
    send_mail,
    send_webhook,
    webhook_address,
)
from gwforecast.service.notify.events import Event, Reported, new_events
from gwforecast.verification.distribution import Thresholds
from gwforecast.writing import write_text

__all__ = ["Alerts", "send_alerts"]


STATE, LOCK = "alerts.json", "alerts.lock"
MOST = 5000  # events that wait for a channel; the oldest are dropped beyond


@dataclass
class Alerts:
    """What a run found and sent."""

    events: list[Event] = field(default_factory=list)  # new events
    sent: dict[str, int] = field(default_factory=dict)  # number of events accepted by each channel
    errors: list[str] = field(default_factory=list)  # messages of channels that failed


@dataclass
class _State:
    reported: Reported = field(default_factory=Reported)
    pending: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def send_alerts(settings: Settings, *, dry: bool = False) -> Alerts:
    """Find new events and send them.

    Returns
    -------
    Alerts
        The new events, what was sent, and which channels failed.

    Raises
    ------
    ArchiveBusyError
        If another run sends alerts.
    ArchiveError
        If the file of the events is damaged; nothing is sent then, as events would be repeated.
    """
    archive = Archive(settings.schedule.archive)
    channels = _channels(settings)
    with _locked(archive.folder):
        state = _read(archive.folder / STATE)
        found = Alerts(_new(archive, settings, state))
        if dry:
            return found
        for name in channels:
            waiting = state.pending.get(name, []) + [event.as_json() for event in found.events]
            state.pending[name] = waiting[-MOST:]
        _write(archive.folder / STATE, state)  # before sending: an event is never lost
        for name, send in channels.items():
            waiting = state.pending.get(name, [])
            if not waiting:
                continue
            try:
                send(waiting)
            except DeliveryError as error:
                found.errors.append(str(error))
                continue
            found.sent[name] = len(waiting)
            state.pending[name] = []
            _write(archive.folder / STATE, state)
    return found


def _new(archive: Archive, settings: Settings, state: _State) -> list[Event]:
    wanted = settings.alerts
    last = next(reversed(archive.standing()), None)  # without those that were withdrawn
    return new_events(
        None if last is None else archive.open(last),
        state.reported,
        thresholds=Thresholds(wanted.below, wanted.above),
        chance=wanted.probability,
        statuses=wanted.status,
        last_run=read_last_run(archive.folder),
    )


Send = Callable[[Sequence[dict[str, Any]]], None]


def _channels(settings: Settings) -> dict[str, Send]:
    wanted = settings.alerts
    found: dict[str, Send] = {}
    if wanted.webhook is not None:
        webhook_address(wanted)  # wrong settings are reported also where nothing is to be sent
        found["webhook"] = lambda events: send_webhook(events, wanted)
    if wanted.mail_to:
        mail_server(wanted)
        title = settings.bulletin.title
        found["mail"] = lambda events: send_mail(events, wanted, title=title)
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK).acquire(timeout=0):
            yield
    except Timeout:
        raise ArchiveBusyError(
            f"Only one run at a time may send alerts. Received {str(folder)!r}, whose lock "
            f"{LOCK} another run holds. Wait for it to end."
        ) from None


def _read(path: Path) -> _State:
    try:
        given = json.loads(path.read_text("utf-8"))
        state = _State(Reported(**given["reported"]), given["pending"])
        if not all(isinstance(one, list) for one in state.pending.values()):
            raise TypeError("pending events are lists")
    except FileNotFoundError:
        return _State()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(
            f"The events that were reported must be known. Received {str(path)!r}, which cannot "
            f"be read: {error}. Delete it; the next run then reports all present alerts again."
        ) from None
    return state


def _write(path: Path, state: _State) -> None:
    write_text(path, json.dumps(asdict(state), indent=1) + "\n")
