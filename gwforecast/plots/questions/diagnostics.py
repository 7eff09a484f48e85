"""Residuals in one figure: over time, correlated, distributed, and against level and season."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy import stats

from gwforecast import schema
from gwforecast.plots import prepare, style

__all__ = ["residual_diagnostics"]


MOST_LAGS = 120
MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")


@style.styled
def residual_diagnostics(
    residuals: xr.DataArray, predicted: xr.DataArray, *, name: str = "", note: str | None = None
) -> list[Axes]:
    """Draw the diagnostics of the residuals of one well.

    Parameters
    ----------
    residuals : xarray.DataArray
        Observed - predicted, dims (time,), m; NaN where unknown.
    predicted : xarray.DataArray
        Dimensions (time,), m.
    name : str
        Name of well and model, above the figure.
    note : str, optional
        Text above the figure at the right.

    Returns
    -------
    list of matplotlib.axes.Axes
        Axes of: residuals over time, autocorrelation with the 95 % bounds of independent residuals,
        histogram with a normal distribution, normal quantiles, residuals against the predicted
        level, and by month.
    """
    known = (residuals.notnull() & predicted.notnull()).values
    errors, levels = residuals.values[known], predicted.values[known]
    grid = plt.subplot_mosaic(
        [["time", "time"], ["acf", "histogram"], ["qq", "level"], ["month", "month"]],
        figsize=(style.WIDE, 7.6), layout="constrained",
    )[1]  # fmt: skip
    _over_time(grid["time"], residuals)
    _autocorrelation(grid["acf"], errors)
    _histogram(grid["histogram"], errors)
    _quantiles(grid["qq"], errors)
    ax = grid["level"]
    ax.plot(levels, errors, "o", ms=2, mew=0, color=style.PREDICTED, alpha=0.35)
    ax.axhline(0.0, color=style.INK, lw=0.6)
    ax.set(xlabel="predicted level [m]", ylabel="residual [m]")
    style.plain_numbers(ax.xaxis)
    month = residuals[schema.TIME].dt.month.values[known]
    boxes = [errors[month == number] for number in range(1, 13)]
    grid["month"].boxplot(
        boxes, whis=(5, 95), showfliers=False, medianprops={"color": style.PREDICTED},
        tick_labels=MONTHS,
    )  # fmt: skip
    grid["month"].axhline(0.0, color=style.INK, lw=0.6)
    grid["month"].set(xlabel="month (whiskers: 5 and 95 %)", ylabel="residual [m]")
    style.title(grid["time"], name, note)
    panels = list(grid.values())
    for ax in panels:
        style.finish(ax)
    return panels


def _over_time(ax: Axes, residuals: xr.DataArray) -> None:
    style.draw_levels(ax, residuals, label="residual", color=style.PREDICTED)
    ax.axhline(0.0, color=style.INK, lw=0.6)
    style.date_axis(ax, prepare.view_of([residuals], period=None, split=None, well=""))
    ax.set_ylabel("observed \N{MINUS SIGN} predicted [m]")


def _autocorrelation(ax: Axes, errors: np.ndarray) -> None:
    centred = errors - errors.mean()
    count = min(MOST_LAGS, errors.size // 3)
    square = max(float((centred**2).sum()), 1e-30)
    values = [1.0] + [float((centred[k:] * centred[:-k]).sum()) / square for k in range(1, count)]
    ax.vlines(range(count), 0, values, color=style.PREDICTED, lw=1.0)
    bound = 1.96 / np.sqrt(errors.size)
    ax.axhspan(-bound, bound, color=style.INTERVAL, alpha=0.7, lw=0)
    ax.axhline(0.0, color=style.INK, lw=0.6)
    ax.set(xlabel="lag [residuals]", ylabel="autocorrelation", xlim=(-1, count), ylim=(None, 1.05))


def _histogram(ax: Axes, errors: np.ndarray) -> None:
    ax.hist(errors, bins=30, density=True, color=style.INTERVAL, edgecolor="white", lw=0.3)
    at = np.linspace(errors.min(), errors.max(), 200)
    scale = max(float(errors.std()), 1e-12)
    ax.plot(at, stats.norm.pdf(at, errors.mean(), scale), color=style.OBSERVED, lw=1.2)
    ax.set(xlabel="residual [m], line: normal", ylabel="density")


def _quantiles(ax: Axes, errors: np.ndarray) -> None:
    (normal, ordered), (slope, start, _) = stats.probplot(errors, dist="norm")
    ax.plot(normal, ordered, "o", ms=2, mew=0, color=style.PREDICTED)
    ax.plot(normal, start + slope * np.asarray(normal), color=style.OBSERVED, lw=1.2)
    ax.set(xlabel="normal quantile", ylabel="residual [m]")
