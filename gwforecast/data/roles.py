"""Which columns of a table are levels, wells and covariates, and why the others are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import RawTable
from gwforecast.data.terms.headers import Header, tokens
from gwforecast.data.terms.words import CALENDAR_WORDS
from gwforecast.data.text.block import is_date
from gwforecast.schema import SchemaError

__all__ = [
    "Roles", "find_roles", "is_code", "is_constant", "is_numeric", "refuse_numbers_as_text",
    "refuse_stations", "text_of",
]  # fmt: skip

REASONS = {
    "index": "a counter", "quality": "quality, method or remark",
    "place": "coordinate or height of the site", "area": "area of the site", "zone": "time zone",
    "unit": "units", "direction": "direction", "parameter": "parameter", "time": "another time",
    "clock": "a clock", "other": "another measurement", "copy": "repeats another column",
    "station": "station", "pressure": "a pressure", "value": "not the level", "datum": "datum",
    "screen": "number of the screen", "column": "height of water above the sensor",
}  # fmt: skip
"""Why a column of a meaning is neither a level nor a covariate."""

_VAGUE_WELLS = frozenset({"code", "id", "codigo", "codice", "point", "punkt", "ror"})
_TRUTHS = frozenset({"yes", "no", "y", "n", "true", "false", "t", "f", "ja", "nein", "nee", "nej",
                     "oui", "non", "si", "sí", "não", "sim", "tak", "nie", "manual", "logger",
                     "datalogger", "datenlogger", "automatic", "automatisch", "manuell",
                     "handmessung", "lichtlot", "tape", "transducer", "diver", "measured",
                     "estimated"})  # fmt: skip
"""Texts of a column that says yes or no of each row, or how it was measured, and names no well."""
_PLACES = frozenset({"ort", "standort", "place", "lieu", "lugar", "luogo", "plaats", "miejsce",
                     "where", "plats", "sted", "local"})  # fmt: skip
"""Words of a header that name the place, whatever its texts are."""
NEAR = 0.3  # of the spread of levels, by which those of one well differ from row to row
LEAST_ROWS = 8  # of a table whose codes are looked at
SITES = 0.3  # most sites for a row of a table
_ALIKE = 0.9  # share of the values that a level above a datum must have of those of a depth


@dataclass
class Roles:
    """What the columns of a table are."""

    # columns of levels: one of a long table, or of one well; several where each is a well
    levels: list[str] = field(default_factory=list)
    wells: list[str] = field(default_factory=list)  # columns whose texts together name the well
    name: str | None = None  # name of the only well, where the table gives it
    wide: bool = False  # whether each level column is a well
    covariates: list[str] = field(default_factory=list)  # columns of weather and other inputs
    left: dict[str, str] = field(default_factory=dict)  # why the others are left out


def is_numeric(column: pd.Series) -> bool:
    """Return whether a column holds numbers, truth values apart."""
    kind = column.dtype
    return bool(pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind))


def is_constant(column: pd.Series) -> bool:
    """Return whether all values that a column has are the same."""
    return len(column.dropna().unique()) <= 1


def text_of(value: object) -> str:
    """Return a name of a well as text: 1001.0 is ``1001``."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str) else str(value)


def find_roles(
    raw: RawTable, *, level_column: str | None = None, well_column: str | None = None
) -> Roles:
    """Return what the columns of a table of levels are.

    Raises SchemaError if no column or more than one could be the level, or several could name the
    well.
    """
    frame = raw.frame
    headers = {str(c): _in_frame(raw.header(c), frame[c]) for c in frame.columns}
    for given, what in ((level_column, "level_column"), (well_column, "well_column")):
        if given is not None and given not in headers:
            raise SchemaError(
                f"{what} must be a column of the table. Received {given!r}; the columns are "
                f"{list(headers)[:20]}. Correct the name."
            )
    roles = Roles()
    for name in list(headers):
        if " ".join(tokens(name)) in CALENDAR_WORDS and name not in (level_column, well_column):
            roles.left[name] = REASONS["time"]
            del headers[name]
            continue
        if not frame[name].notna().any() and name not in (level_column, well_column):
            roles.left[name] = "no values"
            del headers[name]
    _wells(raw, headers, roles, level_column, well_column)
    taken = {*roles.wells, *roles.left}
    free = {n: h for n, h in headers.items() if n not in taken}
    if level_column is not None:
        roles.levels = [level_column]
    else:
        _levels(raw, free, roles)
    _leave_rest(raw, {n: h for n, h in free.items() if n not in roles.levels}, roles)
    return roles


def _in_frame(header: Header, column: pd.Series) -> Header:
    """Return a header as its values show it: coordinates of a site do not vary from row to row."""
    if header.meaning == "place" and len(header.label.split()) == 1 and is_numeric(column):
        known = column.dropna()
        if len(known) > 1 and known.nunique() > max(SITES * len(known), 1):
            return Header(header.text, header.label, "unknown", rest=header.label)
    return header


def _wells(
    raw: RawTable,
    headers: dict[str, Header],
    roles: Roles,
    level_column: str | None,
    well_column: str | None,
) -> None:
    """Find the columns that name the well: by their words, or because they tell rows apart."""
    frame = raw.frame
    if well_column is not None:
        roles.wells = [well_column]
        return
    chosen = level_column is not None
    free = {n: h for n, h in headers.items() if n != level_column}
    named = [n for n, h in free.items() if h.meaning == "well" and _can_name(frame[n], h)]
    screens = [n for n, h in free.items() if h.meaning == "screen" and not is_numeric(frame[n])]
    vague = [n for n in named if free[n].label.lower() in _VAGUE_WELLS]
    if vague and not frame.index.has_duplicates:
        for name in vague:
            named.remove(name)
            roles.left[name] = "codes; name it with well_column= if it is the well"
    several = [n for n in named if not is_constant(frame[n])]
    if named and not several and frame[named[0]].isna().any():
        roles.wells = [named[0]]  # a row without a name is an error, when the wells are parted
    elif named and not several:
        roles.name = text_of(frame[named[0]].dropna().iloc[0])
        roles.left.update(dict.fromkeys(named[1:], "another name of the well"))
        roles.wells = [named[0]]
    elif several:
        roles.wells = [_one_of(frame, several, roles)]
        roles.left.update({n: "another name of the well" for n in named if n not in roles.wells})
    else:
        found = _unnamed_wells(raw, free, roles, codes=not chosen)
        roles.wells = [found] if found else [n for n in screens if not is_constant(frame[n])][:1]
    _add_screens(raw, screens, roles)
    if not chosen:
        _add_what_parts(raw, headers, roles)


def _add_what_parts(raw: RawTable, headers: dict[str, Header], roles: Roles) -> None:
    """Add a column that tells the rows of a well at one time apart: a pipe, a screen, an area."""
    frame = raw.frame
    if not roles.wells or not _repeated(frame, roles.wells):
        return
    found = [
        n for n, h in headers.items()
        if n not in roles.wells and n not in roles.covariates
        and (h.meaning in ("unknown", "screen", "area", "well", "index")
             or (h.is_level and not is_numeric(frame[n])))
        and 1 < frame[n].nunique() <= len(frame) / 2 and not _repeated(frame, [*roles.wells, n])
    ]  # fmt: skip
    if len(found) == 1:
        roles.wells.append(found[0])
        roles.left.pop(found[0], None)
        roles.name = None
    elif found:
        raise SchemaError(
            "A well has one level at a time. Received several of the wells in "
            f"{roles.wells[0]!r}, which {found} tell apart{_in(raw)}. Choose the column of the "
            "wells with well_column=, or remove the others."
        )


def _repeated(frame: pd.DataFrame, names: list[str]) -> bool:
    """Return whether rows have the same time and the same texts in columns."""
    keys = frame[names].astype(str).agg("|".join, axis=1) if len(names) > 1 else frame[names[0]]
    return bool(pd.MultiIndex.from_arrays([frame.index, keys]).has_duplicates)


def _add_screens(raw: RawTable, screens: list[str], roles: Roles) -> None:
    frame = raw.frame
    if not roles.wells or not screens or roles.wells == screens[:1]:
        return
    by_well = frame.groupby(roles.wells[0], sort=False)[screens[0]].nunique()
    if raw.layout == "DINOloket" or (by_well > 1).any():
        roles.wells.append(screens[0])
        roles.name = None


def _can_name(column: pd.Series, header: Header) -> bool:
    """Return whether a column called like a well names wells, and is not a well's level."""
    return not is_numeric(column) or (not header.rest and bool((column.dropna() % 1 == 0).all()))


def _unnamed_wells(
    raw: RawTable, headers: dict[str, Header], roles: Roles, *, codes: bool
) -> str | None:
    """Return a column of text or codes that tells the rows of several wells apart."""
    frame = raw.frame
    texts = [
        n for n, h in headers.items()
        if not is_numeric(frame[n]) and h.meaning in ("unknown", "well", "value")
    ]  # fmt: skip
    found = []
    for name in texts:
        column = frame[name]
        count = column.nunique()
        if count == 1 or set(column.dropna().astype(str).str.strip().str.lower()) <= _TRUTHS:
            continue
        if column.isna().mean() > 0.2 or count > max(len(frame) / 2, 1):
            if not _holds_digits(column):
                roles.left[name] = "remarks"
        else:
            found.append(name)
    if len(found) > 1:
        return _one_of(frame, found, roles)
    if found:
        _refuse_states(raw, headers, found[0])
        return found[0]
    if not frame.index.has_duplicates:
        if codes:
            _refuse_codes(raw, headers)
        return None
    found = [
        n for n, h in headers.items()
        if is_numeric(frame[n]) and h.meaning in ("unknown", "index") and _resolves(frame, n)
    ]  # fmt: skip
    return found[0] if len(found) == 1 else None


def _refuse_states(raw: RawTable, headers: dict[str, Header], name: str) -> None:
    """Refuse a column of a few words beside levels that go on where the words change.

    Such words may be the observers of one well, or the names of wells with alike levels.
    """
    frame = raw.frame
    levels = [n for n, h in headers.items() if h.is_level and is_numeric(frame[n])]
    words = frame[name].dropna().astype(str)
    known = headers[name].meaning != "unknown" or _holds_digits(words)
    known |= bool(_PLACES & set(tokens(name)))
    if known or len(levels) != 1 or frame.index.has_duplicates or len(frame) < LEAST_ROWS:
        return
    ordered = frame[[name, levels[0]]].dropna().sort_index()
    changes = (ordered[name] != ordered[name].shift()).to_numpy()[1:]
    steps = ordered[levels[0]].diff().abs().to_numpy()[1:]
    middle = ordered[levels[0]].median()
    spread = float((ordered[levels[0]] - middle).abs().median())
    if changes.any() and float(np.median(steps[changes])) < NEAR * spread:
        shown = ", ".join(map(repr, words.unique()[:4].tolist()))
        raise SchemaError(
            "A column of a few words beside a level may name the well. Received "
            f"{name!r} with {shown}{_in(raw)}, where the level goes on as they change. Say "
            f"well_column={name!r} (--well-column) if it does, or leave the column out if it "
            "does not."
        )


def _refuse_codes(raw: RawTable, headers: dict[str, Header]) -> None:
    """Refuse a column of whole numbers beside a level that could name the well."""
    frame = raw.frame
    beside = any(h.is_level or h.meaning == "value" for h in headers.values())
    if raw.path is None or not beside or len(frame) < LEAST_ROWS:
        return
    for name, header in headers.items():
        if header.meaning != "unknown" or not is_numeric(frame[name]):
            continue
        values = frame[name].to_numpy(float)
        if (values != np.round(values)).any():  # or missing
            continue
        codes = np.unique(values)
        if 1 < codes.size <= len(values) / 4:
            shown = ", ".join(text_of(float(code)) for code in codes[:4])
            raise SchemaError(
                "A column beside the level that takes a few whole numbers may name the well. "
                f"Received {name!r} with {shown}{' ...' if codes.size > 4 else ''} in {raw.path}. "
                f"Say well_column={name!r} (--well-column) if it does, or name the level with "
                "level_column= (--level-column) if it does not."
            )


def _resolves(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a column of whole numbers tells rows of one time apart."""
    values = frame[name].to_numpy(float)
    if (values != np.round(values)).any():  # or missing
        return False
    few = 1 < len(np.unique(values)) <= len(values) / 2
    return few and not pd.MultiIndex.from_arrays([frame.index, values]).has_duplicates


def _one_of(frame: pd.DataFrame, names: Sequence[str], roles: Roles) -> str:
    """Return the finest of columns that divide the rows alike; refuse columns that cross."""
    counts = {n: frame[n].nunique() for n in names}
    finest = max(names, key=lambda n: (counts[n], -list(names).index(n)))
    for name in [n for n in names if n != finest]:
        pairs = len(frame[[name, finest]].drop_duplicates())
        if pairs > counts[finest]:
            examples = ", ".join(
                f"{n!r} ({', '.join(map(repr, frame[n].dropna().unique()[:3].tolist()))})"
                for n in (finest, name)
            )
            raise SchemaError(
                f"One column must name the well. Received two that could be it: {examples}. "
                "Choose one with well_column=."
            )
        roles.left[name] = f"divides the rows no finer than {finest!r}"
    alike = [n for n in names if counts[n] == counts[finest]]
    if alike[0] != finest:
        roles.left[finest] = f"another name of {alike[0]!r}"
        roles.left.pop(alike[0], None)
    return alike[0]


def _levels(raw: RawTable, headers: dict[str, Header], roles: Roles) -> None:
    """Find the column of the level, or one for each well."""
    frame = raw.frame
    numeric = {n: h for n, h in headers.items() if is_numeric(frame[n])}
    known = {n: h for n, h in numeric.items() if h.is_level}
    if known and len(known) < len(numeric):  # a reduced level beside a depth, by its datum
        known |= {n: h for n, h in numeric.items() if h.meaning == "unknown" and _is_above(h)}
    if known:
        roles.levels = _known_levels(raw, known, roles)
        return
    values = [n for n, h in numeric.items() if h.meaning == "value"]
    unknown = [n for n, h in numeric.items() if h.meaning in ("unknown", "well", "screen")]
    long = bool(roles.wells) and roles.name is None
    codes = [n for n in unknown if is_code(frame[n])] if len(values) == 1 else []
    roles.left.update(dict.fromkeys(codes, "a code, the same in all rows"))
    unknown = [n for n in unknown if n not in codes]
    if len(values) == 1 and (long or not unknown or roles.name is not None):
        roles.levels = values
        return
    if len(values) > 1 or (values and unknown and not long):
        raise _several([*values, *unknown])
    if not unknown and not values:
        raise _no_level(raw, headers)
    if long and len(unknown) != 1:
        raise SchemaError(
            "A table of levels needs a column of numbers that is the level. Received the columns "
            f"{list(map(str, frame.columns))}. Choose one with level_column=."
        )
    letters = {n: LETTERS[h] for n in unknown if (h := headers[n].label.lower()) in LETTERS}
    others = [n for n in unknown if n not in letters]
    one = len(letters) > 1 and len(others) == 1  # H beside P and E0
    one = one or [headers[n].label.lower() for n in others] == ["h"]
    if letters and others and (one or all(len(headers[n].label) > 1 for n in others)):
        for name, kind in letters.items():  # P and T beside W1
            raw.headers[name] = replace(headers[name], meaning=kind)
        roles.covariates += letters
        unknown = others
    states = [n for n in unknown if set(tokens(headers[n].label)) <= STATES]
    if states and not long and len(unknown) > 1:
        raise _several([*values, *unknown])
    roles.levels = [*values, *unknown]
    roles.wide = not long


_STATES = """observed obs simulated sim modelled modeled predicted forecast fitted raw corrected
    uncorrected compensated uncompensated manual logger min max mean median average upper lower
    minimum maximum original adjusted filtered smoothed interpolated provisional approved static
    dynamic estatico dinamico ne nd"""
STATES = frozenset(_STATES.split())
"""Words of columns that are states of one level, not wells."""


LETTERS = {"p": "rain", "n": "rain", "rr": "rain", "t": "temperature", "q": "stage", "qo": "stage",
           **dict.fromkeys(("e", "et", "e0", "et0"), "evapotranspiration")}  # fmt: skip
"""Kinds that the usual letters of the weather and of discharge stand for."""


def is_code(column: pd.Series) -> bool:
    """Return whether a column holds one whole number."""
    known = column.dropna().to_numpy(float)
    return is_constant(column) and known.size > 0 and float(known[0]).is_integer()


def _known_levels(raw: RawTable, known: dict[str, Header], roles: Roles) -> list[str]:
    """Return the column called a level or depth; of several the only one above a datum."""
    names = list(known)
    if len(names) == 1:
        return names
    rests = [known[n].rest for n in names]
    states = any(set(tokens(rest)) <= STATES for rest in rests if rest)
    mixed = bool(roles.name) and len({known[n].meaning for n in names}) > 1
    if (
        (not roles.wells or roles.name)
        and all(rests)
        and len(set(rests)) == len(rests)
        and (not mixed)
    ):
        if states:
            raise _several(names)
        roles.wide = True
        return names
    above = [n for n in names if known[n].datum or _is_above(known[n])]
    others = [n for n in names if n not in above]
    senses = {n: length.sense if (length := known[n].length) else None for n in others}
    if len(above) == 1 and all(
        known[n].meaning == "depth" or senses[n] == "relative" for n in others
    ):
        fixed = [n for n in names if _is_fixed(raw.frame, n, roles)]
        if fixed == above:  # the height of the ground beside depths
            roles.left[above[0]] = "the same in all rows of a well"
            raw.headers[above[0]] = replace(known[above[0]], meaning="place")
            return _known_levels(raw, {n: known[n] for n in others}, roles)
        count = {n: int(raw.frame[n].notna().sum()) for n in names}
        if count[above[0]] >= _ALIKE * max(count.values()):
            for name in others:
                roles.left[name] = f"the same level from another point; {above[0]!r} is taken"
            return above
    raise _several(names)


def _is_fixed(frame: pd.DataFrame, name: str, roles: Roles) -> bool:
    """Return whether a column has one value at each well, in more than a few rows."""
    if len(frame) < LEAST_ROWS:
        return False
    well = frame[roles.wells[0]].to_numpy() if roles.wells else np.zeros(len(frame))
    groups = frame[name].groupby(well)
    return bool((groups.max() == groups.min()).all())


def _is_above(header: Header) -> bool:
    words = {"elevation", "elev", "altitude", "cote", "cota", "quota", "hoehe"}
    if header.meaning == "level" and words & set(tokens(header.label)):
        return True
    return header.length is not None and header.length.sense == "above"


def _several(names: list[str]) -> SchemaError:
    return SchemaError(
        f"One column must be the level. Received {len(names)} that could be: {names}. Choose one "
        "with level_column=."
    )


def _no_level(raw: RawTable, headers: dict[str, Header]) -> SchemaError:
    """Return the error of a table without a level, which names what there is instead."""
    columns = list(map(str, raw.frame.columns))
    pressures = [n for n, h in headers.items() if h.meaning == "pressure"]
    if pressures:
        return SchemaError(
            "A level is needed, and a pressure is none. Received the pressure "
            f"{pressures[0]!r}{_in(raw)} and no level. Give the air pressure with barometer= "
            "(--barometer), the depth of the sensor below the measuring point with sensor_depth= "
            "and its height with reference_level=, or a file with levels."
        )
    heights = [n for n, h in headers.items() if h.meaning == "column"]
    if heights:
        return SchemaError(
            "A level above a datum is needed. Received the height of water above the sensor, "
            f"{heights[0]!r}{_in(raw)}. Give the depth of the sensor below the measuring point "
            "with sensor_depth= and the height of that point with reference_level=, or choose the "
            f"column as it is with level_column={heights[0]!r}."
        )
    weather = [n for n, h in headers.items() if h.kind]
    if weather:
        return SchemaError(
            "A table of levels must hold a level. Received "
            f"{weather[0]!r}, which names a covariate; the columns are {columns}. Choose the level "
            "with level_column=, and give the weather as covariates."
        )
    text = [n for n in headers if not is_numeric(raw.frame[n])]
    first = str(raw.frame[text[0]].dropna().iloc[0]) if text else ""
    example = f", e.g. {first!r} in {text[0]!r}" if text else ""
    fix = "Choose one with level_column=, and check the decimal mark."
    if re.fullmatch(r"[+-]?\d[\d.,]*\s*[A-Za-z]{1,6}", first):
        fix = (
            f"Write the unit into the header, e.g. '{text[0]} [{first.lstrip('+-.,0123456789 ')}]'."
        )
    return SchemaError(
        "A table of levels needs a column of numbers that is the level. Received the columns "
        f"{columns}{example}. {fix}"
    )


def _in(raw: RawTable) -> str:
    return f" of {raw.path}" if raw.path is not None else ""


def _holds_digits(column: pd.Series) -> bool:
    """Return whether most texts of a column begin like numbers."""
    known = column.dropna().astype(str)
    digits = known.str.fullmatch(r"\s*[<>~]?[+-]?\d[\d.,' ]*\s?(?:[^\W\d]{1,3}\.?|\*)?\s*")
    return len(known) > 0 and bool((digits & ~known.map(is_date)).mean() > 0.5)


def refuse_stations(raw: RawTable, names: Sequence[str], wells: Sequence[str]) -> None:
    """Refuse covariates that are called by numbers, as the stations of a wide table are."""
    numbers = [n for n in names if re.fullmatch(r"\d{3,}(?:-\d)?", n) and n not in wells]
    if numbers:
        raise SchemaError(
            "A covariate needs the name of what it is. Received columns called by numbers, e.g. "
            f"{', '.join(map(repr, numbers[:3]))}, which may be stations, in {raw.path}. Keep the "
            "date and the column of one station, and call it e.g. rain or temperature."
        )


def refuse_numbers_as_text(raw: RawTable, name: str) -> None:
    """Refuse a column beside wells that may be a well whose numbers were not understood."""
    known = raw.frame[name].dropna().astype(str)
    if _holds_digits(known):
        raise SchemaError(
            f"Columns of levels must be numbers. Received {name!r} with the value "
            f"{known.iloc[0]!r}{_in(raw)}. Name the decimal mark with decimal=, correct the cells, "
            "or choose the level with level_column=."
        )


def _leave_rest(raw: RawTable, headers: dict[str, Header], roles: Roles) -> None:
    """Say of each column that is no level whether it is a covariate, or why it is left out."""
    for name, header in headers.items():
        if name in roles.covariates:
            continue
        if header.kind and header.kind != "pressure" and is_numeric(raw.frame[name]):
            roles.covariates.append(name)
        elif name not in roles.left:
            numeric = is_numeric(raw.frame[name])
            if roles.wide and header.meaning == "unknown" and not numeric:
                refuse_numbers_as_text(raw, name)
            default = "not known to be a level" if numeric else "text"
            roles.left[name] = REASONS.get(header.meaning, default)
