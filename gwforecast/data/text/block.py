"""Where the table begins in rows of cells, and its cells as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import DRY, MISSING, Dialect, RawTable
from gwforecast.data.terms.headers import read_header, tokens
from gwforecast.data.terms.units import fold, parse_length
from gwforecast.data.terms.words import CALENDAR
from gwforecast.schema import SchemaError

__all__ = [
    "Block", "find_block", "is_clock", "is_date", "is_number", "is_unit_row", "likely_header",
    "plain_numbers", "unique_names",
]  # fmt: skip

_MONTHS = (
    "jan|feb|mar|mrt|maer|apr|avr|abr|mai|may|maj|mei|mag|jun|giu|jul|lug|aug|aou|ago|sep|set|okt|"
    "oct|ott|out|nov|dec|dez|dic|des|janv|fevr|fev|juin|juil|gen|ene|maart|mars|marzo|"
    "mär|fév|déc|aoû|jän|márz"
)
_DATE = re.compile(
    r"^\s*(?:"
    r"\d{4}[-/.](?:0?[1-9]|[1-9]\d)[-/.]\d{1,2}(?!\d)\.?(?:[T ].*)?"  # 2020-01-31
    r"|\d{4}(?:\. |年)\d{1,2}(?:\. |月)\d{1,2}[.日](?: .*)?"  # 2020. 01. 31.
    r"|\d{1,2}:\d{2}(?::\d{2})? \d{1,2}[-/.]\d{1,2}[-/.]\d{4}"  # 10:00 31/01/2020
    r"|(?:1[5-9]|2[0-9])\d{2}[-/.](?:0[1-9]|1[0-2])"  # 2020-01
    r"|(?:0?[1-9]|1[0-2])[-/.](?:1[5-9]|2[0-9])\d{2}"  # 01/2020
    r"|(?:1[7-9]|20|21)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:[ T]?\d{2,6})?"  # 20200131
    r"|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})(?!\d)\.?(?:[T ,].*)?"  # 31.01.2020
    rf"|\d{{1,2}}\.?[-/ ]?(?:{_MONTHS})[a-zéûä]*\.?[-/ ]?\d{{2,4}}(?:[ ,].*)?"  # 31 Jan 2020
    rf"|(?:{_MONTHS})[a-zéûä]*\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}}(?:[ ,].*)?"
    rf"|(?:{_MONTHS})[a-zéûä]*\.?[-/ ](?:(?:1[5-9]|2[0-9])\d{{2}}|\d{{2}})"  # Jan 2020
    rf"|(?:1[5-9]|2[0-9])\d{{2}}[-/ ](?:{_MONTHS})[a-zéûä]*\.?(?:[-/ ]\d{{1,2}})?(?: .*)?"
    r"|(?:1[5-9]|2[0-9])\d{2}-?W[0-5]\d(?:-?[1-7])?"  # 2020-W05
    r"|(?:1[5-9]|2[0-9])\d{2}[- ]?Q[1-4]|Q[1-4][- /]?(?:1[5-9]|2[0-9])\d{2}"  # 2020-Q1
    r")\s*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"^\s*[<>~]?\s*[+\u2212-]?(?:\d[\d .,'\u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?\s*$"
)
_CLOCK = re.compile(
    r"^\s*(?:\d{1,2}(?::\d{2}){1,2}(?:\.\d+)?\s*(?:[AaPp][Mm])?|\d{4} ?(?:UTC|GMT)|--:--)\s*$"
)
_FORMAT = re.compile(r"^\d{1,3}[sdnfcSDNFC]$")
_UNIT_CELL = re.compile(
    r"^[\[(]?(?:%|-|_$|[dhst]$|days?$|hours?$|min$|mm|°|deg|°?[CFK]|degc|oc\b|hpa|mbar|kpa|pa|psi|w/?m|m?j/?c?m|m/?s|m3|l/s|µs|us/cm|ms/cm|"
    r"yyyy|dd|hh|tt|jjjj|text|date|datum|zeit|time|string|unit|einheit|number|datetime)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_date(cell: str) -> bool:
    """Return whether a cell looks like a date.

    Examples
    --------
    >>> [is_date(c) for c in ("2020-01-31", "31.1.20 10:00", "4 Mär 2016", "12,5", "Sand")]
    [True, True, True, False, False]
    """
    return _DATE.match(cell) is not None


@lru_cache(maxsize=4096)
def is_number(cell: str) -> bool:
    """Return whether a cell looks like a number, with any decimal mark."""
    return _NUMBER.match(cell) is not None and not is_date(cell)


def is_clock(cell: str) -> bool:
    """Return whether a cell is a time of day, without a date."""
    return _CLOCK.match(cell) is not None


LEAST_FACTS = 4  # rows of facts of each column below its name


@dataclass(frozen=True)
class Block:
    """A table in rows of cells; all numbers count rows from 0."""

    header: int | None  # row of the header; None where there is none
    names: list[str]  # names of the columns
    units: dict[int, str]  # units by column, from a row below the header
    first: int  # first row of values
    date: int  # column of the dates
    count: int  # rows with a date, among those that were looked at
    numbers: int  # those with a value too


def find_block(rows: Sequence[Sequence[str]]) -> Block | None:
    """Return where a table with dates begins; None where no column holds dates.

    Examples
    --------
    >>> rows = [["Station", "7"], [], ["date", "level"], ["", "m"], ["2020-01-01", "1.5"]]
    >>> block = find_block(rows)
    >>> block.header, block.names, block.units, block.first
    (2, ['date', 'level'], {1: 'm'}, 4)
    """
    columns: Counter[int] = Counter()
    for cells in rows:
        if len([cell for cell in cells if cell.strip()]) > 1 or len(cells) == 1:
            columns.update(k for k, cell in enumerate(cells[:40]) if is_date(cell))
    if not columns:
        return None
    most = max(columns.values())
    close = [k for k, count in columns.items() if count >= 0.8 * most]
    dates, first = _of_headers(rows, close)
    width = len(rows[first])
    block = _header(rows, first, dates, width)
    body = [cells for cells in rows[first:] if len(cells) > dates and is_date(cells[dates])]
    known = [[c.strip() for k, c in enumerate(row) if k != dates and c.strip()] for row in body]
    numbers = sum(any(is_number(c) or c in MISSING or fold(c) in DRY for c in row) for row in known)
    return Block(*block, dates, len(body), numbers)


def _of_headers(rows: Sequence[Sequence[str]], close: list[int]) -> tuple[int, int]:
    """Return the column of the dates and the first row of values, by the words of the header."""
    starts = {k: _start(rows, k) for k in close}
    for k in sorted(close):
        above = next((rows[i] for i in range(starts[k] - 1, -1, -1) if _filled(rows[i]) > 1), [])
        if k < len(above) and read_header(above[k].strip(" #")).meaning == "time":
            return k, starts[k]
    return min(close), starts[min(close)]


def _start(rows: Sequence[Sequence[str]], column: int) -> int:
    """Return the first row of the longest run of rows with a date in a column.

    Blank rows and single bad cells do not end a run; a row of other width does.
    """
    best = best_length = length = width = apart = 0
    start = -1
    for i, cells in enumerate(rows):
        if not _filled(cells):
            continue
        dated = column < len(cells) and is_date(cells[column])
        if dated and (start < 0 or apart > 3 or abs(_filled_to(cells) - width) > 6):
            start, length, width = i, 0, _filled_to(cells)
        if dated:
            length, apart = length + 1, 0
            if length > best_length:
                best, best_length = start, length
        else:
            apart += 1
            if length < 2 and _filled(cells) > 1:
                start = -1
    return best


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def _filled_to(cells: Sequence[str]) -> int:
    return max((k + 1 for k, cell in enumerate(cells) if cell.strip()), default=0)


def _header(
    rows: Sequence[Sequence[str]], first: int, dates: int, width: int
) -> tuple[int | None, list[str], dict[int, str], int]:
    """Return row and names of the header, units, and the first row of values."""
    units: dict[int, str] = {}
    for i in range(first - 1, -1, -1):
        cells = [cell.strip() for cell in rows[i]]
        if not any(cell.strip("#-=*") for cell in cells):
            continue  # nothing, or a rule between the header and the values
        if cells[0] == "#" and len(cells) == width + 1:  # parted by blanks
            cells = cells[1:]
        if i == 0 or cells[0].startswith("#"):
            cells[0] = cells[0].lstrip("#").strip() if len(cells) > 1 or width == 1 else cells[0]
        if all(_FORMAT.match(cell) for cell in cells if cell):
            continue
        if is_unit_row(cells) and not units and _has_header(rows, i):
            units = {k: cell.strip("[]()") for k, cell in enumerate(cells) if cell}
            continue
        if _is_row_of_facts(rows, i, dates):
            continue
        if _can_be_header(cells, dates, width):
            top = _top_of_facts(rows, i, dates)
            above = None if dates < len(cells) and cells[dates] else _named_above(rows, i, dates)
            if above is not None:
                i, units = above
                cells = [cell.strip() for cell in rows[i]]
            if top < i:
                return top, [cell.strip() for cell in rows[top]], {}, first
            names = [" ".join(name.split()) for name in cells]
            return i, _stacked(rows, i, _with_below(rows[i + 1 : first], names)), units, first
        if not _is_values(cells, dates):
            return None, _numbered(rows[first], dates), units, first
        first = i  # whose date will be refused
    return None, _numbered(rows[first], dates), units, first


def _top_of_facts(rows: Sequence[Sequence[str]], i: int, dates: int) -> int:
    """Return the header of a table whose columns have facts below their names, each with a key.

    These are at least four rows of one width above the values, none of which names the time, as
    the stations of CR2 have them; any other table has its header in row ``i``.
    """
    keys: list[str] = []
    top = i
    for k in range(i, -1, -1):
        cells = [cell.strip() for cell in rows[k]]
        key = cells[dates] if dates < len(cells) else ""
        plain = key and not (is_date(key) or is_number(key) or key in keys or key.endswith(":"))
        if not plain or len(cells) != len(rows[i]) or read_header(key).meaning == "time":
            break
        keys.append(key)
        top = k
    return top if len(keys) >= LEAST_FACTS and len(rows[i]) > 1 else i


def _is_row_of_facts(rows: Sequence[Sequence[str]], i: int, dates: int) -> bool:
    """Return whether a row below the header holds a number for each column, as heights of wells."""
    above = [rows[k] for k in range(i - 1, max(i - 8, -1), -1) if _filled(rows[k])]
    rest = [cell for k, cell in enumerate(rows[i]) if k != dates and cell.strip()]
    name = rows[i][dates].strip() if dates < len(rows[i]) else ""
    named = read_header(name).meaning == "time" or is_number(name) or is_date(name) or not name
    headers = any(
        dates < len(cells) and read_header(cells[dates].strip("# ")).meaning == "time"
        and _filled(cells) == len(rest) + 1 for cells in above
    )  # fmt: skip
    return bool(rest) and not named and all(map(is_number, rest)) and headers


def _has_header(rows: Sequence[Sequence[str]], i: int) -> bool:
    """Return whether a row above could be the header of a row of units."""
    above = [rows[k] for k in range(i - 1, max(i - 3, -1), -1) if _filled(rows[k])]
    return bool(above) and _filled(above[0]) > 1 and not any(map(is_date, above[0]))


def is_unit_row(cells: Sequence[str]) -> bool:
    """Return whether a row below a header holds units."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return False
    known = [bool(parse_length(c) or _UNIT_CELL.match(c)) or not c.strip("[]()") for c in filled]
    named = [
        read_header(c).meaning in ("level", "depth", "well", "rain") and parse_length(c) is None
        for c in filled
    ]
    if sum(read_header(c).meaning == "time" for c in filled) > 1:
        return False  # each well has its own column of dates
    return all(known) and not any(named) and not all(tokens(c) == ["date"] for c in filled)


def _can_be_header(cells: list[str], dates: int, width: int) -> bool:
    filled = [cell for cell in cells if cell]
    at_dates = cells[dates] if dates < len(cells) else ""
    if width > 1 and (len(filled) < 2 and not (len(cells) >= width and len(filled) == width - 1)):
        return False
    if len(cells) < min(width, 2) or (at_dates and (is_date(at_dates) or is_number(at_dates))):
        return False
    if _is_values(cells, dates):
        return False
    if at_dates.endswith(":") and read_header(at_dates.rstrip(":")).meaning != "time":
        return False
    words = [c for c in filled if not is_number(c)]
    return bool(words) or not at_dates or not cells[0]


def _named_above(
    rows: Sequence[Sequence[str]], i: int, dates: int
) -> tuple[int, dict[int, str]] | None:
    """Return a header some rows higher, that names the time, and the units between; or None."""
    units: dict[int, str] = {}
    for k in range(i - 1, max(i - 5, -1), -1):
        cells = [cell.strip() for cell in rows[k]]
        if dates < len(cells) and read_header(cells[dates].strip("# ")).meaning == "time":
            return (k, units) if _filled(cells) > 1 else None
        units = {
            place: cell.strip("[]()")
            for place, cell in enumerate(cells)
            if parse_length(cell) or _UNIT_CELL.match(cell)
        } or units
    return None


def _with_below(rows: Sequence[Sequence[str]], names: list[str]) -> list[str]:
    """Return names of columns, repeated ones with what rows below the header say of them."""
    below = [cells for cells in rows if _filled(cells) > 1 and not is_unit_row(cells)]
    if not below:
        return names
    return [
        " ".join([name, *(c[k].strip() for c in below if k < len(c) and c[k].strip())])
        if name and names.count(name) > 1 else name
        for k, name in enumerate(names)
    ]  # fmt: skip


def _stacked(rows: Sequence[Sequence[str]], i: int, names: list[str]) -> list[str]:
    """Return names of columns, with those of the rows above where they would be repeated.

    A name above stands for the empty cells behind it as well, as merged cells of a sheet do.
    """
    for above in reversed(rows[max(i - 3, 0) : i]):
        filled = [name for name in names if name]
        if len(set(filled)) == len(filled):
            break
        if _filled(above) < 2 or any(map(is_date, above)) or above[0].rstrip().endswith(":"):
            continue
        group, made = "", []
        for place, name in enumerate(names):
            cell = " ".join(above[place].split()) if place < len(above) else ""
            group = cell or group
            made.append(" ".join(part for part in (group, name) if part))
        names = made
    return names


def _is_values(cells: list[str], dates: int) -> bool:
    """Return whether a row holds values, though its date is not understood."""
    at_dates = cells[dates] if dates < len(cells) else ""
    rest = [cell for k, cell in enumerate(cells) if cell and k != dates]
    return bool(re.search(r"\d", at_dates)) and bool(rest) and all(map(is_number, rest))


def _numbered(cells: Sequence[str], dates: int) -> list[str]:
    """Return names of columns without a header, by what their first cells look like."""
    names: list[str] = []
    for k, cell in enumerate(cells):
        name = "value"
        if k == dates:
            name = "time"
        elif is_clock(cell):
            name = "clock"
        elif re.match(r"^0\d{3,}$", cell.strip()):
            name = "station" if "station" not in names else "sensor"
        names.append(name if name not in names else f"{name} {k}")
    return names


def unique_names(names: Sequence[str], where: str) -> list[str]:
    """Return names of columns; empty ones are numbered, and so are repeated ones of times.

    Raises SchemaError if two columns have the same name.
    """
    made: list[str] = []
    for place, name in enumerate(names):
        if name and name in made:
            if read_header(name).meaning not in ("time", "quality", "index"):
                if is_number(name) or is_date(name):
                    raise SchemaError(
                        f"A table must have a header. Received the value {name!r} twice in its "
                        f"place, in {where}. Write a line with the names of the columns above, "
                        "e.g. date,level or year,month,day,rain."
                    )
                raise SchemaError(
                    f"Columns must have names of their own. Received {name!r} twice in {where}. "
                    "Rename one, or write the names of the wells into the row above."
                )
            name = f"{name} {place}"
        made.append(name or f"Unnamed: {place}")
    return made


def likely_header(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the first row that names a time beside a level, a well or the weather.

    Examples
    --------
    >>> likely_header([["Report", "2020"], ["Datum", "Grundwasserstand [m]"]])
    1
    """
    others = {"level", "depth", "value", "well", "rain", "temperature"}
    for k, cells in enumerate(rows):
        filled = [cell.strip(" #") for cell in cells if cell.strip()]
        meanings = {read_header(cell).meaning for cell in filled}
        plain = not any(is_date(cell) or is_number(cell) for cell in filled)
        if len(filled) > 1 and "time" in meanings and meanings & others and plain:
            return k
    return None


TRACES = (
    "T",
    "Trace",
    "Tr",
    "trace",
    "Ip",
    "No precipitation",
    "Trace of precipitation",
    "Осадков нет",
    "Следы осадков",
)  # rain that was too little to be measured, or none
_SPACED = r"^[+-]?\d{1,3}(?:[ '\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?$"
_BOTH = {",": r"^[+-]?\d{1,3}(?:\.\d{3})+,\d+$", ".": r"^[+-]?\d{1,3}(?:,\d{3})+\.\d+$"}
_WHOLE = {",": r"^[+-]?\d{1,3}(?:\.\d{3})+$", ".": r"^[+-]?\d{1,3}(?:,\d{3})+$"}
_GROUPED = re.compile(r"^[+-]?\d{1,3}(?:([ '.,\u00a0\u202f\u2019])\d{3})(?:\1\d{3})*(?:[.,]\d+)?$")
_MARKED = r"[+-]?\d[\d.,]*\s?[*#$]"


def plain_numbers(raw: RawTable, decimal: str, *, dated: bool, dialect: Dialect) -> RawTable:
    """Return a table whose columns of numbers are numbers, and the others text.

    A word for a dry well is a missing value that is kept in ``dry``.

    Raises SchemaError if a column of numbers holds a cell that is none; names line and column.
    """
    frame, dry, made = raw.frame, {}, {}
    for place, name in enumerate(map(str, frame.columns)):
        column, header = frame.iloc[:, place], read_header(name)
        if pd.api.types.is_bool_dtype(column.dtype):
            column = column.astype(str)
        if pd.api.types.is_numeric_dtype(column.dtype):
            made[name] = column.astype(float)
            continue
        plain = header.is_text or header.meaning in ("time", "quality", "zone", "direction")
        plain |= pd.api.types.is_datetime64_any_dtype(column.dtype)
        plain |= " ".join(tokens(name)) in CALENDAR["year"]  # Mean below the years
        if plain or name in dialect.text_columns or (not dated and place == 0):
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
    if dialect.decimal and text.dropna().str.match(_WHOLE[dialect.decimal]).any():
        other = "." if dialect.decimal == "," else ","
        text = text.mask(text.str.match(_WHOLE[dialect.decimal]), text.str.replace(other, ""))
    if read_header(str(column.name)).kind in ("rain", "snow") and text.isin(TRACES).any():
        texts = ", ".join(sorted(set(TRACES) & set(text)))
        raw.notes.append(f"trace: {column.name!r} of {texts} is read as 0")
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
