"""Means of past weather over bins of lags: a long memory in few numbers."""

from __future__ import annotations

import numpy as np

from gwforecast import timeline

__all__ = ["antecedent_columns", "lag_edges", "lagged_means"]


def lag_edges(lookback: int) -> np.ndarray:
    """Return edges of lag bins that double in width: 0, 1, 2-3, 4-7, ... up to the lookback.

    Parameters
    ----------
    lookback : int
        Number of steps including the present one; at least 1.

    Returns
    -------
    numpy.ndarray of int
        Bin k contains the lags ``edges[k]`` to ``edges[k + 1] - 1``. A last bin with less than half
        of its full width is merged with the previous one.

    Raises
    ------
    ValueError
        If the lookback is less than 1.

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

    The result at a step depends only on this step and earlier ones, bit for bit.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (well, time, variable).
    edges : numpy.ndarray of int
        Increasing, from 0 or more; bin k contains the lags ``edges[k]`` to ``edges[k + 1] - 1`` in
        steps, e.g. from :func:`lag_edges`.
    before : numpy.ndarray, optional
        Shape (well, variable): value of each variable before the first step. By default a bin is
        the mean over existing steps, and NaN if there are none.
    last : int, optional
        Number of last steps to return; by default all.

    Returns
    -------
    numpy.ndarray
        Shape (well, time, variable * bins), all bins of the first variable first. A bin with a
        missing step is NaN.

    Raises
    ------
    ValueError
        If the shapes do not match, or the edges do not increase from 0 or more.

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
