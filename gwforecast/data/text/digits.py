"""Times of one fixed width as numbers, straight from their digits: fast, and only where certain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["FixedWidth", "read_fixed_width"]

_CLOCK = r"(?:[T ](?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?P<f>[.,]0+)?)?)?(?P<z>Z|[+-]\d\d:?\d\d)?"
_ISO = re.compile(r"^(?P<Y>\d{4})(?P<sep>[-/.])(?P<m>\d\d)(?P=sep)(?P<d>\d\d)" + _CLOCK + "$")
_TWO = re.compile(r"^(?P<a>\d\d)(?P<sep>[-/.])(?P<b>\d\d)(?P=sep)(?P<Y>\d{4})" + _CLOCK + "$")
_PLAIN = re.compile(r"^(?P<Y>\d{4})(?P<m>\d\d)(?P<d>\d\d)$")
_NONE = 255
_MOST = {"m": 12, "d": 31, "a": 31, "b": 31, "H": 23, "M": 59, "S": 59}
_DATE = 10  # letters of a date before a clock


def _table_of_pairs() -> np.ndarray:
    """Return the number of each pair of bytes that are digits, 255 for the others."""
    table = np.full(65536, _NONE, np.uint8)
    for value in range(100):
        table[np.frombuffer(f"{value:02d}".encode(), "<u2")[0]] = value
    return table


_PAIRS = _table_of_pairs()


@dataclass(frozen=True)
class FixedWidth:
    """Digits of times that are all written alike."""

    # Y, and either m and d, or a and b, whose order is to be found; shape (run,), a run being rows
    # of the same date
    date: dict[str, np.ndarray]
    rows: np.ndarray  # number of rows of each run, shape (run,)
    clock: np.ndarray | None  # seconds since midnight, shape (time,)
    separator: str  # between the parts of the date
    # minutes from UTC, shape (time,); None where there are no time zones
    offsets: np.ndarray | None

    def times(self, *, day_first: bool = True) -> np.ndarray | None:
        """Return ``datetime64[us]``, shape (time,); None where there is no such day."""
        date = dict(self.date)
        if "a" in date:
            first, second = ("d", "m") if day_first else ("m", "d")
            date[first], date[second] = date["a"], date["b"]
        year, month, day = date["Y"], date["m"], date["d"]
        low, high = int(year.min()), int(year.max())
        if min(month.min(), day.min()) < 1 or month.max() > 12 or high - low > 1000:
            return None
        months = np.arange(f"{low:04d}-01", f"{high + 1:04d}-02", dtype="datetime64[M]")
        starts = months.astype("datetime64[D]").astype(np.int64)
        place: np.ndarray = (year - np.int16(low)) * np.int16(12) + (month - np.uint8(1))
        if (day > np.diff(starts).take(place)).any():
            return None
        made = np.repeat((starts.take(place) + day - 1) * 86_400, self.rows)
        if self.clock is not None:
            made += self.clock
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
    parts = []
    for letters in _bytes(text, len(first)):
        part = _part(letters, first, found) if letters is not None else None
        if part is None:
            return None
        parts.append(part)
    dates, rows, clocks, offsets = zip(*parts, strict=True)
    return FixedWidth(
        {name: np.concatenate([date[name] for date in dates]) for name in dates[0]},
        np.concatenate(rows),
        None if clocks[0] is None else np.concatenate(clocks),
        found.groupdict().get("sep") or "",
        None if offsets[0] is None else np.concatenate(offsets),
    )


_Part = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None, np.ndarray | None]


def _part(letters: np.ndarray, first: str, found: re.Match[str]) -> _Part | None:
    """Return dates and rows of their runs, clocks and offsets of some rows; None as above."""
    groups = {name: found.span(name) for name, value in found.groupdict().items() if value}
    zone = found.groupdict().get("z")
    signs = groups["z"][0] if zone and zone != "Z" else -1
    dates, rows = _runs(letters, clocked="H" in groups)
    period = _period(letters, rows) if "H" in groups else len(letters)
    for k, letter in enumerate(first):
        column = dates[:, k] if k < _DATE else letters[: period if k > _DATE else None, k]
        if k == signs:
            if not ((column == 43) | (column == 45)).all():
                return None
        elif not letter.isdigit() and (column != ord(letter)).any():
            return None
    date = {n: _number(dates, *groups[n]) for n in "Ymdab" if n in groups}
    if any(part.max() > _MOST.get(name, 9999) for name, part in date.items()):
        return None
    if "f" in groups and (letters[:period, groups["f"][0] + 1 : groups["f"][1]] != 48).any():
        return None
    clock = None
    for name, seconds in (("H", 3600), ("M", 60), ("S", 1)):
        if name in groups:
            part = _number(letters[:period], *groups[name])
            if part.max() > _MOST[name]:
                return None
            made = part * np.int32(seconds)
            clock = made if clock is None else clock + made
    clock = None if clock is None else np.resize(clock, len(letters))
    offsets = _offsets(letters[:period], groups["z"][0], zone) if zone else None
    offsets = None if offsets is None else np.resize(offsets, len(letters))
    return None if zone and offsets is None else (date, rows, clock, offsets)


def _runs(letters: np.ndarray, *, clocked: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each run of rows with the same date, and the rows of each run.

    Readings of a logger have many rows a day: their date is read once.
    """
    rows, width = letters.shape
    if not clocked:
        return letters, np.ones(rows, np.int64)
    left, right = (
        np.ndarray((rows,), kind, buffer=letters, offset=offset, strides=(width,))
        for kind, offset in (("<u8", 0), ("<u2", 8))
    )
    new = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    starts = np.append(0, np.flatnonzero(new) + 1)
    return letters[starts], np.diff(np.append(starts, rows))


def _period(letters: np.ndarray, rows: np.ndarray) -> int:
    """Return after how many rows the clocks repeat, as a logger's do every day; else all rows."""
    height, width = len(letters), letters.shape[1]
    period = int(rows[1]) if len(rows) > 2 else height
    if not period < height:
        return height
    for start in {*range(_DATE + 1, width - 8, 8), width - 8}:  # words of eight letters
        word = np.ndarray((height,), "<u8", buffer=letters, offset=start, strides=(width,))
        word = word >> np.uint64(16) if start < _DATE else word  # without those of the date
        if (word[period:] != word[:-period]).any():
            return height
    return period


def _number(letters: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the two or four digits of each row as a number, above 9999 where they are none."""
    pairs = [_pair(letters, k) for k in range(start, stop, 2)]
    if len(pairs) == 1:
        return pairs[0]
    return np.asarray(
        np.int16(100) * pairs[0] + np.where(pairs[1] == _NONE, np.int16(20_000), pairs[1])
    )


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


def _bytes(text: pd.Series, width: int) -> Iterator[np.ndarray | None]:
    """Yield the letters of text of one width, shape (row, width); None where widths differ.

    The rows come in parts that fit the cache of a processor.
    """
    chunked = getattr(text.array, "_pa_array", None)
    if chunked is None or chunked.null_count:
        yield _copied(text, width)
        return
    kind = np.int64 if "large" in str(chunked.type) else np.int32
    for rows in chunked.chunks if hasattr(chunked, "chunks") else [chunked]:
        if not len(rows):
            continue
        buffers = rows.buffers()
        offsets = np.frombuffer(buffers[1], kind)[rows.offset : rows.offset + len(rows) + 1]
        if (np.diff(offsets) != width).any():
            yield None
            return
        data = np.frombuffer(buffers[2], np.uint8)[offsets[0] : offsets[-1]]
        yield np.asarray(data.reshape(len(rows), width))


def _copied(text: pd.Series, width: int) -> np.ndarray | None:
    try:
        made = text.to_numpy(object).astype(f"S{width + 1}")
    except (UnicodeEncodeError, ValueError, TypeError):
        return None
    grid = made.view(np.uint8).reshape(len(made), width + 1)
    if grid[:, width].any() or (grid[:, :width] == 0).any():
        return None
    return np.ascontiguousarray(grid[:, :width])
