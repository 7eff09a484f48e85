"""Sequential train, validation and test periods, one set of bounds for each well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = ["PERIODS", "Period", "Split", "split_by_date", "split_by_fraction"]

Period = Literal["train", "validation", "test"]
PERIODS: tuple[Period, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """First and last step of each period of each well, both included.

    Parameters
    ----------
    bounds : xarray.Dataset
        Variables ``train``, ``validation`` and ``test`` with dims (well, edge), ``datetime64``,
        where ``edge`` is ``["start", "end"]``. A period that does not exist is NaT.
    """

    bounds: xr.Dataset

    def start(self, period: Period) -> xr.DataArray:
        """Return the first step of a period, dims (well,)."""
        return self.bounds[period].sel(edge="start", drop=True)

    def end(self, period: Period) -> xr.DataArray:
        """Return the last step of a period, dims (well,)."""
        return self.bounds[period].sel(edge="end", drop=True)

    def rows(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return which rows lie in any of the periods, boolean, dims (well, time)."""
        time = observations[schema.TIME]
        wells = observations[schema.WELL].values
        inside = xr.zeros_like(observations[schema.LEVEL], dtype=bool).drop_attrs()
        for period in periods:
            start = self.start(period).sel({schema.WELL: wells})
            end = self.end(period).sel({schema.WELL: wells})
            inside = inside | ((time >= start) & (time <= end)).transpose(*inside.dims)
        return inside.rename("rows")

    def levels(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return the levels of the periods, NaN elsewhere, dims (well, time), m."""
        return observations[schema.LEVEL].where(self.rows(observations, *periods))


def split_by_fraction(
    observations: xr.Dataset,
    *,
    train: float = 0.6,
    validation: float = 0.2,
    gap: int = 0,
) -> Split:
    """Split each well's record in time by fractions of its observed levels.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    train, validation : float
        Share of the observed levels; the rest is the test period.
    gap : int
        Steps left out at the start of the validation and of the test period, so that they do not
        touch the period before.

    Returns
    -------
    Split
        The train period starts at the first step of the time axis, and each later period at the
        step after the last level of the period before (plus the gap). The test period ends at the
        last observed level.

    Raises
    ------
    ValueError
        If the fractions are not positive with a sum of at most 1, or the gap is negative.
    SchemaError
        If a well has too few levels for a level in each period.
    """
    if not (0 < train < 1 and 0 <= validation < 1 and train + validation <= 1 + 1e-12):
        raise ValueError(
            "Fractions of a split must be positive and sum to at most 1. Received "
            f"train={train}, validation={validation}. The usual choice is 0.6 and 0.2."
        )
    observed = observations[schema.LEVEL].notnull().values
    times = observations[schema.TIME].values
    cuts = []
    for row, well in zip(observed, observations[schema.WELL].values, strict=True):
        positions = np.flatnonzero(row)
        n_train = round(train * positions.size)
        n_validation = round((train + validation) * positions.size) - n_train
        n_test = positions.size - n_train - n_validation
        empty = [
            period
            for period, n, share in zip(
                PERIODS,
                (n_train, n_validation, n_test),
                (train, validation, 1 - train - validation),
                strict=True,
            )
            if n == 0 and share > 1e-12
        ]
        if empty:
            raise SchemaError(
                f"Each period of a split needs an observed level. Well {well!r} has "
                f"{positions.size} levels, which leaves none for {', '.join(empty)}. Use a longer "
                "record, or set the periods by date."
            )
        cuts.append(
            (
                times[positions[n_train - 1]],
                times[positions[n_train + n_validation - 1]],
                times[positions[-1]],
            )
        )
    train_end, validation_end, test_end = (np.array(c) for c in zip(*cuts, strict=True))
    return _bounds(observations, train_end, validation_end, test_end, gap)


def split_by_date(
    observations: xr.Dataset,
    *,
    validation_start: str | pd.Timestamp,
    test_start: str | pd.Timestamp,
    test_end: str | pd.Timestamp | None = None,
    gap: int = 0,
) -> Split:
    """Split all wells at the same dates.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    validation_start, test_start : str or pandas.Timestamp
        First step of the validation and of the test period (before the gap is taken off).
    test_end : str or pandas.Timestamp, optional
        Last step of the test period; by default the last observed level of each well.
    gap : int
        Steps left out at the start of the validation and of the test period.

    Raises
    ------
    SchemaError
        If the dates are not in order, or a well has no level in the train period.
    """
    first, second = pd.Timestamp(validation_start), pd.Timestamp(test_start)
    times = observations[schema.TIME].values
    ordered = pd.Timestamp(times[0]) < first <= second
    if test_end is not None:
        ordered = ordered and second <= pd.Timestamp(test_end)
    if not ordered:
        raise SchemaError(
            "The dates of a split must be in order: start of the data < validation_start <= "
            f"test_start <= test_end. Received {timeline.format_time(times[0])}, {first}, "
            f"{second}, {test_end}. Correct the dates."
        )
    wells = observations[schema.WELL].values
    observed = observations[schema.LEVEL].notnull().values
    without = wells[~observed[:, times < first.to_datetime64()].any(axis=1)]
    if without.size:
        raise SchemaError(
            f"Each well needs a level before validation_start, {first:%Y-%m-%d}. Well "
            f"{without[0]!r} has none. Choose a later date, or leave the well out."
        )
    last = [times[np.flatnonzero(row)[-1]] for row in observed]
    ends = last if test_end is None else [np.datetime64(pd.Timestamp(test_end), "us")] * wells.size
    before_first = times[times < first.to_datetime64()][-1]
    before_second = times[times < second.to_datetime64()][-1]
    shape = np.full(wells.size, before_first), np.full(wells.size, before_second)
    return _bounds(observations, *shape, np.array(ends, "datetime64[us]"), gap)


def _bounds(
    observations: xr.Dataset,
    train_end: np.ndarray,
    validation_end: np.ndarray,
    test_end: np.ndarray,
    gap: int,
) -> Split:
    if gap < 0:
        raise ValueError(f"The gap of a split must be at least 0 steps. Received {gap}.")
    times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
    frequency = timeline.infer_frequency(times)

    def period(ends_before: np.ndarray, ends: np.ndarray) -> np.ndarray:
        starts = np.array([timeline.add_steps(e, 1 + gap, frequency) for e in ends_before])
        edges = np.stack([starts, ends], axis=1).astype(schema.TIME_DTYPE)
        edges[starts > ends] = np.datetime64("NaT")
        return edges

    edges = {
        "train": np.stack([np.full(train_end.size, times[0]), train_end], axis=1),
        "validation": period(train_end, validation_end),
        "test": period(validation_end, test_end),
    }
    return Split(
        xr.Dataset(
            {name: ((schema.WELL, "edge"), value) for name, value in edges.items()},
            coords={
                schema.WELL: observations[schema.WELL].values,
                "edge": ["start", "end"],
            },
        )
    )
