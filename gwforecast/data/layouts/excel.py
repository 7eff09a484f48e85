"""Workbooks: each sheet with a table of dates is a table, its header found as in a text file."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pandas as pd

from gwforecast.data.layouts.base import Dialect, RawTable, facts_of_lines
from gwforecast.data.terms.headers import read_header, tokens
from gwforecast.data.terms.words import CALENDAR
from gwforecast.data.text.block import (
    find_block,
    is_date,
    likely_header,
    plain_numbers,
    unique_names,
)
from gwforecast.data.text.stamps import month_of
from gwforecast.schema import SchemaError

__all__ = ["EXCEL", "hint_of_row", "read_workbook"]

EXCEL = (".xlsx", ".xlsm")
OLD_EXCEL = (".xls", ".xlsb", ".ods")
_SAMPLED = 400  # rows


def read_workbook(path: Path, dialect: Dialect, *, dated: bool = True) -> list[RawTable]:
    """Return the tables of a workbook, one a sheet.

    Raises SchemaError if it can't be opened, lacks the sheet that is named, or holds no table.
    """
    book = _opened(path)
    try:
        names = list(book.sheetnames)
        if dialect.sheet is not None and dialect.sheet not in names:
            raise SchemaError(
                f"sheet must be a sheet of the workbook. Received {dialect.sheet!r}; {path} has "
                f"{names[:12]}. Correct the name."
            )
        wanted = names if dialect.sheet is None else [dialect.sheet]
        tables = [_sheet(book[name], name, path, dialect, dated) for name in wanted]
    finally:
        book.close()
    found = [table for table in tables if isinstance(table, RawTable)]
    if not found:
        raise SchemaError(
            "A workbook must hold a table with a column of dates. Received none in "
            f"{path}, sheets {wanted[:6]}. Name the line of the header with header_row=, or save "
            "the table as CSV."
        )
    empty = [name for name, t in zip(wanted, tables, strict=True) if not isinstance(t, RawTable)]
    for name in empty:
        found[0].notes.append(f"left out: sheet {name!r} (no table with dates)")
    return found if dated else found[:1]


def hint_of_row(path: Path, dialect: Dialect) -> str:
    """Return which row looks like the header, where another was given; else the empty text."""
    book = _opened(path)
    try:
        for name in [dialect.sheet] if dialect.sheet in book.sheetnames else book.sheetnames:
            rows = book[name].iter_rows(values_only=True, max_row=_SAMPLED)
            texts = [[_text(cell) for cell in row] for row in rows]
            k = likely_header(texts)
            block = find_block(texts) if dialect.first_line is None else None
            if k is not None and k != (block.header if block else dialect.first_line):
                return (
                    f"Row {k + 1} of sheet {name!r} looks like the header. Give header_row={k + 1} "
                    f"(--header-row {k + 1})."
                )
    finally:
        book.close()
    return ""


def _opened(path: Path) -> Any:
    import openpyxl  # loaded only where it is needed

    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises many kinds for files that are none
        raise SchemaError(
            f"A .xlsx file must be a workbook. Received {path}, which can't be opened "
            f"({type(error).__name__}). Save it again as .xlsx, or as CSV."
        ) from None


def _sheet(sheet: Any, name: str, path: Path, dialect: Dialect, dated: bool) -> RawTable | None:
    """Return the table of a sheet; None where it has none."""
    rows = [list(cells) for cells in sheet.iter_rows(values_only=True)]
    while rows and not any(cell is not None for cell in rows[-1]):
        rows.pop()
    if not rows:
        return None
    texts = [[_text(cell) for cell in row] for row in rows[:_SAMPLED]]
    block = find_block(texts) if dated and dialect.first_line is None else None
    if block is not None and block.header is not None:
        header, first, units = block.header, block.first, block.units
    else:
        line = dialect.first_line if dialect.first_line is not None else _first(texts, dated)
        if line is None or line >= len(rows):
            return None
        header, first, units = line, line + 1, {}
    found = block.names if block is not None and block.header == header else texts[header]
    width = max((k + 1 for k, cell in enumerate(found) if cell), default=0)
    names = unique_names(
        [" ".join(cell.split()) for cell in found[:width]], f"sheet {name!r} of {path}"
    )
    if not names:
        return None
    frame = _frame(rows[first:], names, dated)
    if frame.shape[0] == 0 or (dated and block is None and _of_words(frame)):
        return None
    facts = facts_of_lines(texts[:header])
    facts["above"] = " ".join(" ".join(cells) for cells in texts[:header])[:4000]
    raw = RawTable(
        frame, path, layout="Excel table", facts=facts, part=name,
        line=lambda row: first + row + 1,
    )  # fmt: skip
    for place, unit in units.items():
        if place < len(names) and read_header(names[place]).unit is None:
            raw.headers[names[place]] = read_header(names[place]).with_unit(unit)
    raw.notes.append(f"sheet: {name!r}, header in row {header + 1}")
    return plain_numbers(raw, dialect.decimal or _decimal(texts), dated=dated, dialect=dialect)


def _decimal(texts: list[list[str]]) -> str:
    """Return the decimal mark of numbers that are written as text."""
    commas = any(re.match(r"^[+-]?\d+,\d+$", cell) for cells in texts for cell in cells)
    return "," if commas else "."


def _first(texts: list[list[str]], dated: bool) -> int | None:
    """Return the first row that can be a header; with dates below, it must name a time.

    Months or dates beside each other may stand in it as well.
    """
    for k, cells in enumerate(texts[:60]):
        filled = [cell for cell in cells if cell]
        if len(filled) < 2:
            continue
        yearly = any(set(tokens(cell)) & set(CALENDAR["year"]) for cell in filled)
        across = yearly and len({month_of(cell) for cell in filled} - {None}) == 12
        across |= sum(map(is_date, filled)) >= max(4, len(filled) / 2)
        if not dated or across or any(read_header(cell).meaning == "time" for cell in filled):
            return k
    return None


def _of_words(frame: pd.DataFrame) -> bool:
    """Return whether the columns that are named as times hold no digit, as in a summary."""
    named = [n for n in map(str, frame.columns) if read_header(n).meaning == "time"]
    texts = [frame[n].dropna().astype("str") for n in named]
    return bool(named) and not any(text.str.contains(r"\d").any() for text in texts)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime | dt.date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _frame(rows: list[list[Any]], names: list[str], dated: bool) -> pd.DataFrame:
    """Return typed columns: numbers, dates, or text."""
    made = {}
    for place, name in enumerate(names):
        cells = [row[place] if place < len(row) else None for row in rows]
        known = [cell for cell in cells if cell is not None and cell != ""]
        as_text = not dated and place == 0
        if not as_text and known and all(isinstance(c, dt.datetime | dt.date) for c in known):
            made[name] = pd.Series(pd.to_datetime(pd.Series(cells, dtype=object)))
        elif not as_text and all(isinstance(c, int | float) for c in known):
            made[name] = pd.Series([None if c == "" else c for c in cells], dtype=float)
        else:
            texts = [None if c is None or c == "" else _text(c) for c in cells]
            made[name] = pd.Series(texts, dtype="str")
    return pd.DataFrame(made)
