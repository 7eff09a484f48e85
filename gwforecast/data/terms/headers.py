"""What the header of a column means, by the words of the field in its languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from gwforecast.data.terms.units import LengthUnit, compact, fold, parse_length
from gwforecast.data.terms.words import (
    CALENDAR_WORDS,
    CLOCK_WORDS,
    DATUM_WORDS,
    EITHER,
    GENERIC,
    HEIGHT_WORDS,
    KIND_MEANINGS,
    RIVERS,
    SINGLE,
    TIME_WORDS,
    WORDS,
)
from gwforecast.schema import KINDS, covariate_kind

__all__ = ["Header", "known_words", "read_header", "sense_of", "tokens"]


@dataclass(frozen=True)
class Header:
    """What the header of a column says."""

    text: str  # as the file has it
    label: str  # without units
    # ``"time"``, a meaning of :data:`WORDS`, a kind of covariate (then ``kind`` is the same), or
    # ``"unknown"``
    meaning: str = "unknown"
    unit: str | None = None  # as written
    length: LengthUnit | None = None  # the unit, where it is one of a level
    rest: str = ""  # what names one of several alike, e.g. the well of ``Depth_to_Groundwater_W1``

    @property
    def kind(self) -> str | None:
        """Kind of the covariate that the header names."""
        return self.meaning if self.meaning in KIND_MEANINGS else None

    @property
    def datum(self) -> str | None:
        """Vertical datum that the header names, in its unit or in its words."""
        if self.length is not None and self.length.datum:
            return self.length.datum
        if self.meaning != "level":
            return None
        named = [DATUM_WORDS[word] for word in tokens(self.label) if word in DATUM_WORDS]
        return named[0] if named else None

    @property
    def is_text(self) -> bool:
        """Whether a column of this name holds names, codes or units, whatever they look like."""
        meant = self.meaning in ("well", "screen", "unit", "parameter")
        return meant and not (self.meaning == "well" and bool(self.rest))

    @property
    def is_level(self) -> bool:
        """Whether it names a level or a depth."""
        return self.meaning in ("level", "depth")

    def with_unit(self, unit: str | None) -> Header:
        """Return the header with the unit of another place, where it has none itself."""
        if unit is None or self.unit:
            return self
        return _of_depth(replace(self, unit=unit, length=parse_length(unit)))


def tokens(text: str) -> list[str]:
    """Return the folded words of a header.

    Examples
    --------
    >>> tokens("Depth_to_Groundwater-W1"), tokens("Prüfstatus")
    (['depth', 'to', 'groundwater', 'w1'], ['pruefstatus'])
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    return [word for word in re.split(r"(?:[^\w#%]|_)+", fold(apart)) if word]


@lru_cache(maxsize=4096)
def read_header(text: str) -> Header:
    """Return what a header says: its meaning, unit and datum, and which one of several it is.

    Examples
    --------
    >>> header = read_header("Grundwasserstand [m u. GOK]")
    >>> header.meaning, header.length.sense
    ('depth', 'below')
    >>> read_header("Rainfall_Hilltown").kind, read_header("MW-1_ft").label
    ('rain', 'MW-1')
    """
    alone = parse_length(text)
    if alone is not None and alone.sense in ("above", "below"):  # mbgl, mNAP
        meaning = "depth" if alone.sense == "below" else "level"
        return Header(text, text, meaning, text, alone)
    behind = re.search(r"[\])]\s*([^\[\]()]+)$", text)
    if behind and _meaning(behind[1], tokens(behind[1]))[0] == "quality":
        return Header(text, text, "quality")
    label, unit = _split_unit(text)
    words = tokens(label)
    length = parse_length(unit) if unit else None
    meaning, used = _meaning(label, words)
    if meaning == "place" and "below" in words[1:] and words[0] in _WATER:
        meaning = "depth"  # level below ground level
    if meaning == "level" and (length is None or not length.sense) and _BELOW.search(fold(label)):
        meaning = "depth"  # Grunnvannstand under terreng
    if meaning == "well" and used.startswith("pegel") and RIVERS & set(words):
        meaning = "stage"
    rest = _rest(label, used)
    if meaning == "well" and rest and _meaning(rest, tokens(rest))[0] == "well":
        rest = ""  # the code of a piezometer, not a piezometer called Code
    if length is None and meaning in _MEASURED:
        unit, length = _of_words(words, meaning, unit)
    if unit is None and meaning.startswith("temperature") and rest in _DEGREES:
        unit, rest = rest, ""
    if unit and meaning in ("unknown", "value", "well", "screen"):
        meaning = _of_letter(label, unit) or _of_unit(unit) or meaning
    if unit and meaning in KIND_MEANINGS and unit.strip().lower() in _DURATIONS:
        meaning = "index"  # days of rain, hours of sun
    return _of_depth(Header(text, label, meaning, unit, length, rest))


def _of_words(
    words: list[str], meaning: str, unit: str | None
) -> tuple[str | None, LengthUnit | None]:
    """Return the unit that a word of a header is, with the datum in its brackets."""
    inside = [_INSIDE[word] for word in words if word in _INSIDE]
    if not inside and words[-1:] == ["m"] and meaning in ("level", "depth"):
        inside = ["m"]
    if len(inside) != 1:
        return unit, None
    whole = parse_length(f"{inside[0]} {unit or ''}".strip())
    known = whole is not None and whole.unclear is None
    return (f"{inside[0]} {unit or ''}".strip(), whole) if known else (unit, None)


_BELOW = re.compile(
    r"\b(?:under|unter|unterhalb|below|beneath|onder|beneden|sous|bajo|sotto|abaixo|pod|ispod|alatt|"
    r"ponizej|maanpinnasta|dal?\s+p\.?\s?c\b|dal\s+piano|ab\s+(?:ok|gok|rok|pok|mp))\b|/\s?(?:sol|tn)\b"
)
"""Words of a name of a level that say that it is below a point, in many languages."""
_WATER = ("level", "levels", "water", "wl", "gwl", "groundwater", "head", "distance", "swl")
_MEASURED = ("level", "depth", "value", "unknown", "well")
_DURATIONS = ("days", "day", "hours", "h", "minutes", "min", "count")
_OF_UNITS = {
    "temperature": ("degc", "degf", "celsius", "degreesc", "degreesf", "degcelsius", "kelvin"),
    "pressure": ("hpa", "mbar", "kpa", "bar", "psi", "psia", "psig", "mmhg", "inhg", "cmh2o",
                 "mh2o", "mmh2o"),
    "other": ("μscm", "uscm", "mscm", "scm", "v", "volt", "volts", "mv", "mgl", "ntu", "ppm", "%"),
    "pumping": ("ls", "lmin", "m3h", "m3d", "m3", "gpm", "mld", "m3day"),
    "stage": ("m3s", "cfs", "cumecs"),
    "wind": ("ms", "kmh", "mph"),
    "radiation": ("wm2", "jcm2", "mjm2", "kjm2"),
}  # fmt: skip
_KIND_OF_UNIT = {unit: kind for kind, units in _OF_UNITS.items() for unit in units}


def _of_letter(label: str, unit: str) -> str | None:
    """Return the kind that a letter stands for beside its usual unit, as in ``P (mm)``."""
    kind = covariate_kind(label) if len(label) < 3 else "other"
    usual = {"rain": ("mm",), "evapotranspiration": ("mm",), "temperature": ("degc", "c")}
    return kind if compact(unit.replace("°", "deg")) in usual.get(kind, ()) else None


def _of_unit(unit: str) -> str | None:
    """Return what a column measures whose unit is none of a level."""
    return _KIND_OF_UNIT.get(compact(unit.replace("°", "deg")) or unit.strip())


def _of_depth(header: Header) -> Header:
    """Return the header as that of a depth where its unit says that it is below a point."""
    length = header.length
    if length is None or header.meaning not in ("level", "value", "unknown", "depth"):
        return header
    if length.sense == "below" and header.meaning != "unknown":
        return replace(header, meaning="depth")
    if length.sense == "above" and header.meaning in ("depth", "value"):
        return replace(header, meaning="level")
    if length.sense == "relative" and header.meaning == "value":
        return replace(header, meaning="level")
    return header


_PHRASE = re.compile(
    r"\b(?:in\s+)?(?P<unit>ft|feet|foot|meters?|metres?|inch(?:es)?|(?<=\bin )c?m)\b\.?\s*"
    r"(?P<sense>(?:below|above|relative\s+to|rel\.?\s+to)\s+.+)?$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"^(?P<label>.*[^\W_].*?)[_\s]+(?P<unit>ft|feet|cm|mm|FT|CM|MM|Feet|degC|degF|"
    r"m_?(?:ü|u|ue)_?NN|mNAP|mNN|mNHN|mAOD|mAHD|m_?NAP|mTAW|mtaw|m_?msl|masl|mbgl|mbgs|ft_?bgs|ft_?bls|ft_?amsl)$"
)
_COMMA = re.compile(r"^(?P<label>.+?),\s*(?P<unit>in|inches|ft|feet|m|cm|mm)\.?$")
_BARE = re.compile(
    r"^(?P<label>.*[^\W_].*?)[\s,]+(?P<unit>(?:m|cm|mm|ft)\s*(?:[+.]|ü|ue|u\.|NN|NAP|NHN|AHD|AOD|"
    r"NAVD|NGVD|NGF|bgl|bgs|bls|btoc|[abs]\.\s?[a-z]\.|asl|amsl|TAW|t\.o\.v).*|°?C|degC|°F|kPa|psi|mbar|hPa|"
    r"meters|cm|ft|mm|feet)$"
)


def _split_unit(text: str) -> tuple[str, str | None]:
    """Return name and unit of a header such as ``rain [mm/d]``, ``Temp, °C`` or ``MW-1_ft``."""
    name = " ".join(text.split())
    several = re.findall(r"[\[(]\s*([^\[\]()]+?)\s*[\])]", name)
    known = next((inner for inner in several if parse_length(inner) or _of_unit(inner)), None)
    if known is not None and known != several[0]:  # (E) [m]
        head = name[: re.search(rf"[\[(]\s*{re.escape(known)}", name).start()]  # type: ignore[union-attr]
        return re.sub(r"[\[(][^\[\]()]*[\])]\s*$", "", head).rstrip(" ,;:"), known
    for inner in several:  # (feet, NAVD 1988)
        plain = " ".join(inner.replace(",", " ").split())
        if "," in inner and (length := parse_length(plain)) and not length.unclear:
            return name[: name.index(inner)].rstrip(" ,;:(["), plain
    for joint in "_ ":  # level_m_o.h., WATER_LEVEL_MASL, Hladina m n.m.
        parts = name.split(joint)
        for k in range(1, len(parts)):
            length = parse_length(tail := " ".join(parts[k:]))
            if length is not None and length.sense and not length.unclear:
                return joint.join(parts[:k]), tail
    bracket = re.match(r"^(.*?[^\s].*?)\s*[\[(<{]\s*(.+?)\s*[\])>}]*\s*$", name)
    if bracket and (head := bracket[1].rstrip(" ,;:")):
        inner = re.split(r"[\])]\s*[\[(]?", bracket[2])[0].strip(" ,")
        if not re.match(r"^(?:LGR|SEN|S/N|\d{4,})", inner) and "," not in inner.rstrip(","):
            unit = parse_length(inner) is not None or len(inner) <= 8
            if unit or _PHRASE.search(head) is None:
                return head, inner
        name = head
    for pattern in (_COMMA, _PHRASE, _SUFFIX, _BARE):
        found = pattern.search(name)
        if found and found.start("unit") > 0:
            whole = f"{found['unit']} {found.groupdict().get('sense') or ''}".strip()
            label = name[: found.start()] if pattern is _PHRASE else found["label"]
            if label.strip(" ,_-"):
                return label.strip(" ,_-"), whole.replace("_", " ")
    return name, None


@lru_cache(maxsize=1)
def _phrases() -> dict[str, list[tuple[str, str]]]:
    """Return the phrases of each meaning, and of names of heights and depths, longest first.

    Beside each phrase stands its longest part without a star.
    """
    found = {}
    for meaning, phrases in (WORDS | {"": EITHER}).items():
        plain = sorted((" ".join(tokens_of_pattern(one)) for one in phrases.split(",")), key=len)
        found[meaning] = [(one, max(one.split("*"), key=len)) for one in reversed(plain) if one]
    return found


def _matches(meaning: str, joined: str) -> Iterator[str]:
    """Yield the words among joined ones that a phrase of a meaning stands for."""
    for phrase, part in _phrases()[meaning]:
        if part in joined:  # few are, and the rest takes longer
            found = _found(phrase, joined)
            if found:
                yield found


def _found(phrase: str, joined: str) -> str:
    """Return the words among joined ones that a phrase stands for; empty without any.

    A star stands for the rest of a word. Only phrases that may match become a regular expression.
    """
    if "*" not in phrase:
        return phrase if f" {phrase} " in f" {joined} " else ""
    if any(part not in joined for part in phrase.split("*")):
        return ""
    pattern = r"(?:^| )" + re.escape(phrase).replace(r"\*", "[^ ]*") + "(?= |$)"
    found = re.search(pattern, joined)
    return found[0].strip() if found else ""


_UNSPACED_HEIGHTS = tuple(fold(word) for word in HEIGHT_WORDS if not word.isascii())
_ABOVE_POINT = re.compile(
    r"\b(?:above|over|ueber|boven) (?:the )?(?:ground|land|surface|gok|toc|gl|gelaende)"
)


def sense_of(label: str) -> Literal["height", "plain", "either", ""]:
    """Return whether a name is one of heights, the plain one of levels, or used for depths too.

    Examples
    --------
    >>> sense_of("hydraulic head"), sense_of("Nivel freático"), sense_of("water level")
    ('height', 'either', '')
    """
    words = set(tokens(label))
    joined = " ".join(tokens(label))
    if _ABOVE_POINT.search(joined):
        return "either"
    if words & HEIGHT_WORDS or any(word in joined for word in _UNSPACED_HEIGHTS):
        return "height"
    if {"level", "levels", "gwl"} >= words > set():
        return "plain"
    return "either" if any(_matches("", joined)) else ""


@lru_cache(maxsize=1)
def _all_words() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words of all tables, and those of languages without blanks between words."""
    listed = [*WORDS.values(), *TIME_WORDS, *CALENDAR_WORDS]
    parts = {part.strip("*") for words in listed for part in tokens_of_pattern(words)}
    return frozenset(p for p in parts if len(p) > 3), tuple(p for p in parts if not p.isascii())


def known_words(text: str) -> int:
    """Return how many words of a text are words of the field, in any language.

    Examples
    --------
    >>> known_words("日付,地下水位(m)"), known_words("Hladina vody"), known_words("xyz")
    (2, 1, 0)
    """
    words, joined = _all_words()
    found = set(tokens(text))
    return sum(word in words or any(part in word for part in joined) for word in found)


def tokens_of_pattern(word: str) -> list[str]:
    """Return the folded words of a phrase of the table, with its stars."""
    return [part for part in re.split(r"(?:[^\w#%*]|_)+", fold(word)) if part]


@lru_cache(maxsize=1)
def _time_patterns() -> re.Pattern[str]:
    phrases = {" ".join(tokens_of_pattern(word)) for word in (*TIME_WORDS, *CLOCK_WORDS)}
    joined = "|".join(
        re.escape(p).replace(r"\*", ".*").replace(r"\ ", " ")
        for p in sorted(phrases, key=len, reverse=True)
        if p
    )
    return re.compile(rf"^(?:{joined})$")


@lru_cache(maxsize=1)
def _exact_phrases() -> dict[str, str]:
    """Return the meaning of each phrase without a star."""
    found: dict[str, str] = {}
    for meaning, words in WORDS.items():
        for word in words.split(","):
            if "*" not in word:
                found.setdefault(" ".join(tokens_of_pattern(word)), meaning)
    return found


_EXACT = {name: kind for kind, names in KINDS.items() for name in names if len(name) > 1}
del _EXACT["waterlevel"]  # of a well as well


def _meaning(label: str, words: list[str]) -> tuple[str, str]:
    """Return the meaning of a header and the phrase that gives it."""
    joined = " ".join(words)
    if not words:
        return ("index", "") if not label.strip(" #") else ("unknown", "")
    exact = _exact_phrases().get(joined)
    if exact in ("quality", "index", "unit", "zone"):
        return exact, joined
    if _time_patterns().match(joined):
        return "time", joined
    if label.lower() in _EXACT and covariate_kind(label) in KIND_MEANINGS:
        return covariate_kind(label), joined
    whole = label.lower().replace(" ", "_")
    if whole.endswith(("_cd", "_qc")):
        return "quality", joined
    for meaning in _phrases():
        for found in _matches(meaning, joined):
            if _fits(meaning, joined, found):
                return meaning, found
    return "unknown", ""


_INSIDE = {"ft": "ft", "feet": "ft", "foot": "ft", "cm": "cm", "mm": "mm", "inches": "in",
           "inch": "in"}  # fmt: skip
"""Units that stand between the words of a header, as in ``water_level_ft_navd88``."""
_DEGREES = ("C", "F", "K", "degC", "degF", "c", "f", "degc", "degf")
_WHOLE = frozenset({"index", "place", "zone", "unit", "parameter", "direction", "value", "screen",
                    "other"})  # fmt: skip


def _fits(meaning: str, joined: str, phrase: str) -> bool:
    """Return whether a phrase gives the meaning of a whole header, and not only a part of it."""
    if phrase == joined:
        return True
    if meaning in _WHOLE:
        return len(phrase.split()) > 1 or len(phrase) > 6
    if meaning == "well":
        return False if phrase in SINGLE else len(phrase) > 2
    if meaning in ("quality", "area"):
        return phrase not in SINGLE
    others = set(joined.split()) - set(phrase.split())
    if phrase in ("head", "wl", "level", "depth", "levels", "dtw", "wse"):
        return True
    return phrase not in SINGLE or others <= GENERIC


def _rest(label: str, phrase: str) -> str:
    """Return the part of a label that is not the phrase, in the spelling of the file."""
    if not phrase:
        return label.strip()
    parts = re.split(r"([\s_./:,;]+|-(?=\D))", label)
    kept, used = [], phrase.split()
    for part in parts[::2]:
        folded = tokens(part)
        if folded and all(word in used or word in GENERIC for word in folded):
            continue
        if part.strip():
            kept.append(part)
    joined = " ".join(kept)
    found = re.search(re.escape(" ".join(kept)).replace(r"\ ", r"[\s_./:,;-]+"), label)
    return (found[0] if found and kept else joined).strip(" _-,;:.")
