"""The text of a file, in whatever encoding it is."""

from __future__ import annotations

import codecs
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gwforecast.data.terms.headers import known_words
from gwforecast.schema import SchemaError

__all__ = ["LINE_ENDS", "Text", "decoded"]

SAMPLED = 65_536  # bytes from which the layout is found
LINES = 300  # of them
MOST_STRANGE = 20_000  # bytes of lines beyond ASCII by which an encoding is known
LINE_ENDS = r"\r\n|\n|\r"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = ["cp1252", "cp1250", "cp850", "mac_roman", "cp1257", "iso8859_15", "cp1251", "cp932",
           "gb18030", "big5", "euc_kr", "cp1253", "cp1254", "cp1255"]  # fmt: skip
_UNUSUAL = re.compile(
    r"[\u0080-\u00a6\u00a8-\u00af\u00b4\u00b6-\u00b8\u00bb-\u00bf\u00d0\u00d7\u00dd\u00de"
    r"\u00f0\u00f7\u00fe\u0192\u2018-\u203a]|(?<=[^\W\d])[\u00b2\u00b3\u00b9](?=[^\W\d])"
)


@dataclass(frozen=True)
class Text:
    """A file, its encoding, its first bytes, and whether it is ASCII without quotation marks."""

    path: Path
    encoding: str
    start: bytes
    plain: bool = False

    def lines(self) -> list[str]:
        """Return all lines, ended as files end them."""
        return re.split(LINE_ENDS, self.whole())

    def whole(self) -> str:
        """Return the text."""
        return self.path.read_bytes().decode(self.encoding, errors="replace")

    def sample(self) -> list[str]:
        """Return the first lines, whole ones; other separators of Unicode are part of a cell."""
        text = self.start[:SAMPLED].decode(self.encoding, errors="ignore")
        whole = text[: max(text.rfind("\n"), 1)] if len(self.start) > SAMPLED else text
        return re.split(LINE_ENDS, whole, maxsplit=LINES)[:LINES]


def decoded(path: Path, encoding: str | None = None) -> Text:
    """Return the text of a file; its encoding is found out where it is not given.

    Raises SchemaError if the file is not text, or not in the encoding that is given.
    """
    with path.open("rb") as file:
        start = file.read(SAMPLED + 1)
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf")):
        raise SchemaError(
            f"A table must be text or .parquet. Received a compressed file, {path}. Unpack it, or "
            "give a workbook its suffix, .xlsx."
        )
    if encoding is None and _is_plain(path):
        return Text(path, "utf-8", start, plain=True)
    raw = path.read_bytes()
    if encoding is None:
        return Text(path, _encoding(raw, path), start)
    try:
        raw.decode(encoding)
    except (UnicodeDecodeError, UnicodeError) as error:
        at = getattr(error, "start", 0)
        raise SchemaError(
            f"A text must be in its encoding. Received byte {raw[at]:#x} in {path}, which "
            f"{encoding} does not have there. Correct encoding=, or leave it out."
        ) from None
    return Text(path, encoding, start)


def _is_plain(path: Path) -> bool:
    """Return whether a file is ASCII without quotation marks and zeros."""
    part = bytearray(1 << 18)  # reused, which is faster than all at once
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(part):
            if np.frombuffer(part, np.int8, count).min() <= 0 or part.find(b'"', 0, count) >= 0:
                return False
    return True


def _encoding(raw: bytes, path: Path) -> str:
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    start = raw[:SAMPLED]
    if b"\x00" in start:
        if start[:400].count(b"\x00") > 0.3 * len(start[:400]) and start[1:2] == b"\x00":
            return "utf-16-le"
        raise SchemaError(
            f"A table must be text or .parquet. Received binary content in {path}. Export it as "
            "CSV in UTF-8, or give it the suffix of its format, e.g. .xlsx."
        )
    try:
        raw.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        return _of_one_byte(raw, path)


def _of_one_byte(raw: bytes, path: Path) -> str:
    """Return an encoding that is none of Unicode: cp1252 where its letters are usual ones."""
    strange = b"\n".join(line for line in raw.split(b"\n") if not line.isascii())
    if len(strange) > MOST_STRANGE:  # whole lines, as a letter may have two bytes
        strange = strange[:MOST_STRANGE].rpartition(b"\n")[0] or strange
    if not _is_dense(strange):
        try:
            western = strange.decode("cp1252")
            central = _whole(strange, "cp1250") or ""
            if not _UNUSUAL.search(western) and known_words(western) >= known_words(central):
                return "cp1252"
        except UnicodeDecodeError:
            pass
    known = {name: known_words(text) for name in _LIKELY if (text := _whole(strange, name))}
    best = max(known, key=lambda name: known[name], default=None)  # the first of several
    if best is not None and known[best] and _whole(raw, best) is not None:
        return best
    from charset_normalizer import from_bytes  # loaded only where it is needed

    guessed = from_bytes(strange, cp_isolation=_LIKELY).best()
    name = None if guessed is None else guessed.encoding
    if name not in (None, "utf_8", "ascii") and _whole(raw, name) is not None:
        return name
    if _is_dense(strange):
        raise SchemaError(
            f"The encoding of a text must be known. Received letters in {path} that are not "
            "Unicode, in an encoding that was not recognised. Name it with encoding= "
            "(--encoding), e.g. 'cp932', 'gb18030' or 'cp1251', or save the file as UTF-8."
        )
    return "latin-1"


def _is_dense(raw: bytes) -> bool:
    """Return whether most letters are none of ASCII, as in Cyrillic or Chinese."""
    high = [byte > 127 for byte in raw]
    pairs = sum(a and b for a, b in itertools.pairwise(high))
    return pairs > 3 and pairs > 0.5 * sum(high)


def _whole(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None
