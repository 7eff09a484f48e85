"""What was understood of the data: every decision of the readers, as a table that people read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.columns import Levels
from gwforecast.data.terms.headers import tokens
from gwforecast.data.terms.words import GROUND_WORDS
from gwforecast.schema import SchemaError

__all__ = [
    "ASSUMED", "ATTRIBUTE", "Understood", "assumptions", "describe", "ground_of", "understood",
]  # fmt: skip

ATTRIBUTE = "understood"
"""Attribute of a Dataset that holds what was understood, as JSON."""
FAR_BELOW = 20.0
"""Depth of a water table below the ground, m, from which a small level may be a depth."""
ASSUMED = "assumed"
"""Attribute of the level with what the data do not say: ``units``, ``height``."""

MOSTLY, YEAR_OF_WEEKS = 0.99, 52


@dataclass
class Understood:
    """What was understood, line by line."""

    # what it is about, and what was understood
    lines: list[tuple[str, str]] = field(default_factory=list)

    def say(self, about: str, text: str) -> None:
        """Add a line, once."""
        if text and (about, text) not in self.lines:
            self.lines.append((about, text))

    def take(self, notes: Iterable[str]) -> None:
        """Add notes of the form ``about: text``."""
        for note in notes:
            about, _, text = note.partition(": ")
            self.say(about, text)

    def to_json(self) -> str:
        """Return the lines as JSON, which every file format can hold."""
        return json.dumps(self.lines, ensure_ascii=False)


def understood(observations: xr.Dataset) -> pd.DataFrame:
    """Return what was understood when observations were read.

    Parameters
    ----------
    observations : xarray.Dataset
        As ``gwforecast.read_observations`` returns them.

    Returns
    -------
    pandas.DataFrame
        Columns ``about`` (levels, wells, unit, time, covariate, left out, ...) and ``what``; empty
        where the observations were not read by this package.

    Examples
    --------
    >>> days = pd.date_range("2020-01-01", periods=3)
    >>> from gwforecast.data.assemble import observations_from_frames
    >>> made = observations_from_frames(pd.Series([1.0, 2.0, 3.0], days, name="w1"))
    >>> understood(made).set_index("about").loc["wells", "what"]
    '1: w1'
    """
    stored = observations.attrs.get(ATTRIBUTE)
    lines = json.loads(stored) if isinstance(stored, str) else []
    return pd.DataFrame([tuple(line) for line in lines], columns=["about", "what"])


def describe(observations: xr.Dataset, said: Understood) -> None:
    """Add what the finished observations hold: wells, axis, period, first and last values."""
    level = observations[schema.LEVEL]
    wells = [str(name) for name in level[schema.WELL].values]
    shown = ", ".join(wells[:6]) + (", ..." if len(wells) > 6 else "")
    said.say("wells", f"{len(wells)}: {shown}")
    times = observations[schema.TIME].values
    frequency = timeline.infer_frequency(times)
    said.say(
        "axis",
        f"{_step(frequency)}, {timeline.format_time(times[0])} to "
        f"{timeline.format_time(times[-1])}, {times.size} steps",
    )
    if frequency == "D" and (weekday := _weekly(level)):
        said.say("axis", f"levels are weekly: --step W-{weekday} (step=) is several times faster")
    for k, well in enumerate(wells[:12]):
        values = level.values[k]
        known = np.flatnonzero(np.isfinite(values))
        if known.size:
            first, last = known[0], known[-1]
            said.say(
                f"level {well}",
                f"{known.size} values, {values[first]:.3f} m on "
                f"{timeline.format_time(times[first])} to {values[last]:.3f} m on "
                f"{timeline.format_time(times[last])}",
            )
    for name in schema.covariate_names(observations):
        attrs = observations[name].attrs
        count = int(np.isfinite(observations[name].values).any(axis=0).sum())
        said.say(
            f"covariate {name}",
            f"{attrs.get('kind', 'other')}, {attrs.get('units', 'unit not stated')}, {count} steps",
        )


def _weekly(level: xr.DataArray) -> str:
    """Return the weekday of levels that are weekly at all wells, e.g. ``"MON"``; else ``""``."""
    steps, known = np.nonzero(level.notnull().transpose(schema.TIME, schema.WELL).values)
    weekdays = pd.DatetimeIndex(level[schema.TIME].values[steps]).day_of_week.to_numpy()
    counts = np.bincount(weekdays, minlength=7)
    often = np.bincount(known, minlength=level.sizes[schema.WELL]).max(initial=0)
    if often < YEAR_OF_WEEKS or counts.max() < MOSTLY * counts.sum():
        return ""
    return ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")[int(counts.argmax())]


def _step(frequency: str) -> str:
    base = frequency.split("-")[0]
    names = {"D": "daily", "MS": "monthly (first days)", "ME": "monthly (last days)",
             "QS": "quarterly (first days)", "QE": "quarterly (last days)"}  # fmt: skip
    return names.get(base, f"weekly ({frequency})")


def assumptions(
    values: xr.DataArray,
    found: Levels,
    columns: str,
    *,
    stated: bool,
    units: str | None,
    grounds: list[float | None],
) -> list[str]:
    """Return what the data do not say of the levels; refuse what may be a depth as well.

    Values (well, time) are as read, in m; ``stated`` says that a datum or a reference level is
    known; heights of the ground or of measuring points stand beside them, m. Raises SchemaError if
    the name is written over depths too, or the values lie far below the ground.
    """
    assumed = [] if units or found.units else ["units"]
    if stated or found.is_depth or found.above or found.relative or found.stated_above:
        return assumed
    fix = (
        "If it is a depth, give the height it is measured from with reference_level= "
        "(--reference-level), in m above the datum, or 0 for levels relative to the measuring "
        "point; if it is a height, name its datum with datum= (--datum), e.g. 'local'."
    )
    if found.named == "either":
        raise SchemaError(
            "A level must be known to be a height or a depth. Received the column "
            f"{columns}, a name that is used for both. {fix}"
        )
    known = values.values[np.isfinite(values.values)]
    ground = min((height for height in grounds if height is not None), default=None)
    if ground is not None and known.size and known.min() >= 0:
        highest = float(known.max())
        if highest < min(ground / 2, ground - FAR_BELOW):
            raise SchemaError(
                "A level must be known to be a height or a depth. Received the column "
                f"{columns} with {known.min():g} to {known.max():g} m, where the ground or "
                f"the measuring point is at {ground:g} m. {fix}"
            )
    small = known.size and known.min() >= 0 and known.max() < FAR_BELOW
    sure = found.named == "height" or (found.named == "plain" and not small)
    return [*assumed, *([] if sure else ["height"])]


def ground_of(attributes: pd.DataFrame | None) -> float | None:
    """Return the least height of the ground or the measuring point among static attributes, m."""
    if not isinstance(attributes, pd.DataFrame):
        return None
    columns = [
        attributes[name].dropna() for name in attributes.columns
        if GROUND_WORDS & set(tokens(str(name))) and pd.api.types.is_numeric_dtype(attributes[name])
    ]  # fmt: skip
    return min((float(column.min()) for column in columns if len(column)), default=None)
