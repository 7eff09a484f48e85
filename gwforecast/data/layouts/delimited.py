"""One table from one file, CSV as people have it or Parquet; what is ambiguous is an error."""

from __future__ import annotations

import csv
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gwforecast.data.columns import TIME_NAMES, WELL_NAMES
from gwforecast.data.layouts.agencies import TEXT_NAMES, plain_table
from gwforecast.schema import SchemaError

__all__ = ["Dialect", "read_table"]


PARQUET = (".parquet", ".pq")
TABLES = (".csv", ".txt", ".tsv", ".dat", *PARQUET)
SAMPLED = 65_536  # characters that the dialect is told from
MISSING = ["", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "null", "-"]
_NUMBER_WITH_COMMA = re.compile(r"^[+-]?\d+,\d+$")
_DOTTED_DATE = re.compile(r"^\d{1,2}\.\d{1,2}\.\d{4}")
_SLASHED_DATE = re.compile(r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})")
_ZONE = r"(?:Z|[+-]\d{2}:?\d{2})$"
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}([ '.,])\d{3}(\1\d{3})*([.,]\d+)?$")


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written; None is found out from the file.

    Parameters
    ----------
    delimiter : str, optional
        Between the columns.
    decimal : str, optional
        Decimal mark, ``.`` or ``,``.
    day_first : bool, optional
        Order of 03/04/2020.
    """

    delimiter: str | None = None
    decimal: str | None = None
    day_first: bool | None = None

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise ValueError(
                f"A decimal mark must be '.' or ','. Received {self.decimal!r}. Correct it."
            )
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(
                "A delimiter must be one character, e.g. ',', ';', '|' or a tab. Received "
                f"{self.delimiter!r}. Correct it."
            )


def read_table(path: Path, *, dialect: Dialect | None = None, dated: bool = True) -> pd.DataFrame:
    """Return the table of a CSV or Parquet file.

    Parameters
    ----------
    path : pathlib.Path
        ``.parquet``, or any text of columns.
    dialect : Dialect, optional
        How the text is written.
    dated : bool
        Whether the rows have a time: the result has a DatetimeIndex then, and the names of the
        first column otherwise.

    Raises
    ------
    SchemaError
        If the file can't be read as such a table: names file, line, column and value.
    FileNotFoundError
        If there is no file.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"A file of data must exist. Received {path}, which does not. Correct the path; "
            "relative ones start at the folder of the configuration or of the command."
        )
    if path.suffix.lower() in PARQUET:
        table = _parquet(path)
    else:
        table = _text(path, dialect or Dialect(), first_is_text=not dated)
    if table.shape[0] == 0:
        raise SchemaError(
            f"A table must hold rows of data. Received a header only in {path}. Check the export."
        )
    return _dated(table, path, dialect or Dialect()) if dated else _named(table)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SchemaError(
            f"A .parquet file must be readable as Parquet. Received {path}: {error}. Write it "
            "again, or give it its right suffix."
        ) from None
    return table.reset_index() if table.index.name or not _plain(table.index) else table


def _plain(index: pd.Index) -> bool:
    return isinstance(index, pd.RangeIndex)


def _text(path: Path, dialect: Dialect, *, first_is_text: bool) -> pd.DataFrame:
    sample = _sample(path)
    lines = [line for line in sample.splitlines() if line.strip()]
    if len(lines) < 1:
        raise SchemaError(
            f"A table must hold a header and rows. Received an empty file, {path}. "
            "Check the export."
        )
    delimiter = _delimiter(lines, path, dialect.delimiter)
    decimal = dialect.decimal or _decimal(lines, delimiter)
    _refuse_repeated(lines[0], delimiter, path)
    # text first: numbers are converted column by column, so that an error can name its line
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it warns of lost cells
            table = pd.read_csv(
                path, sep=delimiter, dtype=str, encoding="utf-8-sig", skip_blank_lines=True,
                keep_default_na=False, na_values=MISSING,
                index_col=False,
            )  # fmt: skip
    except UnicodeDecodeError as error:
        raise _not_utf8(error, path) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning) as error:
        raise SchemaError(
            f"All rows must have the columns of the header. Received {path}, where pandas says: "
            f"{error}. Correct the file, or name the delimiter."
        ) from None
    table.columns = [str(name).strip() for name in table.columns]
    for position, name in enumerate(table.columns):
        if _is_text_column(name) or (first_is_text and position == 0):
            continue
        table[name] = _numbers(table[name], decimal, path)
    return table


def _refuse_repeated(header: str, delimiter: str, path: Path) -> None:
    names = pd.Index([name.strip() for name in next(csv.reader([header], delimiter=delimiter))])
    repeated = names[names.duplicated() & (names != "")]
    if len(repeated):
        raise SchemaError(
            f"Columns must have names of their own. Received {repeated[0]!r} twice in {path}. "
            "Rename one."
        )


def _sample(path: Path) -> str:
    raw = path.read_bytes()[:SAMPLED]
    if b"\x00" in raw:
        raise SchemaError(
            f"A table must be text or .parquet. Received binary content in {path}. Export it as "
            "CSV in UTF-8."
        )
    try:
        return raw.decode("utf-8-sig", errors="strict" if len(raw) < SAMPLED else "ignore")
    except UnicodeDecodeError as error:
        raise _not_utf8(error, path) from None


def _not_utf8(error: UnicodeDecodeError, path: Path) -> SchemaError:
    return SchemaError(
        f"A CSV file must be UTF-8. Received byte {error.object[error.start]:#x} in {path}. Save "
        "it as UTF-8."
    )


def _delimiter(lines: list[str], path: Path, given: str | None) -> str:
    header = lines[0]
    if header.startswith("#"):
        raise SchemaError(
            f"The first line must be the header. Received {header[:60]!r} in {path}. Remove the "
            "lines of remarks above the header."
        )
    if given is not None:
        if given in header:
            return given
        raise SchemaError(
            f"The delimiter must part the columns. Received {given!r}, which is not in the "
            f"header {header[:60]!r} of {path}. Correct delimiter=, or leave it out."
        )
    for candidate in ("\t", ";", "|"):
        if candidate in header:
            return candidate
    if "," in header:
        return ","
    try:
        return csv.Sniffer().sniff("\n".join(lines[:20]), delimiters=" ;,\t|").delimiter
    except csv.Error:
        raise SchemaError(
            f"Columns must be separated by a comma, semicolon, tab or bar. Received the header "
            f"{header[:60]!r} in {path}. Name the delimiter with delimiter=."
        ) from None


def _decimal(lines: list[str], delimiter: str) -> str:
    """Return the decimal mark; a comma between commas counts where its cell is quoted."""
    rows = csv.reader(lines[1:200], delimiter=delimiter)
    commas = [c.strip() for row in rows for c in row if _NUMBER_WITH_COMMA.match(c.strip())]
    if delimiter == ",":  # "1,234" between quotes could be a thousand
        commas = [cell for cell in commas if not _THOUSANDS.match(cell)]
    return "," if commas else "."


def _is_text_column(name: str) -> bool:
    return name.lower() in (*WELL_NAMES, *TIME_NAMES, *TEXT_NAMES)


def _parsed(text: pd.Series, decimal: str) -> pd.Series:
    """Return text as numbers, NaN where it is none."""
    plain = text.str.replace(",", ".", regex=False) if decimal == "," else text
    return pd.to_numeric(plain, errors="coerce").astype(float)


def _numbers(column: pd.Series, decimal: str, path: Path) -> pd.Series:
    """Return a column as numbers, or as it is where none of it is a number."""
    numbers = _parsed(column, decimal)
    if not (column.notna() & numbers.isna()).any():
        return numbers
    text = column.str.strip()  # of any space that Unicode has; few columns need it
    numbers = _parsed(text, decimal)
    bad = text.notna() & numbers.isna()
    if not bad.any():
        return numbers
    if bad.sum() == text.notna().sum():
        grouped = text[bad].map(lambda cell: bool(_THOUSANDS.match(cell)))
        if not grouped.all():
            return column
    row = int(np.flatnonzero(bad.to_numpy())[0])
    hint = "write the number without it" if _THOUSANDS.match(text.iloc[row]) else (
        "correct the cell, or leave it empty if the value is missing"
    )  # fmt: skip
    of_units = row == 0 and not any(letter.isdigit() for letter in text.iloc[0])
    unit_row = " A row of units under the header must be removed." if of_units else ""
    raise SchemaError(
        f"A column of numbers must hold numbers only (decimal mark {decimal!r}). Received "
        f"{text.iloc[row]!r} in line {row + 2}, column {column.name!r} of {path}. Mend: {hint}."
        f"{unit_row}"
    )


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose first column is the name of each row, as text."""
    first = table.columns[0]
    names = pd.Index(table[first].map(lambda v: str(v).strip()), name=first)
    return table.drop(columns=first).set_axis(names, axis=0)


def _dated(table: pd.DataFrame, path: Path, dialect: Dialect) -> pd.DataFrame:
    table = plain_table(table)
    column = _time_column(table, path)
    table = table.set_axis(_times(table[column], path, dialect), axis=0).drop(columns=column)
    counter = [c for c in table.columns if str(c).startswith("Unnamed") or str(c) == ""]
    for name in counter:  # an index column that a spreadsheet or pandas has added
        if np.array_equal(table[name].to_numpy(), np.arange(len(table), dtype=float)):
            table = table.drop(columns=name)
    return table


def _time_column(table: pd.DataFrame, path: Path) -> str:
    named = [c for c in table.columns if str(c).lower() in TIME_NAMES]
    if len(named) > 1:
        raise SchemaError(
            f"A table must have one column of times. Received {named} in {path}. Leave only one."
        )
    if named:
        return str(named[0])
    for name in table.columns[:2]:
        column = table[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            return str(name)
        text = column.dropna().astype(str)
        if len(text) and re.match(r"^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", text.iloc[0]):
            return str(name)
    raise SchemaError(
        f"A table must have a column of times, first or named {', '.join(TIME_NAMES[:3])}. "
        f"Received the columns {list(map(str, table.columns))[:8]} in {path}. Name it 'date'."
    )


def _times(column: pd.Series, path: Path, dialect: Dialect) -> pd.DatetimeIndex:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(column)
    text = column.astype("string").str.strip()
    if text.isna().any():
        row = int(np.flatnonzero(text.isna().to_numpy())[0])
        raise SchemaError(
            f"Every row needs a time. Received none in line {row + 2} of {path}. Give the date or "
            "remove the row."
        )
    day_first = dialect.day_first
    if day_first is None:
        day_first = _day_first(text, path)
    zoned = text.str.contains(_ZONE, regex=True) & text.str.contains(":", regex=False)
    if zoned.any() and not zoned.all():
        bad = int(np.flatnonzero((zoned != zoned.iloc[0]).to_numpy())[0])
        raise SchemaError(
            "All times of a file must have a time zone, or none. Received "
            f"{text.iloc[bad]!r} in line {bad + 2} of {path}, where the first is "
            f"{text.iloc[0]!r}. Write them all in UTC."
        )
    form = _format(str(text.iloc[0]), day_first)
    utc = bool(zoned.any())
    try:
        return pd.DatetimeIndex(pd.to_datetime(text, format=form, utc=utc))
    except (ValueError, OverflowError):
        parsed = pd.to_datetime(text, format=form, utc=utc, errors="coerce")
        bad = int(np.flatnonzero(parsed.isna().to_numpy())[0]) if parsed.isna().any() else 0
        like = f", where the first is {text.iloc[0]!r}" if bad else ""
        raise SchemaError(
            f"All times of a file must be dates in one form. Received {text.iloc[bad]!r} in line "
            f"{bad + 2} of {path}{like}. Write them like 2020-01-31."
        ) from None


def _format(first: str, day_first: bool) -> str:
    """Return the format of dates like the first one."""
    if re.match(r"^\d{4}-\d{1,2}-\d{1,2}", first):
        return "ISO8601"
    if re.match(r"^\d{8}$", first):
        return "%Y%m%d"
    mark = next((m for m in "./-" if m in first), "-")
    if re.match(r"^\d{4}", first):
        date = f"%Y{mark}%m{mark}%d"
    else:
        date = f"%d{mark}%m{mark}%Y" if day_first else f"%m{mark}%d{mark}%Y"
    clock = first.count(":")
    if re.search(r"[AaPp][Mm]$", first):
        return date + " " + ("", "%I:%M %p", "%I:%M:%S %p")[min(clock, 2)]
    return date + ("", " %H:%M", " %H:%M:%S")[min(clock, 2)]


def _day_first(text: pd.Series, path: Path) -> bool:
    """Return whether days come first; refuse where the dates do not tell."""
    if _DOTTED_DATE.match(str(text.iloc[0])):
        return True
    parts = text.str.extract(_SLASHED_DATE)
    if parts[0].isna().all():
        return False
    first, second = (pd.to_numeric(parts[k], errors="coerce") for k in (0, 1))
    if (first > 12).any() and (second > 12).any():
        line = int(np.flatnonzero((second > 12).to_numpy())[0])
        raise SchemaError(
            f"All dates must have one order. Received days first and months first in {path}, "
            f"e.g. {text.iloc[line]!r} in line {line + 2}. Write them like 2020-01-31."
        )
    if (first > 12).any():
        return True
    if (second > 12).any():
        return False
    raise SchemaError(
        f"The order of day and month must be known. Received {text.iloc[0]!r} in {path}, which "
        "can be both, as all others. Say day_first=True or False (--day-first, --month-first)."
    )
