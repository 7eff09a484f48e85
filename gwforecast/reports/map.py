"""Map of the wells as an inline SVG: marks, coordinates at the frame, a scale bar, and north."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.reports.entries import Entry

__all__ = ["WellMap", "map_of", "nice"]


WIDTH, LOWEST, HIGHEST = 400.0, 220.0, 440.0
LEFT, BOTTOM, TOP, RIGHT = 8.0, 22.0, 8.0, 8.0
MARGIN = 26.0  # from the frame to the outermost wells
NAMED = 25  # greatest number of wells whose names are shown
LETTER, LINE = 5.9, 11.0  # width and height of a letter of a name
EARTH = 111.32  # km in a degree of latitude


@dataclass(frozen=True)
class WellMap:
    """A map as numbers and texts that the template draws."""

    width: float
    height: float
    frame: dict[str, float]
    marks: list[dict[str, object]]
    labels: list[dict[str, object]]
    ticks: list[dict[str, object]]
    scale: dict[str, object] | None
    caption: str


def map_of(entries: Sequence[Entry], observations: xr.Dataset | None) -> WellMap | None:
    """Return the map of the wells; None if no coordinates are known.

    They are attributes of the observed wells: degrees, or x and y in metres.
    """
    names = None if observations is None else schema.coordinate_names(observations)
    if observations is None or names is None:
        return None
    there = set(observations[schema.WELL].values.tolist())
    placed = [entry for entry in entries if entry.name in there]
    wells = {schema.WELL: [entry.name for entry in placed]}
    x, y = (observations[name].sel(wells).values.astype(float) for name in names)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    placed = [entry for entry, there_is in zip(placed, known, strict=True) if there_is]
    plane = _Plane(x[known], y[known], degrees=names[1].startswith("lat"))
    caption = "Wells at their coordinates; north is up."
    if len(placed) < len(entries):
        caption += f" {len(entries) - len(placed)} wells have no coordinates."
    points = plane.at(x[known], y[known])
    return WellMap(
        width=WIDTH,
        height=round(plane.height, 1),
        frame={
            "x": LEFT, "y": TOP, "width": WIDTH - LEFT - RIGHT,
            "height": round(plane.height - TOP - BOTTOM, 1),
        },
        marks=[_mark(entry, point) for entry, point in zip(placed, points, strict=True)],
        labels=_labels(placed, points, plane) if len(placed) <= NAMED else [],
        ticks=plane.ticks(),
        scale=plane.scale(),
        caption=caption,
    )  # fmt: skip


def _mark(entry: Entry, point: np.ndarray) -> dict[str, object]:
    return {
        "x": round(float(point[0]), 1), "y": round(float(point[1]), 1), "name": entry.name,
        "kind": entry.kind, "css": entry.css, "crossing": entry.crossing,
        "title": f"{entry.name}: {entry.words}, {entry.class_forecast}",
        "href": entry.link or (f"#{entry.anchor}" if entry.anchor else ""),
    }  # fmt: skip


class _Plane:
    """From coordinates to the page, with equal lengths in both directions."""

    def __init__(self, x: np.ndarray, y: np.ndarray, *, degrees: bool) -> None:
        self.degrees = degrees
        self.squeeze = float(np.cos(np.deg2rad(np.mean(y)))) if degrees else 1.0
        self.squeeze = max(self.squeeze, 0.01)
        spans = np.ptp(x) * self.squeeze, np.ptp(y)
        across = WIDTH - LEFT - RIGHT - 2 * MARGIN
        down = HIGHEST - TOP - BOTTOM - 2 * MARGIN
        self.unit = float(max(spans[0] / across, spans[1] / down)) or 0.01 / across
        height = spans[1] / self.unit + TOP + BOTTOM + 2 * MARGIN
        self.height = float(np.clip(height, LOWEST, HIGHEST))
        self.middle = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the places on the page, shape (point, 2)."""
        right = (LEFT + WIDTH - RIGHT) / 2 + (x - self.middle[0]) * self.squeeze / self.unit
        down = (TOP + self.height - BOTTOM) / 2 - (y - self.middle[1]) / self.unit
        return np.stack([right, down], axis=-1)

    def ticks(self) -> list[dict[str, object]]:
        """Return coordinates at the lower and left edge of the frame."""
        ticks: list[dict[str, object]] = []
        across = (WIDTH - LEFT - RIGHT) * self.unit / self.squeeze
        down = (self.height - TOP - BOTTOM) * self.unit
        for side, middle, span in (("x", self.middle[0], across), ("y", self.middle[1], down)):
            step = nice(span / 3)
            first = np.ceil((middle - span / 2) / step) * step
            for value in np.arange(first, middle + span / 2, step):
                point = (value, self.middle[1]) if side == "x" else (self.middle[0], value)
                place = self.at(*map(np.atleast_1d, point))[0]
                at = round(float(place[0 if side == "x" else 1]), 1)
                low, high = (LEFT + 24, WIDTH - RIGHT - 24) if side == "x" else (
                    TOP + 10, self.height - BOTTOM - 6
                )  # fmt: skip
                if low <= at <= high:
                    text = _coordinate(float(value), step, side, degrees=self.degrees)
                    ticks.append({"side": side, "at": at, "text": text})
        return ticks

    def scale(self) -> dict[str, object]:
        """Return the length of the scale bar on the page, and its text."""
        metres = self.unit * (1000 * EARTH if self.degrees else 1.0)
        length = nice(0.3 * (WIDTH - LEFT - RIGHT) * metres, most=True)
        text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
        return {"length": round(length / metres, 1), "text": text}


def nice(value: float, *, most: bool = False) -> float:
    """Return 1, 2 or 5 times a power of ten that is near a value, or the greatest below it.

    Examples
    --------
    >>> nice(0.37), nice(270), nice(0.9), nice(0.9, most=True)
    (0.5, 200.0, 1.0, 0.5)
    """
    power = 10.0 ** np.floor(np.log10(value))
    steps = np.array([1.0, 2.0, 5.0, 10.0]) * power
    if most:
        return float(steps[steps <= value * (1 + 1e-9)].max())
    return float(steps[np.argmin(np.abs(np.log(steps / value)))])


def _coordinate(value: float, step: float, side: str, *, degrees: bool) -> str:
    digits = max(0, int(-np.floor(np.log10(step))))
    if not degrees:
        return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if abs(value) < step / 2:
        return "0°"
    letter = ("E" if value > 0 else "W") if side == "x" else ("N" if value > 0 else "S")
    return f"{abs(value):.{digits}f}° {letter}"


def _labels(entries: Sequence[Entry], points: np.ndarray, plane: _Plane) -> list[dict[str, object]]:
    """Return the names that fit beside their mark without covering another one."""
    height, radii = plane.height, [12.5 if entry.crossing else 7.0 for entry in entries]
    taken = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(points, radii, strict=True)]
    taken += [
        (WIDTH - 44, TOP, WIDTH, TOP + 44),  # north
        (0.6 * WIDTH, height - BOTTOM - 26, WIDTH, height),  # scale
    ]
    for tick in plane.ticks():
        if tick["side"] == "y":
            at, wide = float(str(tick["at"])), LETTER * len(str(tick["text"]))
            taken.append((0.0, at - 6, LEFT + 8 + wide, at + 6))
    labels: list[dict[str, object]] = []
    for entry, (x, y), r in zip(entries, points, radii, strict=True):
        text = entry.name if len(entry.name) <= 20 else entry.name[:19] + "\N{HORIZONTAL ELLIPSIS}"
        wide = LETTER * len(text)
        for left, base in (
            (x + r + 2, y + 3), (x - r - 2 - wide, y + 3),
            (x - wide / 2, y - r - 3), (x - wide / 2, y + r + 10),
        ):  # fmt: skip
            box = (left, base - 9, left + wide, base + LINE - 9)
            inside = box[0] > LEFT and box[2] < WIDTH - RIGHT and box[1] > TOP
            if inside and box[3] < height - BOTTOM and not _covers(box, taken):
                taken.append(box)
                labels.append(
                    {"x": round(float(left), 1), "y": round(float(base), 1), "text": text}
                )
                break
    return labels


def _covers(box: tuple[float, ...], taken: Iterable[tuple[float, ...]]) -> bool:
    return any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
    )
