"""A report drawn on pages of A4: headings, sentences, tables and pictures."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

from gwforecast.plots import style

__all__ = ["write_pdf"]


WIDTH, HEIGHT, MARGIN = 8.27, 11.69, 0.6  # inches, of A4
LINE, GAP = 0.15, 0.06
LETTERS, LETTER = 110, 0.058  # of a line, and the width of one in a table
LONGEST = 60  # letters that a column is made for


@style.styled
def write_pdf(path: Path, title: str, subtitle: str, parts: Sequence[Any]) -> None:
    """Write a report as a PDF with pages of A4.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    title, subtitle : str
        Heading, and the line below it.
    parts : sequence
        Sections of a :class:`gwforecast.reports.pages.Report`.
    """
    with PdfPages(path, metadata={"CreationDate": None, "Title": title}) as file:
        pages = _Pages(file, title)
        pages.write(title, size=15, weight="bold", step=0.35)
        for line in textwrap.wrap(subtitle, LETTERS):
            pages.write(line, size=9, step=0.2)
        for part in parts:
            pages.add(part)
        pages.end()


class _Pages:
    """Where the next part is drawn; a part that does not fit begins a new page."""

    def __init__(self, file: PdfPages, title: str) -> None:
        self.file, self.title, self.number = file, title, 0
        self.begin()

    def begin(self) -> None:
        self.figure = plt.figure(figsize=(WIDTH, HEIGHT))
        self.top = MARGIN  # inches from the upper edge
        self.number += 1
        below = f"{self.title}, page {self.number}"
        self.text(WIDTH - MARGIN, below, at=HEIGHT - 0.4, size=7, align="right")

    def end(self) -> None:
        self.file.savefig(self.figure)
        plt.close(self.figure)

    def need(self, height: float) -> bool:
        """Begin a new page where less than a height is left; return whether one was begun."""
        if self.top + height <= HEIGHT - MARGIN:
            return False
        self.end()
        self.begin()
        return True

    def text(
        self, left: float, text: str, *, at: float, size: float, align: str = "left",
        weight: str = "normal",
    ) -> None:  # fmt: skip
        self.figure.text(
            left / WIDTH, 1 - at / HEIGHT, text, fontsize=size, va="top", ha=align,
            fontweight=weight, color=style.INK, parse_math=False,
        )  # fmt: skip

    def write(self, text: str, *, size: float, step: float, weight: str = "normal") -> None:
        self.text(MARGIN, text, at=self.top, size=size, weight=weight)
        self.top += step

    def add(self, part: Any) -> None:
        sizes = [_size(picture) for picture in part.figures]
        first = sizes[0][1] if sizes and not part.head else 4 * LINE
        lines = [line for text in part.sentences for line in textwrap.wrap(text, LETTERS)]
        self.need(0.5 + LINE * len(lines) + first)  # a heading is not the last of a page
        self.top += 0.15
        self.write(part.heading, size=11, weight="bold", step=0.27)
        for line in lines:
            self.write(line, size=8, step=LINE)
        self.top += GAP
        if part.head:
            self.table(part.head, part.rows)
        for picture, (wide, high) in zip(part.figures, sizes, strict=True):
            self.need(high)
            box = (MARGIN / WIDTH, 1 - (self.top + high) / HEIGHT, wide / WIDTH, high / HEIGHT)
            ax = self.figure.add_axes(box)
            ax.imshow(plt.imread(io.BytesIO(picture.content)), aspect="auto")
            ax.axis("off")
            self.top += high + 0.1

    def table(self, head: list[str], rows: list[list[tuple[str, str | None]]]) -> None:
        """Write a table, whose head is repeated on each page; long texts are wrapped."""
        texts = [[text for text, _ in row] for row in rows]
        numbers = [any(row[k][1] for row in rows) for k in range(len(head))]
        longest = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
        total = sum(min(count, LONGEST) + 2 for count in longest)
        widths = [(WIDTH - 2 * MARGIN) * (min(count, LONGEST) + 2) / total for count in longest]
        lefts = [MARGIN + sum(widths[:k]) for k in range(len(widths))]
        for row in [head, *texts]:
            cells = [
                textwrap.wrap(text, max(int((width - 0.08) / LETTER), 4)) or [""]
                for text, width in zip(row, widths, strict=True)
            ]
            high = LINE * max(map(len, cells)) + 0.04
            if row is not head and self.need(high):
                self.row([[name] for name in head], lefts, widths, numbers, weight="bold")
            self.row(cells, lefts, widths, numbers, weight="bold" if row is head else "normal")
        self.top += 0.15

    def row(
        self, cells: list[list[str]], lefts: list[float], widths: list[float],
        numbers: list[bool], *, weight: str,
    ) -> None:  # fmt: skip
        for lines, left, width, number in zip(cells, lefts, widths, numbers, strict=True):
            for place, line in enumerate(lines):
                self.text(
                    left + width - 0.08 if number else left, line, at=self.top + LINE * place,
                    size=7, align="right" if number else "left", weight=weight,
                )  # fmt: skip
        self.top += LINE * max(map(len, cells)) + 0.04


def _size(picture: Any) -> tuple[float, float]:
    """Return width and height of a picture in inches, at most those of a page."""
    most = min(WIDTH - 2 * MARGIN, (HEIGHT - 2 * MARGIN) * picture.width / picture.height)
    wide = min(picture.inches, most)
    return wide, wide * picture.height / picture.width
