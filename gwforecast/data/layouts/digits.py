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
        zero = np.zeros(1, np.int32)
        hour, minute, second = (p.get(name, zero) for name in "HMS")
        if not (
            p["m"].min() >= 1 and p["m"].max() <= 12 and p["d"].min() >= 1 and p["d"].max() <= 31
            and hour.max() <= 23 and minute.max() <= 59 and second.max() <= 59
        ):  # fmt: skip
            return None
        months = (p["Y"] - 1970) * 12 + (p["m"] - 1)
        low, high = int(months.min()), int(months.max())
        starts = np.arange(low, high + 1).astype("datetime64[M]").astype("datetime64[D]")
        days = starts.astype(np.int64)[months - low] + (p["d"] - 1)
        lengths = np.diff(np.append(starts, (starts[-1] + 31).astype("datetime64[M]")))
        if (p["d"] > lengths.astype(np.int64)[months - low]).any():
            return None
        clock = (hour * 60 + minute) * 60 + second
        return np.asarray(((days * 86_400 + clock) * 1_000_000).view("datetime64[us]"))


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
    grid = np.ascontiguousarray(letters.T)
    pattern = np.frombuffer(first.encode("ascii"), np.uint8)
    digits = (pattern >= 48) & (pattern <= 57)
    signs = found.start("z") if "z" in found.groupdict() and found["z"] else len(first)
    for k in range(len(first)):
        column = grid[k]
        if digits[k]:
            if column.min() < 48 or column.max() > 57:
                return None
        elif k == signs and first[k] in "+-":
            if not np.isin(column, (43, 45)).all():
                return None
        elif (column != pattern[k]).any():
            return None
    groups = found.groupdict()
    parts = {
        name: _number(grid, *found.span(name))
        for name in ("Y", "m", "d", "a", "b", "H", "M", "S")
        if groups.get(name)
    }
    fraction = groups.get("f")
    if fraction and (grid[found.start("f") + 1 : found.end("f")] != 48).any():
        return None
    zone = groups.get("z")
    offsets = None if not zone else _offsets(grid, found.start("z"), zone)
    return FixedWidth(parts, groups.get("sep") or "", bool(zone), offsets)


def _number(grid: np.ndarray, start: int, stop: int) -> np.ndarray:
    made: np.ndarray = grid[start].astype(np.int32) - 48
    for k in range(start + 1, stop):
        made = made * 10 + (grid[k].astype(np.int32) - 48)
    return made


def _offsets(grid: np.ndarray, start: int, zone: str) -> np.ndarray:
    if zone == "Z":
        return np.zeros(grid.shape[1], np.int64)
    end = start + len(zone)
    sign = np.where(grid[start] == 45, -1, 1)
    minutes = _number(grid, start + 1, start + 3) * 60 + _number(grid, end - 2, end)
    return np.asarray(sign * minutes)


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
    return np.asarray(grid[:, :width])
