"""How events are sent: as signed JSON to a webhook, and by mail.

Secrets come from the environment, and neither they nor the whole address of a webhook are ever part
of a message.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gwforecast import __version__
from gwforecast.config.tables import AlertSettings
from gwforecast.runs.files import now
from gwforecast.service.notify.events import in_lines

__all__ = [
    "SECRET", "SMTP_PASSWORD", "DeliveryError", "mail_server", "send_mail", "send_webhook",
    "signature", "webhook_address",
]  # fmt: skip


SECRET, SMTP_PASSWORD = "GWFORECAST_WEBHOOK_SECRET", "GWFORECAST_SMTP_PASSWORD"
"""Names of variables of the environment."""

SHOWN = 50  # events in a mail
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class DeliveryError(RuntimeError):
    """Events could not be delivered; they are sent again by the next run."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message: HMAC-SHA256 of the time and the body.

    A receiver computes it from the headers and the body as received, compares it in constant time,
    and refuses messages whose time is not recent.

    Examples
    --------
    >>> signature("secret", "1700000000", b"{}")[:20]
    'sha256=b8569b78799ff'
    """
    signed = timestamp.encode("ascii") + b"." + body
    return f"sha256={hmac.new(secret.encode('utf-8'), signed, hashlib.sha256).hexdigest()}"


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *given: Any, **more: Any) -> None:
        """Do not follow: the signed message is for the stated address."""
        del given, more


def webhook_address(settings: AlertSettings) -> str:
    """Return the address of the webhook; ``$NAME`` in it is taken from the environment.

    Raises
    ------
    ValueError
        If it is none of http or https.
    """
    address = os.path.expandvars(str(settings.webhook))
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "'webhook' in the table [alerts] must be an address http://... or https://... Received "
            f"the scheme {parts.scheme!r}. Correct it."
        )
    return address


def mail_server(settings: AlertSettings) -> SplitResult:
    """Return the address of the mail server.

    Raises
    ------
    ValueError
        If it or the sender is missing or malformed, or it contains a password.
    """
    parts = urlsplit(str(settings.smtp))
    if parts.scheme not in PORTS or not parts.hostname or not settings.mail_from:
        raise ValueError(
            f"Mail needs 'mail_from' and 'smtp' ({', '.join(PORTS)}://host:port) in the table "
            f"[alerts]. Received the scheme {parts.scheme!r} and the sender "
            f"{settings.mail_from!r}. Complete them."
        )
    if parts.password:
        raise ValueError(
            f"The password of a mail server must be in the environment, {SMTP_PASSWORD}. Received "
            "one in 'smtp' in the table [alerts]. Remove it there."
        )
    return parts


def send_webhook(events: Sequence[dict[str, Any]], settings: AlertSettings) -> None:
    """Post events as JSON, signed where the environment has a secret.

    Raises
    ------
    DeliveryError
        If the server cannot be reached or does not answer with 2xx.
    """
    address = webhook_address(settings)
    host = urlsplit(address).hostname
    body = json.dumps({"source": f"gwforecast {__version__}", "events": list(events)}).encode()
    timestamp = str(int(now().timestamp()))
    request = Request(address, body, method="POST")  # noqa: S310 - only http and https
    request.add_header("Content-Type", "application/json")
    request.add_header("User-Agent", f"gwforecast/{__version__}")
    request.add_header("Idempotency-Key", _key(events))
    request.add_header("X-Gwforecast-Timestamp", timestamp)
    secret = os.environ.get(SECRET)
    if secret:
        request.add_header("X-Gwforecast-Signature", signature(secret, timestamp, body))
    try:
        with build_opener(_NoRedirect).open(request, timeout=settings.timeout) as answer:
            answer.read(1024)
    except HTTPError as error:
        raise _undelivered(f"the webhook at {host}", f"status {error.code}") from None
    except URLError as error:
        raise _undelivered(f"the webhook at {host}", str(error.reason)) from None
    except (OSError, HTTPException) as error:
        raise _undelivered(f"the webhook at {host}", _kind(error)) from None


def send_mail(events: Sequence[dict[str, Any]], settings: AlertSettings, *, title: str) -> None:
    """Send events as one mail in plain text.

    Raises
    ------
    DeliveryError
        If the server cannot be reached or refuses the mail.
    """
    parts = mail_server(settings)
    message = _mail(events, settings, title)
    host = str(parts.hostname)
    port = parts.port or PORTS[parts.scheme]
    secure = ssl.create_default_context()
    server: smtplib.SMTP
    try:
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port, timeout=settings.timeout, context=secure)
        else:
            server = smtplib.SMTP(host, port, timeout=settings.timeout)
        with server:
            if parts.scheme == "smtp+starttls":
                server.starttls(context=secure)
            if parts.username:
                server.login(parts.username, os.environ.get(SMTP_PASSWORD, ""))
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise _undelivered(f"the mail server {host}", f"code {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise _undelivered(f"the mail server {host}", _kind(error)) from None


def _mail(events: Sequence[dict[str, Any]], settings: AlertSettings, title: str) -> EmailMessage:
    message = EmailMessage()
    one = str(events[0]["text"]) if len(events) == 1 else f"{len(events)} events"
    message["Subject"] = _one_line(f"{title}: {one}")[:180]
    message["From"] = _one_line(str(settings.mail_from))
    message["To"] = ", ".join(map(_one_line, settings.mail_to))
    message["Date"] = now().strftime("%a, %d %b %Y %H:%M:%S +0000")
    message["Message-ID"] = f"<{_key(events)}@gwforecast.{socket.gethostname()}>"
    message["Auto-Submitted"] = "auto-generated"
    sentences = in_lines(events)
    lines = [f"- {_one_line(sentence)}" for sentence in sentences[:SHOWN]]
    if len(sentences) > SHOWN:
        lines.append(f"- and {len(sentences) - SHOWN} more")
    message.set_content("\n".join([*lines, "", f"Sent by gwforecast {__version__}.", ""]))
    return message


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _key(events: Sequence[dict[str, Any]]) -> str:
    listed = ",".join(sorted(str(event["id"]) for event in events))
    return hashlib.sha256(listed.encode("ascii")).hexdigest()[:32]


def _kind(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)


def _undelivered(where: str, why: str) -> DeliveryError:
    return DeliveryError(
        f"Alerts must reach {where}. Received {why}. The events are kept and sent again by the "
        "next run; check the server and the table [alerts]."
    )
