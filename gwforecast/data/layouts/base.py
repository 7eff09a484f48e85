"""What every layout gives: a neutral table, with what the file says about it."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.units import fold
from gwforecast.timeline import format_time

__all__ = [
    "DRY", "MISSING", "Dialect", "Known", "RawTable", "facts_of_lines", "keep_facts", "meanings",
    "warn_of_periods", "warn_of_quality",
]  # fmt: skip

MISSING = (
    "", "NA", "N/A", "#N/A", "n/a", "n.a.", "NaN", "nan", "NAN", "null", "NULL", "None", "-", "--",
    "---", "----", "-----", "*", "**", "***", "?", "Lücke", "lücke", "Luecke", "k.A.", "missing",
    "Missing", "M", "#NV", "#WERT!", "#VALUE!", "#REF!", "#DIV/0!", "ND", "nd", "N.D.", ".",
    "no data", "No Data", "NoData", "<NA>", "fehlt", "geen data", "manquant",
    "Nulo", "nulo", "S/D", "s/d", "sin dato", "sin datos", "n.d.", "N/D", "n/d", "#N/D", "#N/V",
    "sem dados", "brak", "brak danych", "chybí", "saknas", "mangler",
    "puuttuu", "nessun dato", "n.b.", "///", "\u00d7", "欠測", "缺测", "缺測", "결측", "\u2013",
    "\u2014",
    "Eqp", "Mnt", "Ssn", "Dis", "Bkw", "Rat", "ZFl",  # of USGS: equipment, maintenance, season, ...
)  # fmt: skip
"""Texts that stand for a missing value in many files, whole cells."""
DRY = ("dry", "trocken", "droog", "sec", "a sec", "seco", "asciutto", "secco", "torr", "toer",
       "torrt", "toert", "well dry", "droogstand", "bijna droog")  # fmt: skip
"""Words for a well without water, folded."""

_REJECTED = """suspect, rejected, bad, invalid, erroneous, error, wrong, unusable, afgekeurd,
    fehlerhaft, ungueltig, verworfen, falsch, incorrect, incorrecte, douteux, douteuse, erronee,
    invalide, invalido, sospechoso, dudoso, incorrecto, invalidato, errato, kasserad, forkastet,
    avvist"""
REJECTED = frozenset(word.strip() for word in _REJECTED.split(","))
"""Words of a column of quality for a value that is not to be used, folded."""
_EVENTS = re.compile(r"\b(?:anomal\w*|pump(?:ing|ed)?|suspect|rejected|excluded?)\b")
"""Words of a column that says by yes or no that a value is not to be used."""
CONDITIONS = {
    "a": "affected by air pressure", "b": "affected by the tide", "c": "ice", "d": "dry",
    "e": "recently flowing", "f": "flowing", "g": "nearby flowing", "h": "nearby recently flowing",
    "i": "injecting", "j": "nearby injecting", "n": "measurement discontinued",
    "o": "obstruction", "p": "pumping", "r": "recently pumped", "s": "nearby pumping",
    "t": "nearby recently pumped", "v": "foreign substance", "w": "well destroyed",
    "x": "affected by surface water", "z": "other",
}  # fmt: skip
"""Conditions of a measurement by the code of USGS' column lev_status_cd
(https://help.waterdata.usgs.gov/codes-and-parameters); blank or 1 is a level at rest."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written; None is found out from the file."""

    delimiter: str | None = None  # between the columns
    decimal: str | None = None  # decimal mark, ``.`` or ``,``
    day_first: bool | None = None  # order of 03/04/2020
    encoding: str | None = None  # of the text, e.g. ``"cp1252"``
    skip_rows: int | None = None  # lines above the header that are not read
    header_row: int | None = None  # line of the header, counted from 1
    date_format: str | None = None  # of the times, as of ``datetime.strftime``
    sheet: str | None = None  # sheet of a workbook
    time_column: tuple[str, ...] = ()  # column of the times, or those of date and clock
    text_columns: tuple[str, ...] = ()  # columns that hold text whatever it looks like
    missing: tuple[str, ...] = ()  # texts that stand for a missing value, besides the common ones

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
        if self.skip_rows is not None and self.header_row is not None:
            raise ValueError(
                "The header is found by skip_rows or by header_row. Received both, "
                f"{self.skip_rows} and {self.header_row}. Leave one out."
            )
        for name in ("skip_rows", "header_row"):
            value = getattr(self, name)
            least = 0 if name == "skip_rows" else 1
            if value is not None and value < least:
                raise ValueError(
                    f"{name} must be a number of lines, {least} or more. Received {value}. "
                    "Correct it."
                )
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError:
                raise ValueError(
                    "encoding must be a name that Python knows, e.g. 'utf-8', 'cp1252' or "
                    f"'utf-16'. Received {self.encoding!r}. Correct it."
                ) from None
        if len(self.time_column) > 2:
            raise ValueError(
                "time_column is one column, or those of date and clock. Received "
                f"{list(self.time_column)}. Name at most two."
            )

    @property
    def first_line(self) -> int | None:
        """Line of the header, counted from 0, where it is given."""
        if self.header_row is not None:
            return self.header_row - 1
        return self.skip_rows


@dataclass
class RawTable:
    """A table as a file holds it, before it is known what its columns mean."""

    frame: pd.DataFrame  # columns as named by the file; numbers, or text as it is written
    path: Path | None = None  # file, for messages
    layout: str = "table"  # what the file was recognised as
    facts: dict[str, str] = field(default_factory=dict)  # what stands above it: well, unit, ...
    headers: dict[str, Header] = field(default_factory=dict)  # of columns the layout explains
    line: Callable[[int], int] = lambda row: row + 2  # line of the file by row of the frame
    notes: list[str] = field(default_factory=list)  # what was decided or left out, and why
    times: pd.DatetimeIndex | None = None  # of the rows, where the layout has read them itself
    zone: str | None = None  # time zone of the times
    part: str | None = None  # sheet or series, where a file holds several tables
    dry: dict[str, Any] = field(default_factory=dict)  # rows without water, by column

    def header(self, column: object) -> Header:
        """Return what a column means."""
        return self.headers.get(str(column)) or read_header(str(column))

    def changed(self, **changes: Any) -> RawTable:
        """Return the table with changes."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Known:
    """A layout that is known by its columns, folded words with commas between."""

    name: str  # provider
    needs: str  # columns that it has; a bar stands between alternatives
    says: Mapping[str, str]  # columns by meaning and unit, where the header does not say them
    drop: str = ""  # columns that repeat others
    others: str | None = None  # meaning of all columns that are not named
    missing: tuple[float, ...] = ()  # numbers that stand for a missing value
    note: str = ""  # what is printed of it

    @cached_property
    def columns(self) -> dict[str, tuple[str, str | None]]:
        """Meaning and unit by column."""
        return meanings(self.says)


def meanings(says: Mapping[str, str]) -> dict[str, tuple[str, str | None]]:
    """Return meaning and unit by column.

    Examples
    --------
    >>> meanings({"rain 0.1 mm": "rh, rd", "time": "date"})
    {'rh': ('rain', '0.1 mm'), 'rd': ('rain', '0.1 mm'), 'date': ('time', None)}
    """
    found: dict[str, tuple[str, str | None]] = {}
    for said, columns in says.items():
        meaning, _, unit = said.partition(" ")
        found |= dict.fromkeys(columns.split(", "), (meaning, unit or None))
    return found


_FACTS: dict[str, tuple[str, ...]] = {
    "well": (
        "messstellen name", "messstellenname", "messstelle", "name der messstelle", "station name",
        "stationsname", "stationname", "station", "location", "location name", "site name", "site",
        "well", "well name", "well id", "name", "locatie", "monitoring point id", "plot title",
        "bohrung", "brunnen", "pegelname", "point", "borehole", "bore", "piezometre", "pozo",
        "stanice", "log name", "location id",
    ),
    "well number": (
        "messstellen nr", "messstellennummer", "messstellen nummer", "hzb nummer", "station no",
        "station number", "stationsnummer", "site no", "site number", "well number", "nummer",
        "station id", "site id", "messstellen id",
    ),
    "unit": (
        "einheit", "unit", "units", "ts unitsymbol", "ts unitname", "eenheid", "unite", "unidad",
        "unita", "enhet", "enhed", "value units", "value unit", "units of measure", "data units",
        "parametereinheit", "masseinheit", "unitat", "jednostka", "jednotka", "単位", "单位",
    ),
    "zone": ("zeitbezug", "timezone", "time zone", "zeitzone", "tijdzone", "tz", "fuseau horaire"),
    "measuring point": (
        "messpunkthoehe", "messpunkthoehe m ue nn", "rohroberkante", "measuring point elevation",
        "reference elevation", "top of casing elevation", "meetpunthoogte", "mp elevation",
    ),
    "parameter": (
        "parameter", "stationparameter name", "parametertype name", "sachgebiet", "ts name",
        "parameter name", "messgroesse",
    ),
    "series": ("exportzeitreihe",),
    "easting": ("ostwert", "easting", "rechtswert", "x", "x coordinaat", "longitude", "lon"),
    "northing": ("nordwert", "northing", "hochwert", "y", "y coordinaat", "latitude", "lat"),
    "missing": ("missing value", "missval", "nodata value", "fehlwert"),
}  # fmt: skip
_KEYS = {word: fact for fact, words in _FACTS.items() for word in words}


def _fact(key: str) -> str | None:
    """Return what a key of a header block names."""
    words = " ".join(fold(key).replace("_", " ").replace("-", " ").split())
    plain = " ".join(words.strip(" #:.=*").replace(".", "").split())
    if plain in _KEYS or not plain or len(plain) > 40:
        return _KEYS.get(plain)
    header = read_header(key.strip(" #:.=*"))
    return "well" if header.meaning == "well" and not header.rest else None


def keep_facts(facts: dict[str, str], key: str, value: str) -> None:
    """Add a line of a header block to what is known, by the words of the field."""
    fact = _fact(key)
    cleaned = value.strip().strip('"').strip()
    if fact is not None and cleaned:
        facts.setdefault(fact, cleaned)


def facts_of_lines(rows: list[list[str]]) -> dict[str, str]:
    """Return what the rows above a table say, as pairs of a key and a value.

    Examples
    --------
    >>> facts_of_lines([["Messstellen-Name:", "DORF 1"], ["Location = P1"]])
    {'well': 'DORF 1'}
    """
    facts: dict[str, str] = {}
    if rows and rows[0][:1] == ["TOA5"]:  # of Campbell: station, model, ...
        facts["well"] = rows[0][1]
    of_keys = _rows_of_keys(rows)
    for keys, values in itertools.pairwise(rows):
        for key, value in zip(keys, values, strict=False) if keys in of_keys else ():
            keep_facts(facts, key, value)
    titles = [read_header(cell) for cells in rows for cell in cells if len(cell) > 12]
    units = {h.unit for h in titles if h.is_level and h.length and not h.length.unclear}
    if len(units) == 1:  # Water levels in feet above NAVD88
        facts["title unit"] = str(next(iter(units)))
    for cells in rows:
        _keep_zrxp(facts, " ".join(cells))
        code = re.search(r"(?i)missing\b.*?(-9{2,}(?:\.\d+)?)\b", " ".join(cells))
        if code:
            facts.setdefault("missing", code[1])
    pending = ""  # a key that stands alone in its line, its value in the next
    for cells in rows:
        filled = [cell.strip() for cell in cells if cell.strip()]
        if len(filled) == 1:
            if pending and not filled[0].endswith(":"):
                keep_facts(facts, pending, filled[0])
            pending = filled[0] if filled[0].endswith(":") else ""
            for mark in ("=", ":"):
                key, found, value = filled[0].partition(mark)
                if found and value.strip():
                    keep_facts(facts, key, value)
                    break
        if cells not in of_keys:
            for key, value in itertools.pairwise(filled):
                keep_facts(facts, key, value)
    return facts


def _rows_of_keys(rows: list[list[str]]) -> list[list[str]]:
    """Return rows of several keys whose values stand in the row below."""
    found = []
    for keys, values in itertools.pairwise(rows):
        known = [k for k, key in enumerate(keys) if _fact(key) and not key.rstrip().endswith(":")]
        below = [k for k in known if k < len(values) and values[k].strip() and not _fact(values[k])]
        if len(known) > 1 and len(below) > 1 and len(keys) == len(values):
            found.append(keys)
    return found


_ZRXP = {"SANR": "well number", "SNAME": "well", "CNAME": "parameter", "CUNIT": "unit",
         "TZ": "zone", "RINVAL": "missing", "LAYOUT": "columns"}  # fmt: skip


def _keep_zrxp(facts: dict[str, str], line: str) -> None:
    """Add what a line of a ZRXP header says, its keywords joined to their values."""
    for part in line.lstrip("#").split("|*|") if "|*|" in line else ():
        for key, fact in _ZRXP.items():
            if part.startswith(key) and part[len(key) :].strip():
                facts.setdefault(fact, part[len(key) :].strip("() "))


def warn_of_quality(raw: RawTable) -> None:
    """Warn of values that the provider has rejected, and of levels that were not at rest.

    Words of columns of quality say so, and the codes of USGS; no value is left out.
    """
    for name in map(str, raw.frame.columns):
        words = " ".join(tokens(name))
        of_usgs = words == "lev status cd"
        event = not is_numeric_dtype(raw.frame[name].dtype) and bool(_EVENTS.search(words))
        if raw.header(name).meaning != "quality" and not of_usgs and not event:
            continue
        texts = raw.frame[name].astype("str").map(fold, na_action="ignore")
        bad = texts.isin(REJECTED | ({"y", "yes", "true"} if event else set()))
        _warn_of(
            raw, name, raw.frame[name].where(bad), "Values should be sound", "whose quality is",
        )  # fmt: skip
        said = texts.where(texts.isin(CONDITIONS[code] for code in "egfhijoprst"))
        if of_usgs:
            coded = texts.where(~texts.isin(["1", "1.0", "static", "", "nan"]))
            said = coded.map(lambda text: CONDITIONS.get(text, text), na_action="ignore")
        levels = [n for n in map(str, raw.frame.columns) if raw.header(n).is_level]
        measured = raw.frame[levels].notna().any(axis=1)
        _warn_of(
            raw, name, said.where(measured), "Levels should be measured at rest",
            "measured under other conditions,",
        )  # fmt: skip


def warn_of_periods(raw: RawTable) -> None:
    """Warn of amounts of another number of days or hours than most, by a column that says so."""
    for name in map(str, raw.frame.columns):
        known = raw.frame[name].dropna()
        if tokens(name)[:1] != ["period"] or not is_numeric_dtype(known.dtype) or not len(known):
            continue
        usual = known.mode().iloc[0]
        others = known[known != usual]
        if len(others):
            warnings.warn(
                f"Amounts must be of one step. Received {len(others)} of {len(known)} of another "
                f"period than {usual:g}, the first {others.iloc[0]:g} at "
                f"{format_time(others.index[0])}, in the column {name!r} of {raw.path}; they are "
                "kept at their times. Divide them among the days before, or empty their cells.",
                stacklevel=2,
            )


def _warn_of(raw: RawTable, name: str, said: pd.Series, rule: str, which: str) -> None:
    """Warn of the rows of a column of quality with a text, by number, and of the first."""
    found = said.dropna()
    if not len(found):
        return
    numbers = ", ".join(f"{text!r} ({n})" for text, n in found.value_counts().items())
    first, place = found.index[0], "" if raw.path is None else f" in {raw.path}"
    when = f", first at {format_time(first)}" if isinstance(first, pd.Timestamp) else ""
    warnings.warn(
        f"{rule}. Received {len(found)} of {len(said)} {which} {numbers}{when}{place}, column "
        f"{name!r}; they are kept. Empty their cells to leave them out.",
        stacklevel=2,
    )
