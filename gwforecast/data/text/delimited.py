"""One table from one file, delimited text as people have it or Parquet; ambiguity is an error."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import MISSING, Dialect, RawTable, facts_of_lines
from gwforecast.data.terms.headers import read_header, tokens
from gwforecast.data.terms.words import CALENDAR, CALENDAR_WORDS
from gwforecast.data.text.block import (
    Block,
    find_block,
    is_date,
    is_number,
    is_unit_row,
    likely_header,
    plain_numbers,
    unique_names,
)
from gwforecast.data.text.encoding import Text, decoded
from gwforecast.schema import SchemaError

__all__ = ["PARQUET", "TABLES", "check_exists", "hint_of_header", "read_delimited", "read_parquet"]

PARQUET = (".parquet", ".pq")
TABLES = (".csv", ".txt", ".tsv", ".dat", ".tab", ".asc", ".rdb", ".prn", *PARQUET)
DELIMITERS = ("\t", ";", "|", ",")
_IMGW = r'"?\d{9}"?,"[^"]+","?[12]\d{3}"?,"?\d\d"?,"?\d\d"?,'
_HEADERLESS = {
    r"[A-Z]{2}[A-Z0-9_-]{9},\d{8},[A-Z0-9]{4},-?\d+,": (  # GHCN-Daily by year
        "STATION,DATE,ELEMENT,VALUE,M FLAG,Q FLAG,S FLAG,OBS TIME"
    ),
    _IMGW + r"(?:[^,]*,){12}[^,]*$": (
        "station,station name,year,month,day,TMAX,status TMAX,TMIN,status TMIN,STD,status STD,"
        "TMNG,status TMNG,SMDB,status SMDB,kind of SMDB,PKSN,status PKSN"
    ),
    _IMGW + r"(?:[^,]*,){10}[^,]*$": (
        "station,station name,year,month,day,SMDB,status SMDB,kind of SMDB,PKSN,status PKSN,HSS,"
        "status HSS,GATS,status GATS,RPSN,status RPSN"
    ),
}
"""Names of the columns of files that are published without a header, by their first line."""
_ANY_THOUSANDS = re.compile(r"^[+-]?\d{1,3}(?:([ '.,\u00a0\u202f])\d{3})(?:\1\d{3})*(?:[.,]\d+)?$")


def check_exists(path: Path) -> None:
    """Raise FileNotFoundError where there is no file."""
    if not path.exists():
        raise FileNotFoundError(
            f"A file of data must exist. Received {path}, which does not. Correct the path; "
            "relative ones start at the folder of the configuration or of the command."
        )


def read_parquet(path: Path) -> RawTable:
    """Return the table of a Parquet file.

    Raises SchemaError if it is no Parquet file.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SchemaError(
            f"A .parquet file must be readable as Parquet. Received {path}: {error}. Write it "
            "again, or give it its right suffix."
        ) from None
    if table.index.name or not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    return RawTable(table, path, layout="Parquet table")


@dataclass(frozen=True)
class _Layout:
    """Where the table is in a text: delimiter, decimal mark and lines."""

    delimiter: str
    names: list[str]
    units: dict[int, str]
    header: int | None  # line, from 0
    first: int  # line of the first values
    above: list[list[str]]
    date: int | None = None  # column
    decimal: str = "."
    texts: tuple[str, ...] = ()  # columns of names and codes, which stay text


def read_delimited(path: Path, dialect: Dialect, *, dated: bool = True) -> RawTable:
    """Return the table of a text file, its header found by itself.

    Raises SchemaError if the file can't be read as such a table: names file, line, column and
    value.

    Parameters
    ----------
    dialect : Dialect
        How the text is written; what is None is found out.
    """
    text = decoded(path, dialect.encoding)
    lines = text.sample()
    if not any(line.strip('" ,;') for line in lines):
        raise SchemaError(
            f"A table must hold a header and rows. Received an empty file, {path}. "
            "Check the export."
        )
    layout = _find(lines, path, dialect, dated)
    rows = [_cells(line, layout.delimiter) for line in lines[layout.first :]]
    facts = facts_of_lines(layout.above)
    facts["above"] = " ".join(" ".join(cells) for cells in layout.above)[:4000]
    names = layout.names
    if layout.header is None:
        said = _headerless(lines[layout.first]) or facts.get("columns", "").split(",")
        names = said if len(said) == len(names) else names
    names = unique_names(names, str(path))
    layout = replace(
        layout, names=names, decimal=dialect.decimal or _decimal(rows, layout.delimiter),
        texts=tuple(
            name for place, name in enumerate(names) if (not dated and place == 0)
            or name in dialect.text_columns or read_header(name).is_text
        ),
    )  # fmt: skip
    line = _lines_of(path, layout.first, text.encoding)
    _refuse_thousands(rows, names, dialect, path)
    made = _quickly(text, rows, layout, dialect)
    if made is None:
        made = _parsed(path, path, layout, dialect, text.encoding)
    made, line, repeats = _without_headers(made, line)
    frame, footer = _without_footer(made, layout)
    if frame.shape[0] == 0:
        raise SchemaError(
            f"A table must hold rows of data. Received a header only in {path}. Check the export."
        )
    raw = RawTable(frame, path, facts=facts, line=line)
    for place, unit in layout.units.items():
        if place < len(names) and (header := read_header(names[place])).unit is None:
            raw.headers[names[place]] = header.with_unit(unit)
    raw.notes.extend(_notes(text, lines, layout, repeats, footer))
    return _without_code(plain_numbers(raw, layout.decimal, dated=dated, dialect=dialect))


def _notes(
    text: Text, lines: list[str], layout: _Layout, repeats: int, footer: list[str]
) -> list[str]:
    """Return what was left out of a text, and where its header is."""
    start = layout.first if layout.header is None else layout.header + 1
    notes = [
        f"left out: the line {line[:60]!r} below the header"
        for line in lines[start : layout.first]
        if any(map(is_number, _cells(line, layout.delimiter)))
    ]
    if repeats:
        notes.append(f"left out: {repeats} lines that repeat the header")
    if footer:
        notes.append(f"left out: {len(footer)} lines below the table ({footer[0][:40]!r})")
    if text.encoding not in ("utf-8", "utf-8-sig"):
        notes.append(f"text: encoding {text.encoding}")
    if layout.header is None:
        notes.append("header: none; the first column of values is taken")
    elif layout.header > 0:
        notes.append(f"header: line {layout.header + 1}")
    return notes


def _refuse_thousands(
    rows: list[list[str]], names: list[str], dialect: Dialect, path: Path
) -> None:
    """Refuse millimetres that all have three decimals: they may be whole, with thousands."""
    for place, name in enumerate(names):
        length = read_header(name).length
        cells = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        whole = all(re.fullmatch(r"-?\d{1,3}[.,]\d{3}", cell) for cell in cells)
        if length and length.name == "mm" and not dialect.decimal and len(cells) > 1 and whole:
            mark, other = (".", ",") if "." in cells[0] else (",", ".")
            raise SchemaError(
                f"The decimal mark must be known. Received {cells[0]!r} in the column {name!r} of "
                f"{path}, whose {mark!r} may be one of thousands. Say decimal={mark!r} (--decimal "
                f"{mark}) if it is a decimal mark, or decimal={other!r}."
            )


def _headerless(line: str) -> list[str]:
    """Return the names of the columns of a known file without a header, or nothing."""
    return next((n.split(",") for pattern, n in _HEADERLESS.items() if re.match(pattern, line)), [])


def _without_code(raw: RawTable) -> RawTable:
    """Return a table without the number that its header names for missing values."""
    if not is_number(raw.facts.get("missing", "")):
        return raw
    code = float(raw.facts["missing"].replace(",", "."))
    numbers = raw.frame.select_dtypes("number")
    raw.notes.append(f"missing values: {code:g}, by the lines above the table")
    return raw.changed(frame=raw.frame.assign(**numbers.mask(numbers == code)))


def _without_headers(
    frame: pd.DataFrame, line: Callable[[int], int]
) -> tuple[pd.DataFrame, Callable[[int], int], int]:
    """Return the rows without those that repeat the header, and how many did."""
    first = frame.columns[0]
    kind = frame[first].dtype
    if pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind):
        return frame, line, 0
    suspects = np.flatnonzero((frame[first] == first).to_numpy(bool, na_value=False))
    repeats = [k for k in suspects if frame.iloc[k].astype(str).tolist() == list(frame.columns)]
    if not repeats:
        return frame, line, 0
    kept = np.setdiff1d(np.arange(len(frame)), repeats)
    return frame.iloc[kept].reset_index(drop=True), lambda row: line(int(kept[row])), len(repeats)


def _find(lines: list[str], path: Path, dialect: Dialect, dated: bool) -> _Layout:
    """Return delimiter and header, as given or found by the rows of dates."""
    start = dialect.first_line or 0
    if start >= len(lines):
        raise SchemaError(
            f"The header must be in the file. Received line {start + 1} for it; {path} has "
            f"{len(lines)} lines. Correct header_row or skip_rows."
        )
    if dialect.first_line is not None or not dated:
        return _at(lines, start, path, dialect, dated)
    if names := _headerless(lines[0]):
        return _Layout(",", [f"column {k}" for k in range(len(names))], {}, None, 0, [])
    if lines[0].startswith("file,timestamp,"):
        return _of_nrfa(lines)
    text = "\n".join(lines)
    if dialect.delimiter is not None and dialect.delimiter not in text:
        raise _not_there(dialect.delimiter, lines, path)
    candidates = [dialect.delimiter] if dialect.delimiter else [*DELIMITERS, "  ", " "]
    found: list[tuple[tuple[int, int, int], str, Block, list[list[str]]]] = []
    for rank, delimiter in enumerate(candidates):
        if delimiter not in text or (delimiter == " " and found):
            continue
        rows = [_cells(line, delimiter) for line in lines]
        block = find_block(rows)
        if (
            block is None
            or (  # a comma below lines without any is a decimal mark
                delimiter == "," and block.first > 0 and "," not in "".join(lines[: block.first])
            )
        ):
            continue
        if len(block.names) > 1 or len(rows[block.first]) > 1:
            found.append(((block.numbers, block.count, -rank), delimiter, block, rows))
    if not found or max(found)[0][0] == 0:
        start, blanks = _likely_header(lines, candidates)
        dialect = replace(dialect, delimiter=" ") if blanks else dialect
        return _at(lines, start, path, dialect, dated)
    _, delimiter, block, rows = max(found, key=lambda item: item[0])
    above = rows[: block.first if block.header is None else block.header]
    shift = len(block.names) - max(block.units, default=0) - 1 if delimiter.isspace() else 0
    units = {k + shift * (delimiter != "\t"): unit for k, unit in block.units.items()}
    return _Layout(delimiter, block.names, units, block.header, block.first, above, block.date)


def _of_nrfa(lines: list[str]) -> _Layout:
    """Return the layout of the UK National River Flow Archive: facts in threes, then values."""
    above = [_cells(line, ",") for line in lines if re.match(r"[A-Za-z]", line)]
    facts = {f"{cells[0]} {cells[1]}": cells[-1] for cells in above if len(cells) > 2}
    named = facts.get("dataType parameter") or facts.get("dataType name", "value")
    names = ["date", f"{named} ({facts.get('dataType units', '')})", "flag"]
    return _Layout(",", names, {}, len(above) - 1, len(above), above, 0)


def _likely_header(lines: list[str], delimiters: list[str]) -> tuple[int, bool]:
    """Return the first line that names a time among several columns, and whether by blanks.

    Blanks part the columns where no other delimiter does, and year and month or day are named. The
    first line with text is returned where none names a time.
    """
    for blanks in (False, True):
        for k, line in enumerate(lines):
            for delimiter in [one for one in delimiters if (one == " ") == blanks]:
                cells = [cell for cell in _cells(line.lstrip("# "), delimiter) if cell.strip()]
                names = {" ".join(tokens(cell)) for cell in cells}
                calendar = bool(names & set(CALENDAR["year"])) and len(names & CALENDAR_WORDS) > 1
                timed = not blanks and any(read_header(cell).meaning == "time" for cell in cells)
                if len(cells) > 1 and (calendar or timed):
                    return k, blanks
    return next(k for k, line in enumerate(lines) if line.strip()), False


def _at(lines: list[str], start: int, path: Path, dialect: Dialect, dated: bool) -> _Layout:
    """Return the layout of a table whose header is in a given line, or in the first."""
    header = lines[start]
    plain = header.lstrip("# ")
    named = any(read_header(c).meaning == "time" for m in DELIMITERS for c in _cells(plain, m))
    if dialect.first_line is not None or start > 0 or named:
        header = plain
    if header.startswith("#"):
        raise SchemaError(
            f"A table must have a header and rows with dates. Received {header[:60]!r} in {path}, "
            "and no row with a date below it. Remove the lines of remarks, or name the line of the "
            "header with header_row=."
        )
    delimiter = _delimiter(header, lines, path, dialect.delimiter)
    names = [" ".join(cell.split()) for cell in _cells(header, delimiter)]
    if dated and dialect.first_line is not None and any(map(is_date, names)):
        raise SchemaError(
            f"A header holds names. Received {header[:60]!r} in line {start + 1} of {path}, which "
            "holds a date. Correct header_row or skip_rows."
        )
    rows = [_cells(line, delimiter) for line in lines[start + 1 : start + 4]]
    first, units = start + 1, {}
    if dated and len(rows) > 1 and dialect.first_line is not None:
        block = find_block([names, *rows])
        if block is not None and block.header == 0:
            first, units = start + block.first, block.units
    elif dated and rows and is_unit_row(rows[0]):
        shift = len(names) - len(rows[0]) if delimiter.isspace() and delimiter != "\t" else 0
        first += 1
        units = {k + shift: cell.strip("[]() ") for k, cell in enumerate(rows[0]) if cell.strip()}
    above = [_cells(line, delimiter) for line in lines[:start]]
    return _Layout(delimiter, names, units, start, first, above)


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; two blanks or more delimit columns of fixed width."""
    if delimiter in ("  ", " "):
        return re.split(rf"\s{{{len(delimiter)},}}", line.strip())
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)


def _not_there(given: str, lines: list[str], path: Path) -> SchemaError:
    header = next((line for line in lines if line.strip()), "")
    return SchemaError(
        f"The delimiter must part the columns. Received {given!r}, which is not in the "
        f"header {header[:60]!r} of {path}. Correct delimiter=, or leave it out."
    )


def _delimiter(header: str, lines: list[str], path: Path, given: str | None) -> str:
    if given is not None:
        if given in header:
            return given
        raise _not_there(given, [header], path)
    for candidate in (*DELIMITERS, "  "):
        if len(_cells(header, candidate)) > 1:
            return candidate
    try:
        sniffed = csv.Sniffer().sniff("\n".join(lines[:20]), delimiters=" ;,\t|").delimiter
    except csv.Error:
        sniffed = None
    if sniffed is None or sniffed not in header.strip():
        raise SchemaError(
            f"Columns must be separated by a comma, semicolon, tab or bar. Received the header "
            f"{header[:60]!r} in {path}. Name the delimiter with delimiter=."
        ) from None
    return sniffed


def _decimal(rows: list[list[str]], delimiter: str) -> str:
    """Return the decimal mark; a comma between commas counts where its cell is quoted."""
    with_comma = re.compile(r"^[<>~]?[+-]?\d*(?:[ '.\u00a0\u202f]?\d{3})*,\d+$")
    cells = [cell.strip().replace("\u2212", "-") for row in rows for cell in row]
    commas = [cell for cell in cells if with_comma.match(cell)]
    points = [cell for cell in cells if re.match(r"^[+-]?\d+\.\d+$", cell) and not is_date(cell)]
    if delimiter == ",":  # "1,234" between quotes could be a thousand
        commas = [cell for cell in commas if not _ANY_THOUSANDS.match(cell)]
    if commas and points and all(re.match(r"^[+-]?\d{1,3}(,\d{3})+$", c) for c in commas):
        return "."
    return "," if commas else "."


def _quickly(
    text: Text, rows: list[list[str]], layout: _Layout, dialect: Dialect
) -> pd.DataFrame | None:
    """Return the rows as :func:`_parsed` does, by Arrow; None where a cell needs more care."""
    if not text.plain or layout.delimiter not in DELIMITERS:
        return None
    try:
        import pyarrow as pa  # absent from scheduled forecasts, which start without it
        from pyarrow import compute
        from pyarrow import csv as arrow
    except ImportError:
        return None
    missing = [*MISSING, *dialect.missing]
    kinds = {}
    for place, name in enumerate(layout.names):
        cells = [row[place].strip() for row in rows if place < len(row)]
        numbers = name not in layout.texts and all(is_number(c) or c in missing for c in cells)
        if (place == layout.date or read_header(name).meaning in ("time", "clock")) and numbers:
            return None
        kinds[name] = pa.float64() if numbers else pa.large_string()
    try:
        table = arrow.read_csv(
            pa.memory_map(str(text.path)),
            read_options=arrow.ReadOptions(column_names=layout.names, skip_rows=layout.first),
            parse_options=arrow.ParseOptions(delimiter=layout.delimiter, quote_char=False),
            convert_options=arrow.ConvertOptions(  # without a check of UTF-8, as it is ASCII
                column_types=kinds,
                null_values=missing,
                decimal_point=layout.decimal,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    frame: pd.DataFrame = table.to_pandas(split_blocks=True)
    for name in [name for name, kind in kinds.items() if kind == pa.large_string()]:
        absent = _missing(name, layout, missing)
        if len(absent) > 1 or compute.min(compute.binary_length(table[name])).as_py() == 0:
            frame[name] = frame[name].mask(frame[name].isin(absent))
    return frame


def _parsed(
    buffer: io.BytesIO | Path, path: Path, layout: _Layout, dialect: Dialect, encoding: str
) -> pd.DataFrame:
    """Return the rows as a frame: numbers where a column holds nothing else, text otherwise."""
    names = layout.names
    missing = [text for text in (*MISSING, *dialect.missing) if text]
    settings: dict[str, Any] = {
        "header": None, "names": names, "skiprows": layout.first, "index_col": False,
        "encoding": encoding, "keep_default_na": False, "skipinitialspace": True,
        "na_values": {name: _missing(name, layout, missing) for name in names},
        "dtype": dict.fromkeys(layout.texts, str), "skip_blank_lines": True,
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it warns of lost cells
            if layout.delimiter in ("  ", " "):
                sep = r"\s+" if layout.delimiter == " " else r"\s{2,}"
                settings |= {"sep": sep, "engine": "python"}
            else:
                settings |= {"sep": layout.delimiter, "decimal": layout.decimal}
                settings |= {"low_memory": False}
            made: pd.DataFrame = pd.read_csv(buffer, **settings)
            return made
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"A text must be of one encoding. Received byte {error.object[error.start]:#x} in "
            f"{path}, which {encoding} does not have. Name it with encoding=."
        ) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        frame = _without_tail(path, layout, dialect)
        if frame is None:
            raise _ragged(path, layout, encoding) from None
        return frame
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=names)


def _missing(name: str, layout: _Layout, missing: list[str]) -> list[str]:
    """Return the texts that stand for a missing value in a column; in one of times few do."""
    plain = name in layout.texts or read_header(name).meaning == "time"
    return ["", *([] if plain else missing)]


def _without_tail(path: Path, layout: _Layout, dialect: Dialect) -> pd.DataFrame | None:
    """Return the rows where the cells beyond the header are all empty: trailing delimiters."""
    kept, width = [], len(layout.names)
    blank = layout.delimiter.isspace() and layout.delimiter != "\t"
    for line in decoded(path, dialect.encoding).lines()[layout.first :]:
        cells = _cells(line, layout.delimiter)
        behind = " ".join(cell.strip() for cell in cells[width:] if cell.strip())
        if behind and not (blank and re.fullmatch(r"[^\W\d]+(?: [^\W\d]+)*", behind)):
            return None
        kept.append([*cells[:width], *([""] * (width - len(cells))), behind])
    remarks = any(row[-1] for row in kept)  # Provisional
    names = [*layout.names, "remark"] if remarks else layout.names
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t").writerows(row if remarks else row[:-1] for row in kept)
    made = io.BytesIO(buffer.getvalue().encode())
    plain = replace(layout, names=names, first=0, delimiter="\t")
    return _parsed(made, path, plain, dialect, "utf-8")


def _without_footer(frame: pd.DataFrame, layout: _Layout) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows without lines of text below them: neither a date nor a number in them."""
    if layout.date is None or layout.date >= frame.shape[1]:
        return frame, []
    dates, found = frame.iloc[:, layout.date], []
    if pd.api.types.is_numeric_dtype(dates.dtype) and dates.notna().all():
        return frame, []
    for row in range(len(frame) - 1, max(len(frame) - 40, 0), -1):
        cells = [str(cell).strip() for cell in frame.iloc[row] if pd.notna(cell)]
        date = str(dates.iloc[row]).strip().removesuffix(".0")
        text = len(cells) == 1 and frame.shape[1] > 2 and " " in cells[0]
        if is_date(date) or (any(map(is_number, cells)) and not text) or not cells:
            break
        found.append(" ".join(cells))
    return (frame.iloc[: len(frame) - len(found)] if found else frame), found[::-1]


def _ragged(path: Path, layout: _Layout, encoding: str) -> SchemaError:
    """Return the error of the first row that has more cells than the header."""
    lines = decoded(path, encoding).lines()
    width = len(layout.names)
    for number, line in enumerate(lines[layout.first :], layout.first + 1):
        cells = _cells(line, layout.delimiter)
        if any(cell.strip() for cell in cells[width:]):
            return SchemaError(
                f"All rows must have the columns of the header. Received {len(cells)} cells in "
                f"line {number} of {path}, {line[:60]!r}; the header has {width}. "
                "Correct the line, or name the delimiter or the decimal mark."
            )
    return SchemaError(
        f"All rows must have the columns of the header. Received rows of other widths, or an open "
        f"quotation mark, in {path}. Correct the file, or name the delimiter."
    )


def hint_of_header(path: Path, dialect: Dialect) -> str:
    """Return which line looks like the header, where another was taken; else the empty text."""
    lines = decoded(path, dialect.encoding).sample()
    for delimiter in (dialect.delimiter,) if dialect.delimiter else DELIMITERS:
        k = likely_header([_cells(line, delimiter) for line in lines])
        if k is None:
            continue
        try:
            taken = _find(lines, path, dialect, True).header
        except SchemaError:
            taken = None
        said = f"Line {k + 1} looks like the header: {lines[k][:60]!r}. Give header_row={k + 1}"
        return "" if taken == k else f"{said} (--header-row {k + 1})."
    return ""


def _lines_of(path: Path, first: int, encoding: str) -> Callable[[int], int]:
    """Return a function that gives the line of a row, blank lines counted; from 1."""

    def line(row: int) -> int:
        lines = Text(path, encoding, b"").lines()
        filled = (number for number, text in enumerate(lines, 1) if text.strip())
        after = (number for number in filled if number > first)
        return next((number for k, number in enumerate(after) if k == row), first + row + 1)

    return line
