"""Cells as numbers: decimal marks, thousands, texts for missing values, and wells that are dry."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import DRY, MISSING, Dialect, RawTable
from gwforecast.data.terms.units import fold
from gwforecast.data.terms.vocabulary import read_header
from gwforecast.schema import SchemaError

__all__ = ["plain_numbers"]


TRACES = ("T", "Trace", "Tr", "trace", "Ip")  # rain that was too little to be measured
_SPACED = r"^[+-]?\d{1,3}(?:[ '\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?$"
_BOTH = {",": r"^[+-]?\d{1,3}(?:\.\d{3})+,\d+$", ".": r"^[+-]?\d{1,3}(?:,\d{3})+\.\d+$"}
_WHOLE = {",": r"^[+-]?\d{1,3}(?:\.\d{3})+$", ".": r"^[+-]?\d{1,3}(?:,\d{3})+$"}
_GROUPED = re.compile(r"^[+-]?\d{1,3}(?:([ '.,\u00a0\u202f\u2019])\d{3})(?:\1\d{3})*(?:[.,]\d+)?$")
_MARKED = r"[+-]?\d[\d.,]*\s?[*#$]"
_TEXT_MEANINGS = ("time", "well", "screen", "quality", "unit", "zone", "parameter", "direction")


def plain_numbers(raw: RawTable, decimal: str, *, dated: bool, dialect: Dialect) -> RawTable:
    """Return a table whose columns of numbers are numbers, and the others text.

    A word for a dry well is a missing value that is kept in ``dry``.

    Raises
    ------
    SchemaError
        If a column of numbers holds a cell that is none; names line and column.
    """
    frame, dry, made = raw.frame, {}, {}
    for place, name in enumerate(map(str, frame.columns)):
        column = frame.iloc[:, place]
        if pd.api.types.is_bool_dtype(column.dtype):
            column = column.astype(str)
        if pd.api.types.is_numeric_dtype(column.dtype):
            made[name] = column.astype(float)
            continue
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            made[name] = column
            continue
        header = read_header(name)
        if (
            name in dialect.text_columns
            or (not dated and place == 0)
            or (header.meaning in _TEXT_MEANINGS and not (header.meaning == "well" and header.rest))
        ):
            made[name] = column
        else:
            made[name], dry_rows = _column(column, decimal, raw, dialect)
            if dry_rows.any():
                dry[name] = dry_rows
    return raw.changed(
        frame=pd.DataFrame(made, index=frame.index, copy=False), dry={**raw.dry, **dry}
    )


def _column(
    column: pd.Series, decimal: str, raw: RawTable, dialect: Dialect
) -> tuple[pd.Series, np.ndarray]:
    """Return a column as numbers and where it says dry; or as it is where it holds only text."""
    text = column.astype("str").str.strip()
    if dialect.decimal == "," and text.dropna().str.match(_WHOLE[","]).any():
        text = text.mask(text.str.match(_WHOLE[","]), text.str.replace(".", ""))
    if read_header(str(column.name)).kind in ("rain", "snow") and text.isin(TRACES).any():
        raw.notes.append(f"trace: {column.name!r} of {', '.join(TRACES)} is read as 0")
        text = text.mask(text.isin(TRACES), "0")
    text = text.mask(text.isin([*MISSING, *dialect.missing]) | column.isna())
    folded = text.map(fold, na_action="ignore")
    dry = folded.isin(DRY).to_numpy(bool)
    text = text.mask(dry)
    numbers = _parsed(text, decimal)
    marked = text.where(numbers.isna()).str.fullmatch(_MARKED).fillna(False).astype(bool)
    if marked.any() and marked.mean() < 0.5:  # of an estimate, 12.3*
        raw.notes.append(
            f"marks: {int(marked.sum())} numbers of {column.name!r} with a mark behind them, first "
            f"{text[marked].iloc[0]!r}, are read without it"
        )
        numbers = numbers.fillna(_parsed(text.where(marked).str.rstrip(" *#$"), decimal))
    bad = (text.notna() & numbers.isna()).to_numpy()
    if not bad.any():
        return numbers, dry
    grouped = text[bad].map(lambda cell: bool(_GROUPED.match(cell)))
    if bad.sum() == text.notna().sum() and not grouped.all():
        return column, np.zeros(len(column), bool)
    if bad.mean() > 0.5 and not grouped.any() and text.nunique() < len(text) / 2:
        return column, np.zeros(len(column), bool)  # codes, some of which look like numbers
    raise _no_number(text, bad, decimal, str(column.name), raw)


def _parsed(text: pd.Series, decimal: str) -> pd.Series:
    """Return text as numbers, NaN where it is none; groups of thousands where they are certain."""
    plain = text.str.replace("\u2212", "-", regex=False)
    both = plain.str.match(_BOTH[decimal]).fillna(False).astype(bool)
    whole = plain.str.match(_WHOLE[decimal]).fillna(False).astype(bool)
    if both.any():
        both |= whole  # 1.131 beside 1.131,5 has a mark of thousands too
    elif whole.any() and decimal == ",":
        plain = plain.mask(whole)  # 1.131 beside 131,5 is not certain
    if both.any():
        plain = plain.mask(both, plain.str.replace("." if decimal == "," else ",", "", regex=False))
    spaced = plain.str.match(_SPACED).fillna(False).astype(bool)
    if spaced.any():
        plain = plain.mask(spaced, plain.str.replace(r"[ '\u2019\u00a0\u202f]", "", regex=True))
    if decimal == ",":
        plain = plain.str.replace(",", ".", regex=False)
    return pd.to_numeric(plain, errors="coerce").astype(float)


def _no_number(
    text: pd.Series, bad: np.ndarray, decimal: str, name: str, raw: RawTable
) -> SchemaError:
    row = int(np.flatnonzero(bad)[0])
    cell = str(text.iloc[row])
    if _GROUPED.match(cell):
        hint = "write the number without it, or say which is the decimal mark with decimal="
    elif re.match(r"^[<>]", cell):
        hint = (
            f"correct the cell, or read it as missing with missing_values=[{cell!r}]; a value "
            "below a limit is not a measured level"
        )
    else:
        hint = (
            "correct the cell, or leave it empty if the value is missing; a text for missing "
            f"values is named with missing_values=[{cell!r}]"
        )
    of_units = row == 0 and not any(letter.isdigit() for letter in cell)
    unit_row = " A row of units under the header must be removed." if of_units else ""
    return SchemaError(
        f"A column of numbers must hold numbers only (decimal mark {decimal!r}). Received "
        f"{cell!r} in line {raw.line(row)}, column {name!r} of {raw.path}. Fix: {hint}.{unit_row}"
    )
