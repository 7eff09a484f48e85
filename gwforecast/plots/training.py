"""Training: loss of neural networks by epoch, and trials of a hyperparameter search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import MINUS, metric_label, model_label
from gwforecast.verification.metrics import METRICS

__all__ = ["training_history", "tuning"]


_SERIES = {"loss": ("train", style.OBSERVED), "validation_loss": ("validation", style.PREDICTED)}
_LOG_FROM = 10.0
"""Ratio of the highest to the lowest loss from which the axis is logarithmic."""


@style.styled
def training_history(
    history: pd.DataFrame,
    *,
    well: str | None = None,
    model: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss of each member by epoch, the median of the members, and their best epochs.

    A dot marks the epoch of the lowest validation loss of each member. The median is drawn for
    epochs in which at least half of the members are trained.

    Parameters
    ----------
    history : pandas.DataFrame
        Columns well, member, epoch, loss, validation_loss, and optionally model.
    """
    table = _one_of(_one_of(history, "model", model), "well", well)
    members = table["member"].nunique()
    ax = style.new_axes(ax, width=style.NARROW * 1.2, height=2.8)
    for column, (name, colour) in _SERIES.items():
        losses = table.pivot_table(index="epoch", columns="member", values=column)
        _draw_losses(ax, losses, members=members, name=name, color=colour)
    best = _best_epochs(table)
    if len(best):
        label = "best epoch" if members == 1 else "best epochs"
        ax.plot(best["epoch"], best["validation_loss"], "o", ms=4, mfc="white", mec=style.INK,
                mew=0.9, label=label, zorder=5)  # fmt: skip
    values = table[list(_SERIES)].to_numpy(float)
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() / values.min() > _LOG_FROM:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    ax.set(xlabel="epoch", ylabel="loss of scaled levels")
    model = str(table["model"].iloc[0]) if "model" in table else ""
    name = prepare.whose(str(table["well"].iloc[0]), model)
    style.title(ax, name, f"{members} member{'s'[: members > 1]}")
    style.legend_below(ax)
    return style.finish(ax, grid="y")


def _draw_losses(ax: Axes, losses: pd.DataFrame, *, members: int, name: str, color: str) -> None:
    """Draw the losses (epoch, member) as thin lines under their median, or as one line."""
    several = members > 1
    width, alpha = (0.6, 0.45) if several else (1.6, 1.0)
    for number, member in enumerate(losses):
        label = name if number == 0 and not several else None
        ax.plot(losses.index, losses[member], color=color, lw=width, alpha=alpha, label=label)
    if several and len(losses):
        trained = losses.notna().sum(axis=1) >= members / 2
        median = losses.median(axis=1).where(trained)
        ax.plot(median.index, median, color=color, lw=1.8, label=f"{name}, median")


def _one_of(history: pd.DataFrame, column: str, name: str | None) -> pd.DataFrame:
    """Return the rows of one well or one model."""
    if column not in history:
        return history if name is None else history.assign(**{column: name})
    names = [str(value) for value in history[column].unique()]
    chosen = names[0] if name is None and len(names) == 1 else name
    if chosen not in names:
        raise ValueError(
            f"A training history is drawn for one {column}. Received {column}={name!r}; there are "
            f"{', '.join(names[:5]) or 'none'}. Choose one of them."
        )
    return history[history[column].astype(str) == chosen]


def _best_epochs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the lowest validation loss of each member."""
    known = table[table["validation_loss"].notna()].reset_index(drop=True)
    return known.loc[known.groupby("member")["validation_loss"].idxmin()]


_ACROSS = 4
"""Largest number of settings in a row."""

_SPREADS = 5.0
"""Interquartile ranges beyond the quartiles within which scores are in the axes."""

_MARKS: dict[str, dict[str, Any]] = {
    "pruned": {"marker": "o", "ms": 3.5, "mfc": "white", "mec": style.SPARE, "mew": 0.9},
    "complete": {"marker": "o", "ms": 4.5, "mfc": style.OBSERVED, "mec": "white", "mew": 0.4},
}


@style.styled
def tuning(
    trials: pd.DataFrame,
    *,
    space: Mapping[str, Sequence[Any]],
    metric: str = "nse",
    model: str = "",
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the scores of the trials of a hyperparameter search, and the scores by hyperparameter.

    Pruned trials are drawn with the score at which they were stopped, which is that of fewer
    members. Outliers are drawn as triangles at the edge of the axes, failed trials as crosses, and
    the best has a ring.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns number, state, value, and one for each setting.
    space : mapping
        Range by setting: kind (``"int"``, ``"float"``, ``"log"`` or ``"choice"``), followed by its
        limits or the choices.
    metric : str
        Optimised metric, a name in :data:`gwforecast.verification.metrics.METRICS`.
    model : str
        Name of the model, for the title.
    axes : sequence of matplotlib.axes.Axes, optional
        Axes to draw in, first the trials, then one for each setting; by default those of a new
        figure.
    """
    complete = trials[trials["state"] == "complete"]
    if complete.empty:
        raise ValueError(
            "A figure of a hyperparameter search needs a complete trial. Received "
            f"{len(trials)} trials, none of which is complete. Run more trials."
        )
    rises = bool(METRICS[metric].larger_is_better)
    best = complete.sort_values("value", ascending=not rises, kind="stable").iloc[0]
    view = _view(trials["value"].to_numpy(float), best=float(best["value"]), rises=rises)
    drawn = list(axes) if axes is not None else _grid(len(space))
    _draw_trials(drawn[0], trials, best, view=view, rises=rises)
    known = trials[trials["state"] != "failed"]
    for ax, (name, given) in zip(drawn[1:], space.items(), strict=True):
        _draw_setting(ax, known, best, name=name, given=given, view=view)
    for number, ax in enumerate(drawn):
        first = number == 0 or (number - 1) % _across(len(space)) == 0
        ax.set(ylim=view, ylabel=metric_label(metric) if first else "")
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=style.STEPS))
        ax.tick_params(axis="y", labelleft=first)
        style.finish(ax, grid="y")
    units = METRICS[metric].units.replace("1", "")
    value = f"{best['value']:.{3 if units == 'm' else 2}f} {units}".rstrip()
    note = f"best: trial {best['number']}, {METRICS[metric].label} {value}"
    name = f"{model_label(model)}, validation period".lstrip(", ")
    style.title(drawn[0], name, note.replace("-", MINUS))
    return drawn


def _across(settings: int) -> int:
    """Return the number of settings in a row that makes rows about equally long."""
    rows = -(-max(settings, 1) // _ACROSS)
    return -(-max(settings, 1) // rows)


def _grid(settings: int) -> list[Axes]:
    """Return axes for the trials over the whole width, and below them one for each setting."""
    across = _across(settings)
    rows = -(-settings // across)
    figure = plt.figure(figsize=(style.WIDE, 2.7 + 1.75 * rows), layout="constrained")
    grid = figure.add_gridspec(rows + 1, across, height_ratios=[2.7, *[1.75] * rows])
    below = [figure.add_subplot(grid[1 + n // across, n % across]) for n in range(settings)]
    return [figure.add_subplot(grid[0, :]), *below]


def _view(values: np.ndarray, *, best: float, rises: bool) -> tuple[float, float]:
    """Return the limits of the axis of scores, without outliers."""
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.25, 0.75])
    reach = _SPREADS * max(high - low, 1e-6)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    ends = sorted((best, float(inside.min() if rises else inside.max())))
    margin = 0.08 * (ends[1] - ends[0]) or max(0.01 * abs(best), 1e-3)
    return ends[0] - margin, ends[1] + margin


def _draw_trials(
    ax: Axes, trials: pd.DataFrame, best: pd.Series, *, view: tuple[float, float], rises: bool
) -> None:
    edge = view[0] if rises else view[1]
    complete = trials["value"].where(trials["state"] == "complete")
    so_far = complete.cummax() if rises else complete.cummin()
    number = trials["number"]
    ax.plot(number, so_far.ffill(), drawstyle="steps-post", color=style.PREDICTED, lw=1.2,
            label="best so far")  # fmt: skip
    _draw_marks(ax, trials, number.to_numpy(float), view=view)
    failed = trials[trials["state"] == "failed"]
    if len(failed):
        ax.plot(failed["number"], np.full(len(failed), edge), ls="", marker="x", ms=5, mew=1.1,
                color=style.INK, label="failed", clip_on=False, zorder=5)  # fmt: skip
    _ring(ax, float(best["number"]), float(best["value"]), label="best")
    ax.set(xlabel="trial", xlim=(number.min() - 0.8, number.max() + 0.8))
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
    style.legend_below(ax, below=34)


def _draw_setting(
    ax: Axes,
    trials: pd.DataFrame,
    best: pd.Series,
    *,
    name: str,
    given: Sequence[Any],
    view: tuple[float, float],
) -> None:
    kind, *values = given
    if kind == "choice":
        places = {str(value): place for place, value in enumerate(values)}
        x = trials[name].map(lambda value: places.get(str(value), np.nan)).to_numpy(float)
        x += style.jitter(x.size, 0.16)
        ax.set_xticks(range(len(values)), [_short(value) for value in values])
        ax.set_xlim(-0.6, len(values) - 0.4)
    else:
        x = trials[name].to_numpy(float)
        _scale(ax, kind, low=values[0], high=values[1])
    _draw_marks(ax, trials, x, view=view)
    _ring(ax, float(x[(trials["number"] == best["number"]).to_numpy()][0]), float(best["value"]))
    ax.set_xlabel(name.replace("_", " "))


def _scale(ax: Axes, kind: str, *, low: float, high: float) -> None:
    if kind == "log":
        ax.set_xscale("log")
        ratio = (high / low) ** 0.06 if high > low else 1.5
        ax.set_xlim(low / ratio, high * ratio)
        ax.set_xticks(_log_ticks(low, high))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        margin = 0.06 * (high - low) or 0.5
        ax.set_xlim(low - margin, high + margin)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=kind == "int", steps=style.STEPS))


def _log_ticks(low: float, high: float) -> list[float]:
    """Return two to four round numbers from low to high, or the limits where there are none."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ([1, 2, 5], [1, 3], [1]):
        ticks = np.outer(decades, steps).ravel()
        ticks = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if 2 <= ticks.size <= 4:
            return [float(tick) for tick in ticks]
    return [low, high]


def _draw_marks(
    ax: Axes, trials: pd.DataFrame, x: np.ndarray, *, view: tuple[float, float]
) -> None:
    """Draw a point for each trial, and a triangle at the edge for scores outside the axes."""
    value, state = trials["value"].to_numpy(float), trials["state"].to_numpy(str)
    for name, mark in _MARKS.items():
        for place, marker in ((0, ""), (-1, "v"), (1, "^")):
            outside = np.where(value < view[0], -1, np.where(value > view[1], 1, 0))
            chosen = (state == name) & np.isfinite(value) & (outside == place)
            if chosen.any():
                shape = (
                    {"marker": marker, "ms": 5.5, "clip_on": False} if marker else {"label": name}
                )
                ax.plot(x[chosen], np.clip(value[chosen], *view), ls="", zorder=4,
                        **mark | shape)  # fmt: skip


def _ring(ax: Axes, x: float, value: float, *, label: str | None = None) -> None:
    ax.plot([x], [value], "o", ms=8, mfc="none", mec=style.PREDICTED, mew=1.4, label=label,
            zorder=6)  # fmt: skip


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        return "\n".join(_short(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
