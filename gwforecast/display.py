"""What notebooks show of a model or a result: a title, a short table, a small picture."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Displayed"]


class Displayed:
    """The base of everything with a title and a short table.

    A subclass has the methods :meth:`title` and :meth:`summary`, and may have :meth:`picture`.
    """

    def title(self) -> str:
        """Return what it is, in one line.

        Returns
        -------
        str
            Kind and name, what it holds (wells, models, span), and whether it is fitted.
        """
        return type(self).__name__

    def summary(self) -> pd.DataFrame:
        """Return what matters most as a short table.

        Returns
        -------
        pandas.DataFrame
            A few rows and columns that fit a screen. Settings where nothing is fitted yet.
        """
        raise NotImplementedError

    def picture(self) -> bytes | None:
        """Return a small picture for notebooks.

        Returns
        -------
        bytes or None
            PNG; None where there is nothing to draw.
        """
        return None

    def __repr__(self) -> str:
        return f"{self.title()}\n{_rounded(self.summary()).to_string()}"

    def _repr_html_(self) -> str:
        """Return the page that notebooks show."""
        table = _rounded(self.summary()).to_html(border=0, na_rep="", justify="left")
        content = self.picture()
        shown = ""
        if content is not None:
            encoded = base64.b64encode(content).decode("ascii")
            shown = f'<img alt="" style="max-width: 640px" src="data:image/png;base64,{encoded}">'
        return f"<div><p><b>{escape(self.title())}</b></p>{table}{shown}</div>"


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Return numbers with three decimals; a column in which some would be 0 has three digits."""
    size = table.select_dtypes("float").abs()
    small = ((size > 1e-9) & (size < 5e-4)).any()
    texts = {name: table[name].map("{:.3g}".format) for name in small.index[small]}
    return table.round(3).assign(**texts)
