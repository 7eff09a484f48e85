"""One look for all figures: colour-blind safe colours, sizes for print, axes with units.

Figures as bytes, the same each time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties
from matplotlib.rcsetup import cycler
from matplotlib.textpath import TextPath
from matplotlib.ticker import ScalarFormatter
from matplotlib.transforms import ScaledTranslation

from gwforecast import schema
from gwforecast.plots.prepare import View, is_sparse
from gwforecast.sequences.split import Period

__all__ = [
    "INK",
    "INTERVAL",
    "MINUS",
    "NARROW",
    "OBSERVED",
    "PERIOD_MARKS",
    "PREDICTED",
    "RAIN",
    "SPARE",
    "STEPS",
    "WIDE",
    "close",
    "date_axis",
    "draw_levels",
    "finish",
    "legend_below",
    "level_label",
    "model_label",
    "new_axes",
    "picture",
    "plain_numbers",
    "shade_periods",
    "shortened",
    "styled",
    "thousands",
    "title",
]


OBSERVED = "#0072B2"
PREDICTED = "#E06C00"
INTERVAL = "#F9CF96"
RAIN = "#30B7B7"
INK = "#333333"
SPARE = "#999999"
"""Blue, orange and light orange after Okabe and Ito (2008), turquoise, near black, grey."""

MINUS = "\N{MINUS SIGN}"

PERIOD_SHADES: dict[Period, str] = {
    "train": "#F4F4F4",
    "validation": "#E4E4E4",
    "test": "#F4F4F4",
}
_SHORT: dict[Period, str] = {"train": "train", "validation": "val.", "test": "test"}
PERIOD_MARKS: dict[str, tuple[str, str]] = {
    "train": ("#B4B4B4", "o"),
    "validation": ("#56B4E9", "s"),
    "test": (PREDICTED, "o"),
}
"""Colour and marker of each period where it is told by points."""

STEPS = [1, 2, 2.5, 5, 10]
"""Steps between the ticks of a numeric axis, times a power of ten."""

WIDE, NARROW = 7.0, 3.4
"""Width of two columns and of one, in inches."""

_MANY = 500
_BESIDE = 1.4
"""Room that a figure keeps for labels at the left and right of its axes, in inches."""
_LABEL, _TICK = 9, 8
_COLOURS = (OBSERVED, PREDICTED, "#009E73", "#CC79A7", INK,
            "#56B4E9", SPARE, "#8A6D00", "#882255", "#6A3D9A")  # fmt: skip
_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.labelsize": _LABEL,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=_COLOURS),
    "axes.titlesize": _LABEL,
    "font.size": _LABEL,
    "legend.borderaxespad": 0.0,
    "legend.columnspacing": 1.4,
    "legend.fontsize": _TICK,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": INK,
}

P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw in our style, and leave that of the user as it was."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_axes(ax: Axes | None, *, width: float, height: float) -> Axes:
    """Return the axes that were given, or those of a new figure, size in inches."""
    if ax is not None:
        return ax
    made: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    return made


def close(ax: Axes) -> None:
    """Close the figure of axes, so that the memory of a figure that is saved is given back.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Any axes of the figure.
    """
    plt.close(ax.figure)


def finish(ax: Axes, *, grid: Literal["x", "y"] | None = None) -> Axes:
    """Set ticks, spines and, if asked for, a faint grid along ``"x"`` or ``"y"``; return ax."""
    ax.tick_params(labelsize=_TICK, width=0.6, length=3, color=INK, labelcolor=INK)
    for spine in ax.spines.values():
        spine.set(linewidth=0.6, edgecolor=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(size=_LABEL, color=INK)
    if grid:
        ax.grid(axis=grid, color="#D9D9D9", linewidth=0.5)
    return ax


def title(ax: Axes, name: str, note: str | None, *, pad: float = 5) -> None:
    """Write the name of what is shown at the left above the axes, and a note at the right.

    A name that would run into the note, or out of the figure, loses its middle.
    """
    room = _points_across(ax) - (_points(note, size=_TICK) + 8 if note else 0)
    most = len(name)
    while most > 8 and _points(shortened(name, most=most), size=_LABEL, weight="bold") > room:
        most -= 1
    ax.set_title(
        shortened(name, most=most),
        loc="left",
        fontsize=_LABEL,
        fontweight="bold",
        color=INK,
        pad=pad,
    )
    if note:
        ax.set_title(note, loc="right", fontsize=_TICK, color=INK, pad=pad)


def _points_across(ax: Axes) -> float:
    """Return about how wide axes are, in points; those of a layout that is yet to be made too."""
    width, place = ax.figure.bbox.width / ax.figure.dpi, ax.get_subplotspec()
    if place is None or ax.figure.get_layout_engine() is None:
        return float(72 * width * ax.get_position().width)
    share = len(place.colspan) / place.get_gridspec().ncols
    return float(72 * share * (width - _BESIDE * share))


def _points(text: str, *, size: float, weight: str = "normal") -> float:
    path = TextPath((0, 0), text, size=size, prop=FontProperties(weight=weight))
    return float(path.get_extents().width)


def shortened(name: str, *, most: int) -> str:
    """Return a name of at most ``most`` letters, with an ellipsis for the middle of a longer one.

    The end stays, because wells are often told apart by it.

    Examples
    --------
    >>> shortened("municipal well 12, deep", most=11)
    'munic…deep'
    """
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return name[: most - 1 - tail].rstrip() + "\N{HORIZONTAL ELLIPSIS}" + name[-tail:].lstrip()


def plain_numbers(*axes: Axis) -> None:
    """Write whole levels at the ticks, also where they differ by little: 1234.52, not +1.234e3."""
    for axis in axes:
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_scientific(False)
        axis.set_major_formatter(formatter)


def date_axis(ax: Axes, view: View, *, most: int = 12) -> None:
    """Show the view on the x axis, with short dates at no more than ``most`` ticks."""
    start, end = (float(dates.date2num(edge)) for edge in view)
    margin = max(0.007 * (end - start), 0.5)  # days
    ax.set_xlim(start - margin, end + margin)
    locator = dates.AutoDateLocator(minticks=3, maxticks=most)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def level_label(level: xr.DataArray) -> str:
    """Return the label of an axis of levels, such as ``"level [m above NAP]"``."""
    units = str(level.attrs.get("units", schema.LEVEL_UNITS))
    datum = str(level.attrs.get("vertical_datum", "")).strip()
    return f"level [{units} above {datum}]" if datum else f"level [{units}]"


def model_label(model: str) -> str:
    """Return the name of a model as it is written in figures, such as ``"LSTM"``."""
    words = model.split("_")
    return " ".join(w.upper() if w in {"lstm", "mlp", "cnn", "gru"} else w for w in words)


def thousands(count: int) -> str:
    """Return a number with thin spaces between the thousands."""
    return f"{count:,}".replace(",", "\N{THIN SPACE}")


def draw_levels(
    ax: Axes, level: xr.DataArray, *, label: str, color: str = OBSERVED, width: float = 0.8
) -> None:
    """Draw a series as it was measured, dims (time,): a line that breaks at gaps, or dots.

    Levels with steps between them are dots. Where levels are on every step they are a line, with
    dots on levels that stand alone.
    """
    times, values = level[schema.TIME].values, level.values
    known = np.isfinite(values)
    dots: dict[str, Any] = {"ls": "", "marker": "o", "mew": 0.0, "color": color, "zorder": 5}
    if is_sparse(values):
        size = 3.0 if known.sum() <= _MANY else 2.0
        ax.plot(times[known], values[known], ms=size, label=label, **dots)
        return
    ax.plot(times, values, "-", lw=width, color=color, label=label, zorder=3)
    beside = np.zeros_like(known)
    beside[1:] |= known[:-1]
    beside[:-1] |= known[1:]
    alone = known & ~beside
    if alone.any():
        ax.plot(times[alone], values[alone], ms=1.5, **dots)


def shade_periods(ax: Axes, spans: dict[Period, View], *, view: View, time: xr.DataArray) -> None:
    """Shade each period and write its name above the axes, shortened where it is narrow.

    A period whose successor begins at the next step of ``time`` is shaded up to it.
    """
    first, last = (float(dates.date2num(edge)) for edge in view)
    begins = {np.datetime64(span[0]) for span in spans.values()}
    for period, span in spans.items():
        start, end = (float(dates.date2num(edge)) for edge in span)
        later = time.values[time.values > span[1]]
        following = later[0] if later.size and later[0] in begins else span[1]
        ax.axvspan(
            start, float(dates.date2num(following)), color=PERIOD_SHADES[period], lw=0, zorder=0
        )
        if start > first:
            ax.axvline(start, color=SPARE, lw=0.6, zorder=0.5)
        narrow = end - start < 0.1 * (last - first)
        ax.annotate(
            _SHORT[period] if narrow else period,
            (0.5 * (start + end), 1.0),
            xycoords=ax.get_xaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=_TICK,
            color="#666666",
            annotation_clip=False,
        )


def legend_below(
    ax: Axes, *, columns: int = 5, below: float = 22, handles: Iterable[Any] = ()
) -> None:
    """Set the legend under the axes, where it hides no data; ``below`` is in points."""
    drop = ScaledTranslation(0, -below / 72, ax.figure.dpi_scale_trans)
    given = list(handles) or ax.get_legend_handles_labels()[0]
    legend = ax.legend(
        handles=given,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + drop,
        ncols=columns,
        markerscale=1.6,
    )
    for handle in legend.legend_handles:  # points that are faint in a cloud are not when alone
        if handle is not None:
            handle.set_alpha(1.0)


def picture(ax: Axes, *, dpi: int = 130) -> tuple[bytes, int, int]:
    """Return the figure of some axes as PNG, with its width and height in pixels; close it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes of the figure.
    dpi : int
        Pixels in an inch.
    """
    buffer = io.BytesIO()
    metadata = {"Software": None}  # no versions: the same figure has the same bytes
    figure: Any = ax.figure
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata=metadata)
    close(ax)
    content = buffer.getvalue()
    width, height = struct.unpack(">II", content[16:24])
    return content, width, height
