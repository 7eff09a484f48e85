"""Times of one fixed width as numbers, straight from their digits: fast, and only where certain."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["FixedWidth", "read_fixed_width"]


_CLOCK = r"(?:[T ](?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?P<f>[.,]0+)?)?)?(?P<z>Z|[+-]\d\d:?\d\d)?"
_ISO = re.compile(r"^(?P<Y>\d{4})(?P<sep>[-/.])(?P<m>\d\d)(?P=sep)(?P<d>\d\d)" + _CLOCK + "$")
_TWO = re.compile(r"^(?P<a>\d\d)(?P<sep>[-/.])(?P<b>\d\d)(?P=sep)(?P<Y>\d{4})" + _CLOCK + "$")
_PLAIN = re.compile(r"^(?P<Y>\d{4})(?P<m>\d\d)(?P<d>\d\d)$")
_NONE = 255


def _table_of_pairs() -> np.ndarray:
    """Return the number of each pair of bytes that are digits, 255 for the others."""
    table = np.full(65536, _NONE, np.uint8)
    for value in range(100):
        table[np.frombuffer(f"{value:02d}".encode(), "<u2")[0]] = value
    return table


_PAIRS = _table_of_pairs()


@dataclass(frozen=True)
class FixedWidth:
    """Digits of times that are all written alike.

    Parameters
    ----------
    parts : dict of str to numpy.ndarray
        Y, H, M, S and either m and d, or a and b, whose order is to be found; shape (time,).
    separator : str
        Between the parts of the date.
    zoned : bool
        Whether there are time zones.
    offsets : numpy.ndarray, optional
        Minutes from UTC, shape (time,).
    """

    parts: dict[str, np.ndarray]
    separator: str
    zoned: bool
    offsets: np.ndarray | None

    def times(self, *, day_first: bool = True) -> np.ndarray | None:
        """Return ``datetime64[us]``, shape (time,); None where a part is out of its range."""
        p = dict(self.parts)
        if "a" in p:
            p["d"], p["m"] = (p["a"], p["b"]) if day_first else (p["b"], p["a"])
        zero = np.zeros(1, np.uint8)
        hour, minute, second = (p.get(name, zero) for name in "HMS")
        if not (
            p["m"].min() >= 1 and p["m"].max() <= 12 and p["d"].min() >= 1 and p["d"].max() <= 31
            and hour.max() <= 23 and minute.max() <= 59 and second.max() <= 59
        ):  # fmt: skip
            return None
        year = p["Y"]
        low, high = int(year.min()), int(year.max())
        if high - low > 1000:
            return None
        months = np.arange(f"{low:04d}-01", f"{high + 1:04d}-02", dtype="datetime64[M]")
        starts = months.astype("datetime64[D]").astype(np.int64)
        place: np.ndarray = (year - np.int16(low)) * np.int16(12) + (p["m"] - np.uint8(1))
        if (p["d"] > np.diff(starts).astype(np.uint8).take(place)).any():
            return None
        made = ((starts - 1) * 86_400).take(place)
        made += p["d"] * np.int32(86_400) + (hour * np.int16(60) + minute) * np.int32(60) + second
        made *= 1_000_000
        return made.view("datetime64[us]")


def read_fixed_width(text: pd.Series) -> FixedWidth | None:
    """Return the digits of times that all have the form of the first; None where they have not.

    Examples
    --------
    >>> made = read_fixed_width(pd.Series(["31.01.2020", "01.02.2020"], dtype="str"))
    >>> made.times(day_first=True).astype("datetime64[D]").tolist()
    [datetime.date(2020, 1, 31), datetime.date(2020, 2, 1)]
    """
    first = str(text.iloc[0]) if len(text) else ""
    found = _ISO.match(first) or _TWO.match(first) or _PLAIN.match(first)
    if found is None:
        return None
    letters = _bytes(text, len(first))
    if letters is None:
        return None
    groups = {name: found.span(name) for name, value in found.groupdict().items() if value}
    zone, fraction = found.groupdict().get("z"), found.groupdict().get("f")
    signs = groups["z"][0] if zone and zone != "Z" else -1
    for k, letter in enumerate(first):
        column = letters[:, k]
        if k == signs:
            if not ((column == 43) | (column == 45)).all():
                return None
        elif not letter.isdigit() and (column != ord(letter)).any():
            return None
    parts: dict[str, np.ndarray] = {}
    for name, (start, stop) in groups.items():
        if name in ("sep", "z", "f"):
            continue
        numbers = [_pair(letters, k) for k in range(start, stop, 2)]
        if any(pair.max() == _NONE for pair in numbers):
            return None
        parts[name] = numbers[0] if len(numbers) == 1 else np.int16(100) * numbers[0] + numbers[1]
    if fraction and (letters[:, groups["f"][0] + 1 : groups["f"][1]] != 48).any():
        return None
    offsets = _offsets(letters, groups["z"][0], zone) if zone else None
    if zone and offsets is None:
        return None
    return FixedWidth(parts, found.groupdict().get("sep") or "", bool(zone), offsets)


def _pair(letters: np.ndarray, start: int) -> np.ndarray:
    """Return two digits of each row as a number, shape (row,)."""
    rows, width = letters.shape
    pairs = np.ndarray((rows,), "<u2", buffer=letters, offset=start, strides=(width,))
    return np.asarray(_PAIRS.take(pairs))


def _offsets(letters: np.ndarray, start: int, zone: str) -> np.ndarray | None:
    if zone == "Z":
        return np.zeros(len(letters), np.int64)
    hours, minutes = _pair(letters, start + 1), _pair(letters, start + len(zone) - 2)
    if max(hours.max(), minutes.max()) == _NONE:
        return None
    sign = np.where(letters[:, start] == 45, -1, 1)
    return np.asarray(sign * (hours.astype(np.int64) * 60 + minutes))


def _bytes(text: pd.Series, width: int) -> np.ndarray | None:
    """Return the letters of text of one width, shape (row, width); None where widths differ."""
    chunked = getattr(text.array, "_pa_array", None)
    if chunked is None or chunked.null_count:
        return _copied(text, width)
    rows = chunked.combine_chunks()
    if hasattr(rows, "chunks"):
        rows = rows.chunk(0) if rows.num_chunks == 1 else rows
    buffers = rows.buffers()
    kind = np.int64 if "large" in str(rows.type) else np.int32
    offsets = np.frombuffer(buffers[1], kind)[rows.offset : rows.offset + len(rows) + 1]
    if (np.diff(offsets) != width).any():
        return None
    data = np.frombuffer(buffers[2], np.uint8)[offsets[0] : offsets[-1]]
    return np.asarray(data.reshape(len(rows), width))


def _copied(text: pd.Series, width: int) -> np.ndarray | None:
    try:
        made = text.to_numpy(object).astype(f"S{width + 1}")
    except (UnicodeEncodeError, ValueError, TypeError):
        return None
    grid = made.view(np.uint8).reshape(len(made), width + 1)
    if grid[:, width].any() or (grid[:, :width] == 0).any():
        return None
    return np.ascontiguousarray(grid[:, :width])
