"""Windows of inputs and targets, as positions on the time axis, and means over lags.

A window consists of ``lookback`` warm-up steps followed by ``targets`` target steps. Only positions
are stored; data are gathered batch by batch from arrays that are held once, so that the memory
needed does not grow with the lookback.

*Sequence to value* is ``targets=1``: one window for each observed level. *Sequence to sequence* has
many targets after one warm-up; levels that were not observed are masked.

Means of past weather over bins of lags are a long memory in few numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gwforecast import timeline

__all__ = [
    "WindowBatches", "Windows", "antecedent_columns", "epoch_starts", "lag_edges", "lagged_means",
    "pooled_starts", "sequence_windows", "tile_starts", "value_windows",
]  # fmt: skip


@dataclass(frozen=True)
class Windows:
    """Positions of windows on the time axis.

    Parameters
    ----------
    well : numpy.ndarray
        Position of the well of each window, shape (window,), int.
    target_start : numpy.ndarray
        Position of the first target of each window, shape (window,), int.
    lookback : int
        Number of warm-up steps before the first target.
    targets : int
        Number of target steps in a window.

    Examples
    --------
    >>> windows = Windows(np.array([0]), np.array([10]), lookback=4, targets=2)
    >>> int(windows.input_start[0]), int(windows.target_stop[0]), windows.length
    (6, 12, 6)
    """

    well: np.ndarray
    target_start: np.ndarray
    lookback: int
    targets: int

    def __post_init__(self) -> None:
        if self.lookback < 0 or self.targets < 1:
            raise ValueError(
                "A window needs a lookback of at least 0 steps and at least 1 target. Received "
                f"lookback={self.lookback}, targets={self.targets}. Correct these settings."
            )

    def __len__(self) -> int:
        return int(self.target_start.size)

    @property
    def length(self) -> int:
        """Number of steps of a window, including warm-up and targets."""
        return self.lookback + self.targets

    @property
    def target_stop(self) -> np.ndarray:
        """Position after the last target of each window."""
        return self.target_start + self.targets

    @property
    def input_start(self) -> np.ndarray:
        """Position of the first input of each window; negative before the start of the data."""
        return self.target_start - self.lookback

    @property
    def input_stop(self) -> np.ndarray:
        """Position after the last input of each window, the same as after its last target."""
        return self.target_stop

    def take(self, index: np.ndarray | slice) -> Windows:
        """Return some of the windows."""
        return Windows(self.well[index], self.target_start[index], self.lookback, self.targets)

    def gather(self, values: np.ndarray, *, fill: float = 0.0) -> np.ndarray:
        """Return the inputs of each window, (window, lookback + targets, variable).

        Values are (well, time, variable). Steps outside the data are filled; 0 is the training mean
        of scaled values.
        """
        positions = self.input_start[:, None] + np.arange(self.length)
        return _gather(values, self.well, positions, fill)

    def gather_targets(self, values: np.ndarray) -> np.ndarray:
        """Return the values (well, time) at the targets, (window, targets); NaN where unknown."""
        positions = self.target_start[:, None] + np.arange(self.targets)
        return _gather(values, self.well, positions, np.nan)


def _gather(values: np.ndarray, well: np.ndarray, positions: np.ndarray, fill: float) -> np.ndarray:
    inside = (positions >= 0) & (positions < values.shape[1])
    gathered: np.ndarray = values[well[:, None], np.where(inside, positions, 0)]
    gathered[~inside] = fill
    return gathered


def value_windows(rows: np.ndarray, *, lookback: int) -> Windows:
    """Return one window for each target of ``rows``, boolean, (well, time): sequence to value."""
    well, time = np.nonzero(rows)
    return Windows(well, time, lookback, 1)


def sequence_windows(rows: np.ndarray, *, lookback: int, targets: int) -> Windows:
    """Return windows that cover the targets of each well once: sequence to sequence.

    ``rows``, boolean, (well, time), are the targets; steps after the last one are masked.
    """
    wells, starts = [], []
    for well, row in enumerate(rows):
        observed = np.flatnonzero(row)
        if observed.size:
            tiles = np.arange(observed[0], observed[-1] + 1, targets)
            wells.append(np.full(tiles.size, well))
            starts.append(tiles)
    empty = [np.zeros(0, int)]
    return Windows(
        np.concatenate(wells or empty), np.concatenate(starts or empty), lookback, targets
    )


def epoch_starts(
    row: np.ndarray, *, targets: int, batch_size: int, epochs: int, seed: int
) -> np.ndarray:
    """Return the first target of the windows in each training update for one well.

    Each epoch uses each target once; the levels that are targets are True in the row (time,).
    Windows with many targets are shifted at random in each epoch, so that a level does not always
    follow the same warm-up.

    The result is (epoch, update, window), int32, with positions from ``1 - targets`` on and at most
    ``batch_size`` windows in an update. Some windows are used twice if they do not fill the last
    update.
    """
    observed = np.flatnonzero(row)
    rng = np.random.default_rng(seed)
    if targets == 1:
        tiles = np.broadcast_to(observed, (epochs, observed.size))
    else:
        count = -(-(observed[-1] - observed[0] + targets) // targets)
        shifts = rng.integers(targets, size=(epochs, 1))
        # the first window may start before the data, and none starts after the last level
        tiles = np.minimum(observed[0] - shifts + targets * np.arange(count), observed[-1])
    tiles = rng.permuted(tiles, axis=1)
    size = min(batch_size, tiles.shape[1])
    updates = -(-tiles.shape[1] // size)
    filled = tiles[:, np.arange(updates * size) % tiles.shape[1]]
    return filled.reshape(epochs, updates, size).astype(np.int32)


def pooled_starts(
    rows: np.ndarray, *, targets: int, batch_size: int, epochs: int, seed: int
) -> np.ndarray:
    """Return wells and first targets of the windows in each update for many wells together.

    Arguments as in :func:`epoch_starts`, with rows (well, time); the windows of each well have
    their own shifts, and those of all wells are shuffled together. Shape (2, epoch, update,
    window), int32.
    """
    rng = np.random.default_rng(seed)
    wells, tiles = [], []
    for well, row in enumerate(rows):
        of_well = epoch_starts(
            row, targets=targets, batch_size=1, epochs=epochs, seed=int(rng.integers(2**31))
        )[..., 0]
        tiles.append(of_well)
        wells.append(np.full_like(of_well, well))
    pairs = np.stack([np.concatenate(wells, axis=1), np.concatenate(tiles, axis=1)])
    order = rng.permuted(np.broadcast_to(np.arange(pairs.shape[2]), pairs.shape[1:]), axis=1)
    pairs = np.take_along_axis(pairs, order[None], axis=2)
    size = min(batch_size, pairs.shape[2])
    updates = -(-pairs.shape[2] // size)
    filled = pairs[:, :, np.arange(updates * size) % pairs.shape[2]]
    return filled.reshape(2, epochs, updates, size).astype(np.int32)


def tile_starts(times: np.ndarray, *, targets: int) -> np.ndarray:
    """Return the starts of tiles of target steps, at dates that do not depend on the data.

    Positions on the regular time axis are ``targets`` apart, starting at or before the first step;
    the first may be negative.

    Examples
    --------
    >>> times = np.arange("2000-01-01", "2000-01-12", dtype="datetime64[D]")
    >>> tile_starts(times, targets=4)
    array([-1,  3,  7])
    >>> tile_starts(times[2:], targets=4)
    array([-3,  1,  5])
    """
    since = timeline.steps_since_epoch(times[0], timeline.infer_frequency(times))
    return np.arange(-(since % targets), times.size, targets)


class WindowBatches:
    """Batches of windows, gathered when needed: a generator for the ``fit`` of Keras models.

    All data are scaled: levels (well, time), NaN masked; past and future covariates (well, time,
    variable), known up to the issue time (the step before the first target) and up to the valid
    time; static attributes (well, attribute). With a seed each pass has a new random order; by
    default the windows keep theirs.

    A batch has inputs ``past`` (batch, lookback, variable), ``future`` (batch, lookback + targets,
    variable) and ``static`` (batch, attribute), those that are given; targets (batch, targets, 1),
    as the output of a network, 0 where no level was observed; and weights (batch, targets), 1, or 0
    there. One pass is ``network.fit(iter(batches), steps_per_epoch=len(batches), shuffle=False)``.
    """

    def __init__(
        self,
        windows: Windows,
        levels: np.ndarray,
        *,
        past: np.ndarray | None = None,
        future: np.ndarray | None = None,
        static: np.ndarray | None = None,
        batch_size: int = 32,
        seed: int | None = None,
    ) -> None:
        self.windows = windows
        self.levels = levels
        self.covariates = {"past": past, "future": future}
        self.static = static
        self.batch_size = batch_size
        self._rng = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-len(self.windows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Mapping[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return a batch of the windows in their own order."""
        first = index * self.batch_size
        return self._batch(self.windows.take(slice(first, first + self.batch_size)))

    def __iter__(self) -> Iterator[tuple[Mapping[str, np.ndarray], np.ndarray, np.ndarray]]:
        order = np.arange(len(self.windows))
        if self._rng is not None:
            self._rng.shuffle(order)
        for first in range(0, order.size, self.batch_size):
            yield self._batch(self.windows.take(order[first : first + self.batch_size]))

    def _batch(self, windows: Windows) -> tuple[Mapping[str, np.ndarray], np.ndarray, np.ndarray]:
        inputs = {
            name: windows.gather(values)
            for name, values in self.covariates.items()
            if values is not None
        }
        if "past" in inputs:
            inputs["past"] = inputs["past"][:, : windows.lookback]
        if self.static is not None:
            inputs["static"] = self.static[windows.well]
        targets = windows.gather_targets(self.levels)
        weights = np.isfinite(targets).astype(targets.dtype)
        return inputs, np.where(weights > 0, targets, 0)[..., None], weights


def lag_edges(lookback: int) -> np.ndarray:
    """Return edges of lag bins that double in width: 0, 1, 2-3, 4-7, ... up to the lookback.

    Bin k contains the lags ``edges[k]`` to ``edges[k + 1] - 1``. The lookback includes the present
    step; a ValueError is raised if it is less than 1. A last bin with less than half of its full
    width is merged with the previous one.

    Examples
    --------
    >>> lag_edges(16)
    array([ 0,  1,  2,  4,  8, 16])
    >>> lag_edges(20)
    array([ 0,  1,  2,  4,  8, 20])
    """
    if lookback < 1:
        raise ValueError(
            f"A lookback must be at least 1 step. Received {lookback}. Use 1 for the present step."
        )
    edges = [0, 1]
    while edges[-1] * 2 <= lookback:
        edges.append(edges[-1] * 2)
    if lookback > edges[-1]:
        if len(edges) > 2 and 2 * (lookback - edges[-1]) < edges[-1]:
            edges[-1] = lookback
        else:
            edges.append(lookback)
    return np.array(edges)


def lagged_means(
    values: np.ndarray,
    edges: np.ndarray,
    *,
    before: np.ndarray | None = None,
    last: int | None = None,
) -> np.ndarray:
    """Return the mean of each variable over bins of past steps; the present step is lag 0.

    Values are (well, time, variable). Edges of the bins increase from 0 or more, as of
    :func:`lag_edges`. ``before`` (well, variable) is the value of each variable before the first
    step; by default a bin is the mean over existing steps, and NaN if there are none. ``last`` is
    the number of last steps to return, by default all.

    The result is (well, time, variable * bins), all bins of the first variable first; NaN where a
    step of the bin is missing. At a step it depends only on this step and earlier ones, bit for
    bit.

    Raises ValueError if the shapes do not match, or the edges do not increase from 0 or more.

    Examples
    --------
    >>> lagged_means(np.array([[[1.0], [2.0], [4.0]]]), np.array([0, 1, 3]))[0]
    array([[1. , nan],
           [2. , 1. ],
           [4. , 1.5]])
    """
    edges = np.asarray(edges)
    if values.ndim != 3 or edges.ndim != 1 or edges.size < 2:
        raise ValueError(
            "Lagged means need values of shape (well, time, variable) and at least two edges. "
            f"Received shapes {values.shape} and {edges.shape}. Add the missing dimension."
        )
    if edges[0] < 0 or (np.diff(edges) <= 0).any():
        raise ValueError(
            f"Edges of lags must increase from 0 or more; a negative lag would look ahead. "
            f"Received {edges.tolist()}. Sort them, and remove negative ones."
        )
    n_wells, steps, n_variables = values.shape
    n_times = steps if last is None else min(last, steps)
    missing = np.isnan(values)
    # sums of deviations are more accurate for variables with a large offset, e.g. pressure
    origin = values[:, :1] if before is None else np.asarray(before, float)[:, None]
    origin = np.where(np.isfinite(origin), origin, 0.0)
    total = _cumulated(np.where(missing, 0.0, values - origin), before=edges[-1])
    holes = _cumulated(missing.astype(np.int64), before=edges[-1])
    means = np.empty((edges.size - 1, n_wells, n_times, n_variables))
    starts = edges[-1] + 1 - edges + steps - n_times  # of the sums up to each edge
    for k, mean in enumerate(means):
        newest, oldest = (slice(start, start + n_times) for start in starts[k : k + 2])
        np.subtract(total[:, newest], total[:, oldest], out=mean)
        if before is None:
            there = np.minimum(np.arange(steps - n_times, steps) + 1, edges[k + 1]) - edges[k]
            width = np.maximum(there, 0)[:, None]
            mean /= np.where(width > 0, width, 1)
            mean += origin
            mean[:, width[:, 0] == 0] = np.nan
        else:
            mean /= edges[k + 1] - edges[k]
            mean += origin
        if missing.any():
            mean[holes[:, newest] > holes[:, oldest]] = np.nan
    return np.moveaxis(means, 0, -1).reshape(n_wells, n_times, -1)


def _cumulated(values: np.ndarray, *, before: int) -> np.ndarray:
    """Return the sums up to each step, after zeros for steps before the first and for none."""
    zeros = np.zeros_like(values, shape=(len(values), before + 1, values.shape[2]))
    return np.concatenate([zeros, np.cumsum(values, axis=1)], axis=1)


def antecedent_columns(
    weather: np.ndarray,
    times: np.ndarray,
    *,
    lookback: int,
    before: np.ndarray,
    harmonics: int,
) -> np.ndarray:
    """Return means of the weather over lags 0, 1, 2-3, 4-7, ..., and harmonics of the year.

    ``weather`` is (version, time, variable), ``before`` (variable,) its values before the first
    step, and ``lookback`` counts the present step. Shape (version, time, column); NaN where a step
    of the bin is missing.

    Examples
    --------
    >>> times = np.array(["2001-01-01", "2001-01-02", "2001-01-03"], "datetime64[us]")
    >>> rain = np.array([[[4.0], [0.0], [2.0]]])
    >>> antecedent_columns(rain, times, lookback=2, before=np.zeros(1), harmonics=0)[0]
    array([[4., 0.],
           [0., 4.],
           [2., 0.]])
    """
    versions = np.broadcast_to(before, (len(weather), before.size))
    lagged = lagged_means(weather, lag_edges(lookback), before=versions)
    waves = timeline.harmonics(times, harmonics, first_day=0)
    waves = np.broadcast_to(waves, (*lagged.shape[:2], waves.shape[-1]))
    return np.concatenate([lagged, waves], axis=-1)
