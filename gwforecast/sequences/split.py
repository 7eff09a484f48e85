"""Train, validation and test periods of each well, and folds of the train period.

Random splits are for regressions on tables whose rows are independent of each other.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.display import Displayed
from gwforecast.schema import SchemaError

__all__ = [
    "FOLDS", "PERIODS", "Period", "RandomSplit", "Split", "random_split", "require_sequential",
    "split_by_date", "split_by_fraction", "through_periods", "train_folds",
]  # fmt: skip


Period = Literal["train", "validation", "test"]
PERIODS: tuple[Period, ...] = ("train", "validation", "test")


SHOWN = 8  # wells of a printed split


@dataclass(frozen=True, eq=False, repr=False)
class Split(Displayed):
    """First and last step, both inclusive, of each period of each well.

    Parameters
    ----------
    bounds : xarray.Dataset
        Variables ``train``, ``validation`` and ``test`` with dims (well, edge), ``datetime64``,
        where ``edge`` is ``["start", "end"]``. A period that does not exist is NaT.

    Raises
    ------
    SchemaError
        If the variables or dimensions differ, a well has no train period, or its periods overlap
        or are not in order.
    """

    bounds: xr.Dataset

    def __post_init__(self) -> None:
        _check_bounds(self.bounds)

    def title(self) -> str:
        """Return the number of wells, and how many of them are shown."""
        wells = self.bounds.sizes[schema.WELL]
        shown = f", the first {SHOWN}" if wells > SHOWN else ""
        return f"Periods of {wells} well{'s' * (wells > 1)}{shown}"

    def summary(self) -> pd.DataFrame:
        """Return first and last step of each period in words, a row for each well."""
        table = self.to_frame().head(SHOWN * len(PERIODS))
        edges = zip(table["start"], table["end"], strict=True)
        spans = ["-" if pd.isna(a) else f"{a:%Y-%m-%d} to {b:%Y-%m-%d}" for a, b in edges]
        wells = pd.Index(table[schema.WELL].unique(), name=schema.WELL)
        return pd.DataFrame(np.reshape(spans, (-1, len(PERIODS))), wells, list(PERIODS))

    def start(self, period: Period) -> xr.DataArray:
        """Return the first step of a period.

        Parameters
        ----------
        period : {"train", "validation", "test"}
            The period.

        Returns
        -------
        xarray.DataArray
            Dimensions (well,), ``datetime64``; NaT where a well has no such period.
        """
        return self.bounds[period].sel(edge="start", drop=True)

    def end(self, period: Period) -> xr.DataArray:
        """Return the last step of a period, which belongs to it.

        Parameters
        ----------
        period : {"train", "validation", "test"}
            The period.

        Returns
        -------
        xarray.DataArray
            Dimensions (well,), ``datetime64``; NaT where a well has no such period.
        """
        return self.bounds[period].sel(edge="end", drop=True)

    def end_through(self, period: Period) -> xr.DataArray:
        """Return the last step of the periods up to and including one.

        Parameters
        ----------
        period : {"train", "validation", "test"}
            The last of the periods.

        Returns
        -------
        xarray.DataArray
            Dimensions (well,), ``datetime64``. If a period does not exist, this is the end of the
            previous one.
        """
        end = self.end("train")
        for later in PERIODS[1 : PERIODS.index(period) + 1]:
            following = self.end(later)
            end = following.where(following.notnull(), end)
        return end.rename("end")

    def rows(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return which rows lie in any of the periods.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), wells of the split.
        *periods : {"train", "validation", "test"}
            The periods.

        Returns
        -------
        xarray.DataArray
            Boolean, dims of the level, (well, time).

        Raises
        ------
        SchemaError
            If a well of the observations is not in the split.
        """
        level = observations[schema.LEVEL]
        times, wells = observations[schema.TIME].values, observations[schema.WELL].values
        self._check_has(wells)
        at = self.bounds.get_index(schema.WELL).get_indexer(pd.Index(wells))
        inside = np.zeros((wells.size, times.size), bool)
        for period in periods:
            start, end = (edge(period).values[at, None] for edge in (self.start, self.end))
            inside |= (times >= start) & (times <= end)
        inside = inside if level.dims[0] == schema.WELL else inside.T
        return xr.DataArray(inside, level.coords, level.dims, "rows")

    def levels(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return the levels of the periods.

        Parameters
        ----------
        observations, *periods
            As for :meth:`rows`.

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time), m; NaN elsewhere.
        """
        return observations[schema.LEVEL].where(self.rows(observations, *periods))

    def to_frame(self, observations: xr.Dataset | None = None) -> pd.DataFrame:
        """Return the periods as a table: well, period, start, end and the number of levels.

        Parameters
        ----------
        observations : xarray.Dataset, optional
            Dimensions (well, time). Without them the column ``levels`` is omitted.

        Returns
        -------
        pandas.DataFrame
            One row for each well and period, in the order of the wells; NaT for a period that does
            not exist.
        """
        wells = self.bounds[schema.WELL].values
        if observations is not None:
            wells = observations[schema.WELL].values
            self._check_has(wells)
        table = {
            schema.WELL: np.repeat(wells, len(PERIODS)),
            "period": np.tile(np.array(PERIODS, dtype=object), wells.size),
        }
        for edge in ("start", "end"):
            chosen = [self.bounds[p].sel({schema.WELL: wells, "edge": edge}) for p in PERIODS]
            table[edge] = np.stack([c.values for c in chosen], axis=1).ravel()
        if observations is not None:
            counts = [self.levels(observations, p).notnull().sum(schema.TIME) for p in PERIODS]
            table["levels"] = np.stack([c.values for c in counts], axis=1).ravel()
        return pd.DataFrame(table)

    @classmethod
    def from_frame(cls, table: pd.DataFrame) -> Split:
        """Return the split given by a table.

        Parameters
        ----------
        table : pandas.DataFrame
            Columns well, period, start and end, as of :meth:`to_frame`.

        Returns
        -------
        Split
            Wells in the order of the table; a SchemaError is raised as by :class:`Split`.
        """
        wells = list(dict.fromkeys(table[schema.WELL].tolist()))
        coords = {schema.WELL: np.array(wells, dtype=object), "edge": ["start", "end"]}
        bounds = {}
        for period in PERIODS:
            rows = table[table["period"] == period].set_index(schema.WELL).reindex(wells)
            edges = [
                pd.to_datetime(rows[edge]).to_numpy(schema.TIME_DTYPE) for edge in ("start", "end")
            ]
            bounds[period] = ((schema.WELL, "edge"), np.stack(edges, axis=1))
        return cls(xr.Dataset(bounds, coords))

    def _check_has(self, wells: np.ndarray) -> None:
        missing = ~np.isin(wells, self.bounds[schema.WELL].values)
        if missing.any():
            raise SchemaError(
                f"The split must contain each well. Received well {str(wells[missing][0])!r}, "
                "which is not in the split. Split the observations that contain this well."
            )


def require_sequential(split: object) -> Split:
    """Return a sequential split; raise TypeError for anything else, such as a random split."""
    if not isinstance(split, Split):
        raise TypeError(
            "Windows, forecasters and audits need periods that follow each other in time. Received "
            f"a {type(split).__name__}. Use split_by_fraction or split_by_date."
        )
    return split


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
        Number of steps left out at the start of the validation and of the test period, to
        separate them from the previous period.

    Returns
    -------
    Split
        The train period starts at the first step of the time axis, and each later period at the
        step after the last level of the previous period (plus the gap). The test period ends at
        the last observed level.

    Raises
    ------
    ValueError
        If the fractions are not positive or sum to more than 1, or the gap is negative.
    SchemaError
        If a well has too few levels for each period to have one, or none remains after a gap.

    Examples
    --------
    >>> import numpy as np, pandas as pd, xarray as xr
    >>> times = pd.date_range("2020-01-01", periods=10)
    >>> level = xr.Dataset(
    ...     {"level": (("well", "time"), np.arange(10.0)[None])}, {"well": ["a"], "time": times}
    ... )
    >>> split_by_fraction(level).to_frame()
      well      period      start        end
    0    a       train 2020-01-01 2020-01-06
    1    a  validation 2020-01-07 2020-01-08
    2    a        test 2020-01-09 2020-01-10
    """
    if not (0 < train < 1 and 0 <= validation < 1 and train + validation <= 1 + 1e-12):
        raise ValueError(
            "Fractions of a split must be positive and sum to at most 1. Received "
            f"train={train}, validation={validation}. Usual values are 0.6 and 0.2 "
            "(--split 0.6,0.2)."
        )
    observed = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).notnull().values
    times = observations[schema.TIME].values
    shares = dict(zip(PERIODS, (train, validation, 1 - train - validation), strict=True))
    wanted = [period for period, share in shares.items() if share > 1e-12]
    cuts = []
    for row, well in zip(observed, observations[schema.WELL].values, strict=True):
        positions = np.flatnonzero(row)
        n_train = round(train * positions.size)
        n_fitted = round((train + validation) * positions.size)
        counts = dict(
            zip(PERIODS, (n_train, n_fitted - n_train, positions.size - n_fitted), strict=True)
        )
        empty = [period for period in wanted if counts[period] == 0]
        if empty:
            raise SchemaError(
                f"Each period of a split needs an observed level. Well {str(well)!r} has "
                f"{positions.size} levels, which leaves none for {', '.join(empty)}. Use a longer "
                "record, or split by date."
            )
        cuts.append(times[positions[[n_train - 1, n_fitted - 1, -1]]])
    train_end, validation_end, test_end = np.array(cuts).T
    split = _bounds(observations, train_end, validation_end, test_end, gap)
    _check_gap(observations, split, wanted, gap)
    return split


def _check_gap(observations: xr.Dataset, split: Split, wanted: list[Period], gap: int) -> None:
    for period in wanted:
        lost = ~split.levels(observations, period).notnull().any(schema.TIME).values
        if lost.any():
            raise SchemaError(
                "Each period of a split needs an observed level. Well "
                f"{str(observations[schema.WELL].values[lost][0])!r} has none left in {period} "
                f"after a gap of {gap} steps. Use a shorter gap, or a longer record."
            )


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
        First step of the validation and of the test period, before the gap is removed.
    test_end : str or pandas.Timestamp, optional
        Last step of the test period; by default the last observed level of each well.
    gap : int
        Number of steps left out at the start of the validation and of the test period.

    Returns
    -------
    Split
        The same for all wells, except for the end of the test period; NaT where no step is left.

    Raises
    ------
    SchemaError, ValueError
        If the dates are not in order or within the data, a well has no level in the train period,
        or the gap is negative.
    """
    first, second = _date(validation_start), _date(test_start)
    times = observations[schema.TIME].values
    stop = None if test_end is None else _date(test_end)
    ordered = times[0] < first <= second <= times[-1]
    if not ordered or (stop is not None and not second <= stop):
        raise SchemaError(
            "The dates of a split must be in order and within the data: start of the data < "
            "validation_start <= test_start <= end of the data and test_end. Received data from "
            f"{timeline.format_time(times[0])} to {timeline.format_time(times[-1])}, "
            f"validation_start {timeline.format_time(first)}, test_start "
            f"{timeline.format_time(second)}, test_end {test_end or 'not given'}. Correct the "
            "dates."
        )
    wells = observations[schema.WELL].values
    observed = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).notnull().values
    without = wells[~observed[:, times < first].any(axis=1)]
    if without.size:
        raise SchemaError(
            f"Each well needs a level before validation_start, {timeline.format_time(first)}. Well "
            f"{str(without[0])!r} has none. Choose a later date, or leave the well out."
        )
    last = [times[np.flatnonzero(row)[-1]] for row in observed]
    ends = last if stop is None else [stop] * wells.size
    before_first = times[times < first][-1]
    before_second = times[times < second][-1]
    shape = np.full(wells.size, before_first), np.full(wells.size, before_second)
    return _bounds(observations, *shape, np.array(ends, "datetime64[us]"), gap)


def _date(date: str | pd.Timestamp) -> np.datetime64:
    return np.datetime64(timeline.to_times([date])[0])


def _check_bounds(bounds: xr.Dataset) -> None:
    lacking = [period for period in PERIODS if period not in bounds]
    dims = {period: bounds[period].dims for period in PERIODS if period in bounds}
    if lacking or any(d != (schema.WELL, "edge") for d in dims.values()):
        raise SchemaError(
            f"The bounds of a split are the variables {', '.join(PERIODS)} over (well, edge). "
            f"Received {dims}. Make the split with split_by_fraction or split_by_date."
        )
    edges = np.concatenate([bounds[p].sel(edge=["start", "end"]).values for p in PERIODS], axis=1)
    for well, row in zip(bounds[schema.WELL].values, edges, strict=True):
        pairs = row.reshape(-1, 2)
        present = pairs[~np.isnat(pairs).any(axis=1)]
        in_order = (present[:, 0] <= present[:, 1]).all()
        disjoint = (present[1:, 0] > present[:-1, 1]).all()
        if np.isnat(pairs[0]).any() or not in_order or not disjoint:
            raise SchemaError(
                "The periods of a split must start with train, be in order and not overlap. "
                f"Received {pairs.astype('datetime64[D]').astype(str).tolist()} for well "
                f"{str(well)!r}. Correct these dates."
            )


def _bounds(
    observations: xr.Dataset,
    train_end: np.ndarray,
    validation_end: np.ndarray,
    test_end: np.ndarray,
    gap: int,
) -> Split:
    if gap < 0:
        raise ValueError(
            f"The gap of a split must be at least 0 steps. Received {gap}. Omit it, or set "
            "the number of steps between the periods."
        )
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


FOLDS = 5


def train_folds(observations: xr.Dataset, split: Split, *, folds: int = FOLDS) -> xr.DataArray:
    """Return the fold of the train period to which each row belongs.

    Folds are contiguous in time, with equal numbers of levels of a well: errors of neighbouring
    steps are correlated, so that random folds would not be independent (Roberts et al. 2017,
    doi:10.1111/ecog.02881). They are numbered from 0, dims (well, time); -1 outside the train
    period, whose levels alone are used. The attribute ``folds`` is their number.

    Examples
    --------
    >>> import pandas as pd
    >>> from gwforecast.sequences.split import split_by_fraction
    >>> times = pd.date_range("2020-01-01", periods=10)
    >>> record = xr.Dataset(
    ...     {"level": (("well", "time"), np.arange(10.0)[None])}, {"well": ["a"], "time": times}
    ... )
    >>> train_folds(record, split_by_fraction(record), folds=3).values
    array([[ 0,  0,  1,  1,  2,  2, -1, -1, -1, -1]])
    """
    rows = split.rows(observations, "train")
    level = observations[schema.LEVEL].transpose(*rows.dims)
    known = level.notnull().values & rows.values
    before = np.maximum(known.cumsum(axis=1) - 1, 0)
    of_all = np.maximum(known.sum(axis=1, keepdims=True), 1)
    fold = rows.copy(data=np.where(rows.values, before * folds // of_all, -1)).rename("fold")
    return fold.assign_attrs(folds=folds)


@dataclass(frozen=True, eq=False, repr=False)
class RandomSplit(Displayed):
    """Rows assigned at random to periods; not accepted where sequences are needed.

    Parameters
    ----------
    periods : xarray.DataArray
        Name of the period of each row, ``""`` where no level was observed, dims (well, time).
    """

    periods: xr.DataArray

    def title(self) -> str:
        """Return what it is."""
        return "Levels assigned to periods at random; number of levels by well"

    def summary(self) -> pd.DataFrame:
        """Return the number of levels of each period and well."""
        counts = {name: (self.periods == name).sum(schema.TIME).to_series() for name in PERIODS}
        return pd.DataFrame(counts)

    def rows(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return which rows lie in any of the periods, boolean, dims (well, time)."""
        xr.align(self.periods, observations[schema.LEVEL], join="exact")
        return self.periods.isin(list(periods)).rename("rows")

    def levels(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return the levels of the periods, NaN elsewhere, dims (well, time), m."""
        return observations[schema.LEVEL].where(self.rows(observations, *periods))

    def start(self, period: Period) -> NoReturn:
        """Raise a TypeError: random rows have no first and no last step."""
        require_sequential(self)
        raise AssertionError(period)

    end = start


def random_split(
    observations: xr.Dataset, *, train: float = 0.6, validation: float = 0.2, seed: int = 0
) -> RandomSplit:
    """Assign the observed levels of each well at random to train, validation and test rows.

    This is only valid for regressions on tables with independent rows. Levels are autocorrelated,
    so that a random split leaks information: test rows have train rows as neighbours, and scores
    are too optimistic [1]_. A warning is issued, and windows, forecasters and audits do not accept
    the result.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    train, validation : float
        Share of the observed levels; the rest is the test period.
    seed : int
        Random seed. The rows of a well depend on its name, not on the other wells.

    Returns
    -------
    RandomSplit
        Its methods ``rows`` and ``levels`` work as those of a sequential split.

    Raises
    ------
    ValueError
        If the fractions are not positive or sum to more than 1.
    SchemaError
        If a well has no observed level.

    References
    ----------
    .. [1] Roberts, D. R., et al. (2017). Cross-validation strategies for data with temporal,
       spatial, hierarchical, or phylogenetic structure. Ecography 40, 913-929.
       https://doi.org/10.1111/ecog.02881
    """
    if not (0 < train < 1 and 0 <= validation < 1 and train + validation <= 1 + 1e-12):
        raise ValueError(
            "Fractions of a split must be positive and sum to at most 1. Received "
            f"train={train}, validation={validation}. Usual values are 0.6 and 0.2."
        )
    warnings.warn(
        "A random split of a time series leaks information: test rows have train rows as "
        "neighbours, and scores are too optimistic. Received a call of random_split. Use "
        "split_by_fraction or split_by_date unless rows are independent.",
        stacklevel=2,
    )
    observed = observations[schema.LEVEL].notnull()
    names = np.full(observed.shape, "", dtype="<U10")
    for i, well in enumerate(observations[schema.WELL].values):
        positions = np.flatnonzero(observed.values[i])
        if positions.size == 0:
            raise SchemaError(
                f"Each well of a split needs an observed level. Well {str(well)!r} has none. "
                "Leave the well out."
            )
        generator = np.random.default_rng([seed, *str(well).encode()])
        shuffled = generator.permutation(positions)
        cuts = [round(train * positions.size), round((train + validation) * positions.size)]
        for period, chosen in zip(PERIODS, np.split(shuffled, cuts), strict=True):
            names[i, chosen] = period
    return RandomSplit(observed.copy(data=names).drop_attrs().rename("period"))


def through_periods(through: Period) -> tuple[Period, ...]:
    """Return the periods up to and including one.

    Examples
    --------
    >>> through_periods("validation")
    ('train', 'validation')
    """
    return PERIODS[: PERIODS.index(through) + 1]
