"""A report drawn on one page of PDF: headings, sentences, tables and pictures."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from matplotlib import pyplot as plt
from matplotlib.figure import Figure as Drawn

from gwforecast.plots import style

__all__ = ["write_pdf"]


WIDTH = 8.27  # inches, of A4; the page is as long as its content
MARGIN = 0.6
LINE, ROW = 0.17, 0.18
LETTERS = 110
LONGEST = 60  # rows of a table


class _Picture(Protocol):
    @property
    def content(self) -> bytes: ...

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def inches(self) -> float: ...


class _Part(Protocol):
    @property
    def heading(self) -> str: ...

    @property
    def sentences(self) -> list[str]: ...

    @property
    def head(self) -> list[str]: ...

    @property
    def rows(self) -> list[list[tuple[str, str | None]]]: ...

    @property
    def figures(self) -> Sequence[_Picture]: ...


@style.styled
def write_pdf(path: Path, title: str, subtitle: str, parts: Sequence[_Part]) -> None:
    """Write a report as a PDF of one page, as wide as A4 and as long as its content.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    title, subtitle : str
        Heading, and the line below it.
    parts : sequence
        Sections of a :class:`gwforecast.reports.pages.Report`.
    """
    height = 2 * MARGIN + 0.7 + sum(_height(part) for part in parts)
    figure = plt.figure(figsize=(WIDTH, height))
    page = _Page(figure, height)
    page.write(title, size=15, weight="bold", step=0.35)
    page.write(subtitle, size=9, step=0.35)
    for part in parts:
        page.add(part)
    metadata = {"CreationDate": None, "Title": title}
    figure.savefig(path, format="pdf", metadata=metadata)
    plt.close(figure)


def _lines(part: _Part) -> list[str]:
    return [line for text in part.sentences for line in textwrap.wrap(text, LETTERS)]


def _picture_size(picture: _Picture) -> tuple[float, float]:
    """Return width and height in inches."""
    wide = min(picture.inches, WIDTH - 2 * MARGIN)
    return wide, wide * picture.height / picture.width


def _height(part: _Part) -> float:
    rows = min(len(part.rows), LONGEST)
    table = ROW * (rows + 1) + 0.15 if part.head else 0.0
    pictures = sum(_picture_size(one)[1] + 0.1 for one in part.figures)
    return 0.42 + LINE * len(_lines(part)) + table + pictures


class _Page:
    """Where the next part is drawn."""

    def __init__(self, figure: Drawn, height: float) -> None:
        self.figure, self.height = figure, height
        self.top = MARGIN  # inches from the upper edge

    def write(self, text: str, *, size: float, step: float, weight: str = "normal") -> None:
        self.figure.text(
            MARGIN / WIDTH, 1 - self.top / self.height, text, fontsize=size, va="top",
            fontweight=weight, color=style.INK, parse_math=False,
        )  # fmt: skip
        self.top += step

    def add(self, part: _Part) -> None:
        self.top += 0.12
        self.write(part.heading, size=11, weight="bold", step=0.30)
        for line in _lines(part):
            self.write(line, size=8, step=LINE)
        if part.head:
            self._table(part)
        for picture in part.figures:
            self._picture(picture)

    def _table(self, part: _Part) -> None:
        rows = [[text for text, _ in row] for row in part.rows[:LONGEST]]
        numbers = [bool(part.rows and cell[1]) for cell in part.rows[0]] if part.rows else []
        longest = [
            max([len(name), *(len(row[column]) for row in rows)], default=1)
            for column, name in enumerate(part.head)
        ]
        usable = WIDTH - 2 * MARGIN
        total = sum(min(n, 60) + 2 for n in longest)
        places, at = [], MARGIN
        for number in longest:
            share = usable * (min(number, 60) + 2) / total
            places.append((at, at + share - 0.08, int(share / 0.058)))
            at += share
        for row, weight in ((part.head, "bold"), *((row, "normal") for row in rows)):
            for column, text in enumerate(row):
                left, right, room = places[column]
                number = bool(numbers) and numbers[column]
                shown = text if len(text) <= room else text[: max(room - 1, 1)] + "…"
                self.figure.text(
                    (right if number else left) / WIDTH, 1 - self.top / self.height, shown,
                    fontsize=7, va="top", ha="right" if number else "left", fontweight=weight,
                    color=style.INK, parse_math=False,
                )  # fmt: skip
            self.top += ROW
        self.top += 0.15

    def _picture(self, picture: _Picture) -> None:
        wide, high = _picture_size(picture)
        bottom = 1 - (self.top + high) / self.height
        box = (MARGIN / WIDTH, bottom, wide / WIDTH, high / self.height)
        ax = self.figure.add_axes(box)
        ax.imshow(plt.imread(io.BytesIO(picture.content)), aspect="auto")
        ax.axis("off")
        self.top += high + 0.1
