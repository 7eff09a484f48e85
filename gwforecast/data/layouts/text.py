"""The text of a file, in whatever encoding it is."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from pathlib import Path

from gwforecast.schema import SchemaError

__all__ = ["Text", "decoded", "sample_lines"]


SAMPLED = 65_536  # bytes from which the layout is found
LINES = 300  # of them
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = ["cp1252", "cp1250", "cp850", "mac_roman", "cp1257", "iso8859_15"]
_UNUSUAL = re.compile(
    r"[\u0080-\u00a6\u00a8-\u00af\u00b4\u00b6-\u00b8\u00bb-\u00bf\u00d0\u00d7\u00dd\u00de"
    r"\u00f0\u00f7\u00fe\u0192\u2018-\u203a]"
)


@dataclass(frozen=True)
class Text:
    """Bytes of a file and their encoding.

    Parameters
    ----------
    path : pathlib.Path
        File.
    encoding : str
        As Python names it.
    sample : str
        Its first lines.
    """

    path: Path
    encoding: str
    sample: str

    def buffer(self) -> Path:
        """Return what pandas reads."""
        return self.path

    def whole(self) -> str:
        """Return the text."""
        return self.path.read_bytes().decode(self.encoding, errors="replace")

    def bytes(self) -> io.BytesIO:
        """Return the bytes."""
        return io.BytesIO(self.path.read_bytes())


def sample_lines(text: str) -> list[str]:
    """Return lines, ended as files end them; other separators of Unicode are part of a cell."""
    return re.split(r"\r\n|\n|\r", text, maxsplit=LINES)[:LINES]


def decoded(path: Path, encoding: str | None = None) -> Text:
    """Return the text of a file; its encoding is found out where it is not given.

    Raises
    ------
    SchemaError
        If the file is not text, or not in the encoding that is given.
    """
    raw = path.read_bytes()
    found = encoding or _encoding(raw, path)
    try:
        if encoding is not None:
            raw.decode(encoding)
    except (UnicodeDecodeError, UnicodeError) as error:
        at = getattr(error, "start", 0)
        raise SchemaError(
            f"A text must be in its encoding. Received byte {raw[at]:#x} in {path}, which {found} "
            "does not have there. Correct encoding=, or leave it out."
        ) from None
    sample = raw[:SAMPLED].decode(found, errors="ignore")
    if len(raw) > SAMPLED:
        sample = sample[: max(sample.rfind("\n"), 1)]
    return Text(path, found, sample)


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
        return _of_one_byte(raw)


def _of_one_byte(raw: bytes) -> str:
    """Return an encoding of one byte a character: cp1252 where its letters are usual ones."""
    strange = b"\n".join(line for line in raw.split(b"\n") if any(byte > 127 for byte in line))
    strange = strange[:20_000]
    try:
        if not _UNUSUAL.search(strange.decode("cp1252")):
            return "cp1252"
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes  # loaded only where it is needed

    best = from_bytes(strange, cp_isolation=_LIKELY).best()
    if best is not None and best.encoding not in ("utf_8", "ascii"):
        try:
            raw.decode(best.encoding)
            return best.encoding
        except UnicodeDecodeError:
            pass
    return "latin-1"
