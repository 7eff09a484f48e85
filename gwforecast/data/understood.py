"""What was understood of the data: every decision of the readers, as a table that people read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline

__all__ = ["ATTRIBUTE", "Understood", "describe", "understood"]


ATTRIBUTE = "understood"
"""Attribute of a Dataset that holds what was understood, as JSON."""


@dataclass
class Understood:
    """What was understood, line by line.

    Parameters
    ----------
    lines : list of tuple of str and str
        What it is about, and what was understood.
    """

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


def _step(frequency: str) -> str:
    base = frequency.split("-")[0]
    names = {"D": "daily", "MS": "monthly (first days)", "ME": "monthly (last days)",
             "QS": "quarterly (first days)", "QE": "quarterly (last days)"}  # fmt: skip
    return names.get(base, f"weekly ({frequency})")
