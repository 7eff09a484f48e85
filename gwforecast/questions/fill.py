"""What is missing: gaps filled and records extended, from weather and the levels around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.calibration.intervals import OF_NORMAL, QUANTILES
from gwforecast.models.base import Forecaster
from gwforecast.progress import DETAIL, Progress, ProgressOption, as_callback
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import DEFAULT_MODELS, LeftOut, left_out_simulation
from gwforecast.questions.smoother import ErrorSmoother
from gwforecast.timeline import DAYS, YEAR, day_of_year

__all__ = ["FLAGS", "GAP_WEEKS", "METHODS", "Filled", "extend", "fill", "score_gaps"]


GAP_WEEKS = (1, 4, 13, 26, 52)
"""Lengths of artificial gaps, in weeks."""

METHODS = ("fill", "linear_interpolation", "simulation", "climatology")
OFFSETS = 3  # times that gaps are placed, each time elsewhere
FEWEST_SHARE = 0.3  # of the usual number of levels, below which a gap is not artificial
HARMONICS = 2
NORMAL_95 = 1.959964


def score_gaps(
    smoother: ErrorSmoother,
    level: np.ndarray,
    *,
    block: np.ndarray,
    weeks: Sequence[int] = GAP_WEEKS,
) -> pd.DataFrame:
    """Score the levels of artificial gaps by each way of filling them, on the same levels.

    ``level`` (time,), m, has NaN where nothing was observed. Each gap, of some ``weeks``, lies
    within one block of years, whose levels the simulation has not seen. The five parameters of the
    error are those of the whole record; the state of the error, the factors and the season are
    estimated without the levels of the gaps.

    The table has the columns gap_weeks, method (one of :data:`METHODS`; climatology is the mean and
    two harmonics of the year of all levels outside the gaps), rmse (m), coverage_95 (of ``fill``)
    and n, the number of levels.
    """
    rows: list[dict[str, object]] = []
    for length in weeks:
        steps = round(length * smoother.steps_per_year * 7 / YEAR)
        if steps < 1:
            continue
        errors: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
        ratios = []
        for hidden in _gaps(level, block, steps):
            scored = hidden & np.isfinite(smoother.simulation)
            if not scored.any():
                continue
            rest = np.where(hidden, np.nan, level)
            found = smoother.condition(rest)
            ways = (found.mean, _straight(rest), smoother.simulation, _season(rest, smoother.times))
            for method, filled in zip(METHODS, ways, strict=True):
                errors[method].append((filled - level)[scored])
            ratios.append(((level - found.mean) / found.deviation)[scored])
        if not ratios:
            continue
        covered = float(np.mean(np.abs(np.concatenate(ratios)) <= NORMAL_95))
        for method, parts in errors.items():
            every = np.concatenate(parts)
            rows.append(
                {
                    "gap_weeks": length,
                    "method": method,
                    "rmse": float(np.sqrt(np.mean(every**2))),
                    "coverage_95": covered if method == "fill" else np.nan,
                    "n": every.size,
                }
            )
    return pd.DataFrame(rows, columns=["gap_weeks", "method", "rmse", "coverage_95", "n"])


def _gaps(level: np.ndarray, block: np.ndarray, steps: int) -> Iterator[np.ndarray]:
    """Yield which levels lie in gaps of a length, boolean, shape (time,), at several places."""
    known = np.isfinite(level)
    places = np.flatnonzero(known)
    first, last = int(places[0]), int(places[-1])
    usual = steps * known[first : last + 1].mean()
    apart = 3 * steps + 1
    for number in range(OFFSETS):
        hidden = np.zeros(level.size, bool)
        for start in range(first + 1 + number * apart // OFFSETS, last - steps, apart):
            inside = slice(start, start + steps)
            if block[start - 1] != block[start + steps]:
                continue
            if known[inside].sum() >= max(1.0, FEWEST_SHARE * usual):
                hidden[inside] = True
        yield hidden & known


def _straight(level: np.ndarray) -> np.ndarray:
    """Return levels interpolated linearly in time."""
    known = np.flatnonzero(np.isfinite(level))
    return np.asarray(np.interp(np.arange(level.size), known, level[known]))


def _season(level: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean level of the season, fitted by harmonics of the year."""
    angle = 2 * np.pi * day_of_year(times) / DAYS
    terms = [np.ones(angle.size)]
    for order in range(1, HARMONICS + 1):
        terms += [np.sin(order * angle), np.cos(order * angle)]
    columns = np.stack(terms, axis=1)
    known = np.isfinite(level)
    found = np.linalg.lstsq(columns[known], level[known], rcond=None)[0]
    return np.asarray(columns @ found)


FLAGS = {"observed": 0, "filled": 1, "extended_back": 2, "extended_on": 3, "missing": 9}
"""Values of ``level_flag`` by their meanings."""

Where = Literal["gaps", "back", "on"]


@dataclass(frozen=True, eq=False, repr=False)
class Filled(Answer):
    """Filled or extended records.

    Parameters
    ----------
    levels : xarray.Dataset
        ``level`` (well, time), m: observed levels as they are, and filled ones, which are means;
        ``level_flag`` (well, time), the origin of each value, see :data:`FLAGS`;
        ``level_quantiles`` (well, time, quantile), m, equal to the level where it was observed;
        ``simulation`` (well, time), m, by models that have not seen the levels around.
    scores : pandas.DataFrame
        Scores at artificial gaps, as of :func:`gwforecast.questions.fill.score_gaps`.
    failed : dict of str to str
        Wells that could not be filled, and why.
    name : str
        Name of the files.
    """

    levels: xr.Dataset
    scores: pd.DataFrame
    failed: dict[str, str] = field(default_factory=dict)
    name: str = "filled"

    @property
    def about(self) -> str:  # type: ignore[override]
        """What the summary shows, with units."""
        if len(self.scores):
            return (
                "Records with their gaps filled; RMSE of artificial gaps by method, m, coverage of "
                "the 95 % interval, and n levels"
            )
        return "Extended records; number of time steps"

    def summary(self) -> pd.DataFrame:
        """Return the mean score of the artificial gaps, or the number of steps by flag and well.

        Returns
        -------
        pandas.DataFrame
            Of filled gaps: RMSE, m, by length of the gap in weeks and method, and the coverage of
            the 95 % interval. Of extended records: a row for each well, a column for each flag.
        """
        if not len(self.scores):
            return pd.crosstab(self.to_dataframe()["well"], self.to_dataframe()["flag"])
        table = self.scores.pivot_table(index="gap_weeks", columns="method", values="rmse")
        of_filled = self.scores[self.scores["method"] == METHODS[0]].groupby("gap_weeks")
        covered, n = of_filled["coverage_95"].mean(), of_filled["n"].sum()
        return table[list(METHODS)].assign(coverage_95=covered, n=n).rename_axis(columns=None)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the levels as one long table.

        Returns
        -------
        pandas.DataFrame
            Columns well, time, level, lower_95, upper_95 (m) and flag, in the words of
            :data:`FLAGS`. Steps without a level are left out.
        """
        words = {number: word for word, number in FLAGS.items()}
        quantiles = self.levels["level_quantiles"]
        table = xr.Dataset(
            {
                "level": self.levels[schema.LEVEL],
                "lower_95": quantiles.isel({schema.QUANTILE: 0}, drop=True),
                "upper_95": quantiles.isel({schema.QUANTILE: -1}, drop=True),
                "flag": self.levels["level_flag"],
            }
        ).to_dataframe()
        table = table.reset_index()[["well", "time", "level", "lower_95", "upper_95", "flag"]]
        table = table[table["flag"] != FLAGS["missing"]]
        return table.assign(flag=table["flag"].map(words)).reset_index(drop=True)

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return the levels, and the scores where there are some."""
        scores = {"gap_scores.csv": self.scores} if len(self.scores) else {}
        return {f"{self.name}.csv": self.to_dataframe(), f"{self.name}.nc": self.levels, **scores}

    def figures(self) -> dict[str, Callable[..., Any]]:
        """Return the drawing of a record."""
        return {"": self._draw}

    def _draw(self, well: str) -> object:
        from gwforecast import plots  # loads matplotlib

        scores = self.scores.reindex(columns=["well", "method", "gap_weeks", "rmse"])
        own = scores[(scores["well"] == well) & (scores["method"] == "fill")]
        parts = [f"{row.gap_weeks} w {row.rmse:.2g} m" for row in own.itertuples()]
        note = "RMSE of artificial gaps: " + ", ".join(parts) if parts else None
        return plots.filled_record(self.levels, well=well, note=note)


def fill(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    longest: int | None = None,
    gap_weeks: Sequence[int] = GAP_WEEKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> Filled:
    """Fill the gaps between the first and the last level of each well.

    The level of a gap is simulated from the weather by models that have not seen the levels of the
    same block of years. Their error is then estimated from the levels before and after the gap by
    a Kalman smoother, see :mod:`gwforecast.questions.smoother`: a short gap is bridged almost as by
    linear interpolation, and a long one follows the simulation. Observed levels stay as they are.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, NaN in gaps, and covariates.
    models : str, or sequence of str or Forecaster
        Names of :data:`gwforecast.runs.catalogue.MODELS`, or forecasters; several are averaged.
    settings : mapping, optional
        Settings by model and name.
    seed, members, workers : int, optional
        Seed, number of members and number of networks trained at once, for models that have them.
    blocks : int
        Number of blocks of years, each simulated by a fit that has not seen its levels; the spread
        of these fits shows how sure an answer is.
    longest : int, optional
        Longest gap that is filled, in steps; by default all are.
    gap_weeks : sequence of int
        Lengths of the artificial gaps that the filling is scored by, in weeks; none for no scores.
    without_weather : bool
        Allow models that derive levels from the weather to be fitted on the season alone.
    progress : bool or Progress, optional
        Whether progress is shown, or a callback: blocks, members and wells done.

    Returns
    -------
    Filled
        Levels with flags and intervals, and scores.

    Raises
    ------
    SchemaError
        If the observations are not valid, or no well can be used.
    ValueError
        If the longest gap is shorter than a step.
    RuntimeError
        If no model can simulate any well.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> time = pd.date_range("2000-01-03", periods=700, freq="7D")
    >>> rain = rng.gamma(1.0, 10.0, time.size)
    >>> level = 20 + pd.Series(rain).ewm(halflife=10).mean().to_numpy() / 10
    >>> truth = level[300:326].copy()
    >>> level[300:326] = np.nan
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), level[None]), "rain": (("well", "time"), rain[None])},
    ...     {"well": ["a"], "time": time},
    ... )
    >>> filled = fill(observations, models=["linear"], gap_weeks=())
    >>> error = filled.levels["level"].values[0, 300:326] - truth
    >>> bool(np.abs(error).mean() < 0.05)
    True
    """
    if longest is not None and longest < 1:
        raise ValueError(
            f"The longest gap that is filled has at least 1 step. Received {longest}. Give a "
            "number of steps, or leave it out to fill all gaps."
        )
    report = as_callback(progress)
    left_out = left_out_simulation(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather, progress=report,
    )  # fmt: skip
    filled = _conditioned(
        observations, left_out, wanted=("gaps",), longest=longest, progress=report
    )
    scores = []
    for number, (well, smoother) in enumerate(filled.smoothers.items() if gap_weeks else ()):
        level = observations[schema.LEVEL].sel({schema.WELL: well}).values
        block = left_out.block.sel({schema.WELL: well}).values
        scores.append(score_gaps(smoother, level, block=block, weeks=gap_weeks).assign(well=well))
        if report is not None:
            report(f"artificial gaps{DETAIL}well {well!r}", number + 1, len(filled.smoothers))
    table = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame()
    return Filled(filled.levels, table, filled.failed)


def extend(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> Filled:
    """Extend records to all times with weather: back before the first level, and on after the last.

    Near the record the error of the simulation is known from the levels, so that the interval is
    narrow there; it grows to that of the simulation far away.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, and covariates over a longer time.
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`.

    Returns
    -------
    Filled
        Levels with flags and intervals; gaps between levels are left as they are. There are no
        scores.

    Raises
    ------
    SchemaError
        If the observations are not valid, or no well can be used.
    RuntimeError
        If no model can simulate any well.
    """
    report = as_callback(progress)
    left_out = left_out_simulation(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather, progress=report,
    )  # fmt: skip
    extended = _conditioned(
        observations, left_out, wanted=("back", "on"), longest=None, progress=report
    )
    return Filled(extended.levels, pd.DataFrame(), extended.failed, "extended")


@dataclass(frozen=True, eq=False)
class _Records:
    levels: xr.Dataset
    smoothers: dict[str, ErrorSmoother]
    failed: dict[str, str]


def _conditioned(
    observations: xr.Dataset,
    left_out: LeftOut,
    *,
    wanted: tuple[Where, ...],
    longest: int | None,
    progress: Progress | None,
) -> _Records:
    """Return levels with flags and quantiles, the model of each well, and failures."""
    observed = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    times = observed[schema.TIME].values
    per_year = timeline.steps_per_year(timeline.infer_frequency(times))
    level, flag = observed.values.copy(), np.full(observed.shape, FLAGS["missing"], np.int8)
    quantiles = np.repeat(level[..., None], len(QUANTILES), axis=-1)
    smoothers, failed = {}, dict(left_out.failed)
    flag[np.isfinite(level)] = FLAGS["observed"]
    for number, well in enumerate(schema.well_names(observed)):
        if progress is not None:
            progress(f"errors of the simulation{DETAIL}well {well!r}", number, len(observed))
        if well in failed:
            continue
        smoother = ErrorSmoother(left_out.level.values[number], times, per_year)
        try:
            found = smoother.fit(observed.values[number]).condition(observed.values[number])
        except ValueError as error:
            failed[well] = str(error)
            continue
        smoothers[well] = smoother
        own = _flags(observed.values[number], wanted=wanted, longest=longest)
        use = (own > 0) & np.isfinite(found.mean)
        flag[number, use] = own[use]
        level[number, use] = found.mean[use]
        spread = found.deviation[:, None] * OF_NORMAL
        quantiles[number, use] = (found.mean[:, None] + spread)[use]
    if progress is not None:
        progress("errors of the simulation", len(observed), len(observed))
    return _Records(_labelled(observed, level, flag, quantiles, left_out), smoothers, failed)


def _flags(level: np.ndarray, *, wanted: tuple[Where, ...], longest: int | None) -> np.ndarray:
    """Return the flag of each step that is wanted, 0 for all others, shape (time,)."""
    flags = np.zeros(level.size, np.int8)
    known = np.flatnonzero(np.isfinite(level))
    if "back" in wanted:
        flags[: known[0]] = FLAGS["extended_back"]
    if "on" in wanted:
        flags[known[-1] + 1 :] = FLAGS["extended_on"]
    if "gaps" in wanted:
        for first, last in zip(known[:-1] + 1, known[1:], strict=True):
            if longest is None or last - first <= longest:
                flags[first:last] = FLAGS["filled"]
    return flags


def _labelled(
    observed: xr.DataArray,
    level: np.ndarray,
    flag: np.ndarray,
    quantiles: np.ndarray,
    left_out: LeftOut,
) -> xr.Dataset:
    units = {"units": schema.LEVEL_UNITS}
    dims = (schema.WELL, schema.TIME)
    meanings = {
        "long_name": "origin of the level",
        "flag_values": np.array(list(FLAGS.values()), np.int8),
        "flag_meanings": " ".join(FLAGS),
    }
    return xr.Dataset(
        {
            schema.LEVEL: (dims, level, {**observed.attrs, **units}),
            "level_flag": (dims, flag, meanings),
            "level_quantiles": (
                (*dims, schema.QUANTILE),
                quantiles,
                {**units, "long_name": "quantiles of the level as it would have been measured"},
            ),
            "simulation": (
                dims,
                left_out.level.transpose(*dims).values,
                {**units, "long_name": "level simulated without the levels around"},
            ),
        },
        {
            schema.WELL: observed[schema.WELL].values,
            schema.TIME: observed[schema.TIME].values,
            schema.QUANTILE: list(QUANTILES),
        },
        {"model": left_out.model},
    )
