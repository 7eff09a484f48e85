"""Figures as bytes, the same each time."""

from __future__ import annotations

import io
import struct
from typing import Any

from matplotlib.axes import Axes

from gwforecast.plots import style

__all__ = ["picture"]


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
    style.close(ax)
    content = buffer.getvalue()
    width, height = struct.unpack(">II", content[16:24])
    return content, width, height
