"""A report as one self-contained page of HTML, and as a PDF with pages of A4."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from gwforecast import __version__
from gwforecast.writing import write_atomically, write_text

__all__ = ["DPI", "Figure", "Report", "Section"]


DPI = 180
"""Pixels of pictures in an inch."""

HEADS = {
    "p_value": "p", "nominal": "nominal, %", "independent": "independent levels",
}  # fmt: skip
"""Heads of columns that are not the names of their columns."""


SIGNS = {ord("-"): "\N{MINUS SIGN}", ord(","): "\N{THIN SPACE}"}


@dataclass(frozen=True)
class Figure:
    """A picture with its text."""

    content: bytes  # PNG
    width: int  # pixels
    height: int
    text: str  # what it shows, for those who do not see it

    @property
    def inches(self) -> float:
        """Width in print, so that the letters of all figures have one size."""
        return self.width / DPI

    @property
    def data(self) -> str:
        """The picture in base 64."""
        return base64.b64encode(self.content).decode("ascii")


@dataclass(frozen=True)
class Section:
    """A part of a report: a heading, sentences, a table and figures."""

    heading: str
    sentences: list[str] = field(default_factory=list)  # one below the other
    table: pd.DataFrame | None = None  # columns of numbers are aligned to the right
    figures: list[Figure] = field(default_factory=list)
    sorts: bool = False  # whether a click on the head of a column sorts the table
    links: dict[str, str] = field(default_factory=dict)  # of the texts in the first column

    @property
    def head(self) -> list[str]:
        """Names of the columns."""
        columns = [] if self.table is None else list(self.table.columns)
        return [HEADS.get(str(name), str(name).replace("_", " ")) for name in columns]

    @property
    def rows(self) -> list[list[tuple[str, str | None]]]:
        """Cells as text, each with its number where it is one."""
        if self.table is None:
            return []
        columns = [_cells(self.table.iloc[:, k]) for k in range(self.table.shape[1])]
        return [list(row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Report:
    """A report."""

    title: str
    subtitle: str  # what it is of, in one line
    sections: list[Section]

    def html(self) -> str:
        """Return the page; it needs no other file, and nothing from elsewhere."""
        return render(
            "report.html",
            look="report",
            title=self.title,
            subtitle=self.subtitle,
            sections=self.sections,
            version=__version__,
        )

    def write(self, path: Path) -> Path:
        """Write the page as HTML, or as PDF where the name ends so; return the path."""
        if path.suffix.lower() != ".pdf":
            return write_text(path, self.html())
        from gwforecast.plots.page import write_pdf  # loads matplotlib

        return write_atomically(
            path, lambda target: write_pdf(target, self.title, self.subtitle, self.sections)
        )


def _cells(column: pd.Series) -> list[tuple[str, str | None]]:
    """Return the texts of a column, and the numbers for sorting.

    Numbers have as many decimals; counts among them have none.
    """
    from gwforecast.plots.prepare import model_label

    values = column.tolist()
    if column.name == "p_value":
        return [_probability(value) for value in values]
    if column.name == "model":  # a row of such a table may be a count
        return [
            (model_label(str(name)) if len(str(name)) > 1 else str(name), None) for name in values
        ]
    numbers = [v for v in values if isinstance(v, int | float) and v == v]  # NaN is not itself
    whole = all(float(number).is_integer() for number in numbers)
    counts = all(isinstance(n, int) for n in numbers) or any(abs(n) > 1 for n in numbers)
    decimals = 0 if whole and counts else 3
    return [_cell(value, decimals) for value in values]


def _cell(value: object, decimals: int) -> tuple[str, str | None]:
    if isinstance(value, bool):
        return ("yes" if value else "no"), None
    if isinstance(value, int | float):
        decimals = 0 if isinstance(value, int) else decimals
        text = f"{value:,.{decimals}f}".translate(SIGNS)
        return ("", None) if value != value else (text, repr(float(value)))
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}", None
    return ("" if value is None else str(value)), None


def _probability(value: float) -> tuple[str, str | None]:
    text, number = _cell(value, 3)
    return ("< 0.001" if number and value < 0.0005 else text), number


def render(template: str, *, look: str, **values: object) -> str:
    """Return the page of a template, which needs no other file and nothing from elsewhere.

    Texts are escaped, and a content security policy allows no other style and script than the two
    files of the package that are named after the look.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        loader=FunctionLoader(_resource),
    )  # fmt: skip
    style, script = _resource(f"{look}.css"), _resource(f"{look}.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    return environment.get_template(template).render(
        **values,
        policy=policy,
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _resource(name: str) -> str:
    return resources.files("gwforecast.reports").joinpath("templates", name).read_text("utf-8")
