"""Units as headers, unit rows and metadata write them: length, vertical datum, depth, weather.

The spelling is free: ``m ü. NN``, ``mNAP``, ``ft below TOC``, ``0.1 mm``, ``kg m-2 s-1``. What is
not understood is reported as such, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "TO_METRES",
    "LengthUnit",
    "compact",
    "convert_weather",
    "fold",
    "is_rate",
    "parse_length",
]

TO_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "dm": 0.1, "ft": 0.3048, "in": 0.0254}
"""Factor to metres by the names of the units of a level."""

_SPELLINGS = {
    "m": ("m", "meter", "meters", "metre", "metres", "mtr", "metros", "metri", "metro", "м",
        "метр", "метров", "米", "公尺", "ม", "เมตร", "م", "מ"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres", "zentimeter", "см",
        "公分"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "мм", "毫米"),
    "dm": ("dm", "dezimeter", "decimeter", "decimetre"),
    "ft": ("ft", "feet", "foot", "pies", "fuss", "pieds", "piedi"),
    "in": ("in", "inch", "inches", "zoll", "pulgadas", "pollici", "pouces"),
}  # fmt: skip
_CANONICAL = {word: name for name, words in _SPELLINGS.items() for word in words}
_LONGEST_FIRST = sorted(_CANONICAL, key=len, reverse=True)

_ABOVE = {
    "NAP": ("nap", "tovnap", "tennap", "bovennap"),
    "NN": ("nn", "uenn", "uebernn", "uebernormalnull", "normalnull"),
    "NHN": ("nhn", "uenhn", "uebernhn", "uenhn2016", "nhndhhn92", "nhndhhn2016", "nhn2016"),
    "Adria": ("uea", "ueadria", "ueberadria"),
    "MSL": (
        "msl", "amsl", "asl", "abovesealevel", "abovemeansealevel", "uem", "uebermeer", "snm",
        "slm", "sulm", "snmm", "sobreelniveldelmar", "sullivellodelmare", "oeh", "oeverhavet",
        "oh", "overhavet", "aboveseelevel", "aboveMSL".lower(), "relativetomsl", "nivmer",
        "audessusdelamer", "acimadoniveldomar", "uems", "hoehe", "uemuem", "nm", "nadmorem",
        "nv", "npm", "nadpoziomemmorza", "py", "mpy", "el", "sea", "abovesea", "sealevel",
        "meansealevel", "themeansealevel", "thesealevel",
    ),
    "NGF": ("ngf", "ngfign69", "ign69", "ngfcorse"),
    "ODN": ("aod", "od", "odn", "aodn", "aboveod", "aboveordnancedatum"),
    "AHD": ("ahd", "aboveahd"),
    "NAVD88": ("navd88", "navd1988", "abovenavd88", "relativetonavd88", "navdof1988",
               "northamericanverticaldatumof1988"),
    "NGVD29": ("ngvd29", "ngvd1929", "abovengvd29", "relativetongvd29", "ngvdof1929",
               "nationalgeodeticverticaldatumof1929"),
    "TAW": ("taw", "tovtaw"),
    "RH2000": ("rh2000", "oehrh2000"),
    "RH70": ("rh70",),
    "DVR90": ("dvr90", "dvr"),
    "N2000": ("n2000",),
    "N60": ("n60",),
    "NN2000": ("nn2000",),
    "NN1954": ("nn1954",),
    "CGVD28": ("cgvd28",),
    "CGVD2013": ("cgvd2013",),
    "NZVD2016": ("nzvd2016",),
    "LN02": ("ln02", "uemln02"),
    "HN": ("hn", "uehn"),
    "Malin": ("odmalin", "malin", "odmalinhead"),
    "DNG": ("dng", "tovdng"),
    "TP": ("tp", "tokyopeil"),
    "Baltic": ("bf", "balti", "baltic", "бс"),
    "Black Sea": ("dmn", "mn75"),
    "Huanghai": ("黄海", "黄海高程"),
    "IGLD85": ("igld85", "relativetoigld85"),
    "HAWAII": ("lmsl", "relativetolocalmeansealevel"),
}  # fmt: skip
_DATUM = {word: datum for datum, words in _ABOVE.items() for word in words}
_NOT_A_DATUM = frozenset({"rel", "relative", "abs", "water", "h2o", "aq", "total", "s", "a", "d"})

_BELOW_WORDS = re.compile(
    r"\b(?:below|beneath|bgl|bgs|bls|btoc|btop|btc|bmp|bgsl|bg|bns|mbgl|from\s+(?:the\s+)?(?:top|toc|"
    r"ground|surface|land)|unter|unterhalb|u\.?|onder|beneden|sous|bajo|desde|sotto|dal|da|abaixo|"
    r"under|to\s+water|tiefe|flurabstand|pod|poni[zż]ej|ispod|alatt)(?=[\s._-]|$)",
    re.IGNORECASE,
)
_BELOW_COMPACT = re.compile(
    r"^(?:b(?:gl|gs|ls|toc|mp|tc|ns|gsl|d|nt)|below.*|beneath.*|unter.*|onder.*|beneden.*|sous.*|bajo.*|"
    r"sotto.*|abaixo.*|under.*|u(?:gok|gof|mp|mpkt|rok|pok|ok|my|markyta|roek|gelaende|t|terraen|"
    r"ter|messp|messpunkt|pkt|bkmp)|d?a?l?pc|dapc|dalpianocampagna|sousrepere|gok|gof|toc|"
    r"lsd|tocdown|dtw|ppt|pt|pob|pod(?:teren|odmern|urovn|povrch).*|maanpinnasta|maapinnast)$"
)
_RELATIVE = re.compile(
    r"^(?:tov(?:mv|maaiveld|mp|meetpunt|bkb)|mv|maaiveld|mp|rel(?:ative)?(?:to)?(?:toc|mp|ground.*|"
    r"gok|surface|land.*)|bzg(?:gok|mp)|bezogenaufgok)$"
)
_PLAIN_DATUM = re.compile(r"^[A-Z][A-Za-z]{1,11}\d{0,4}$")

Sense = Literal["above", "below", "relative"]


@dataclass(frozen=True)
class LengthUnit:
    """The unit of a level as it is written."""

    name: str  # a name of :data:`TO_METRES`
    # whether values are heights above a datum, depths below a point, or heights or depths from a
    # point with a sign that the text does not give
    sense: Sense | None = None
    datum: str | None = None  # vertical datum
    point: str | None = None  # what a depth is measured from, as written
    unclear: str | None = None  # what is written behind the unit and was not understood

    @property
    def factor(self) -> float:
        """Factor to metres."""
        return TO_METRES[self.name]


_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "a", "ø": "oe", "æ": "ae", "œ": "oe",
     "ł": "l", "đ": "d", "ı": "i"}
)  # fmt: skip


def fold(text: str) -> str:
    """Return text in lower case without accents; umlauts become two letters.

    Examples
    --------
    >>> fold("Prüfstatus"), fold("Côte")
    ('pruefstatus', 'cote')
    """
    spelled = text.lower()
    if spelled.isascii():
        return spelled
    plain = unicodedata.normalize("NFC", spelled).translate(_LETTERS)
    split = unicodedata.normalize("NFKD", plain)
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def compact(text: str) -> str:
    """Return folded text without anything but letters and digits."""
    return re.sub(r"[\W_]+", "", fold(text))


def parse_length(text: str) -> LengthUnit | None:
    """Return the unit of a level, or None where the text is no length.

    Examples
    --------
    >>> parse_length("m ü. NN").datum, parse_length("m u. GOK").sense
    ('NN', 'below')
    >>> parse_length("FT").name, parse_length("mNAP").datum, parse_length("m b.g.l.").datum
    ('ft', 'NAP', None)
    >>> parse_length("in cm below ground").name, parse_length("in below ground").name
    ('cm', 'in')
    """
    written = text.strip().strip("[]()").strip()
    named = re.match(r"in\s+(?=(\w+))", written, re.IGNORECASE)  # in cm below ground
    if named and named[1].lower() in _CANONICAL:
        written = written[named.end() :]
    if written in ("'", "\u2019"):
        return LengthUnit("ft")
    if written in ('"', "\u201d"):
        return LengthUnit("in")
    short = re.fullmatch(
        r"(m|cm)\s?[-/]\s?(mv|maaiveld|gok|gs|bgl|toc|mp|sol|tn|rep(?:ere)?)", fold(written)
    )
    if re.fullmatch(r"g\.?l\.?\s?-\s?m", fold(written)):  # of Japan
        return LengthUnit("m", "below", point="GL")
    if short:  # cm-mv, m/sol
        return LengthUnit(short[1], "below", point=short[2])
    plain = compact(written)
    if plain in ("masl", "mamsl", "mahd", "maod", "mod"):
        return LengthUnit("m", "above", _DATUM[plain[1:]])
    turned = re.fullmatch(r"(.*?\w)[\s.+-]+(m|cm|ft)", written)  # T.P.m in Japan, NHN+m
    if turned and compact(turned[1]) in _DATUM and plain not in _CANONICAL:
        return LengthUnit(turned[2], "above", _DATUM[compact(turned[1])])
    for word in _LONGEST_FIRST:
        if not plain.startswith(word) or not fold(written).lstrip().startswith(word):
            continue  # "m msl" begins with mm only without its blank
        rest = plain[len(word) :]
        if not rest:
            return LengthUnit(_CANONICAL[word])
        behind = _behind(written, word)
        if behind is not None:
            return _sense(_CANONICAL[word], rest, behind)
    return None


def _behind(written: str, word: str) -> str | None:
    """Return what stands behind the unit; None where the text goes on as another word."""
    start = re.match(rf"\s*{re.escape(word)}", written, re.IGNORECASE)
    if start is None:
        return ""
    behind = written[start.end() :]
    known = compact(behind)
    if behind[:1] in tuple("/0123456789²³^*·%") or known in ("h2o", "wc", "ws", "aq"):
        return None
    if behind[:1].isalpha() and known not in _DATUM and not _BELOW_COMPACT.match(known):
        return None
    return behind.strip(" .+_-,;:()[]")


def _sense(name: str, rest: str, behind: str) -> LengthUnit:
    if rest in _DATUM:
        return LengthUnit(name, "above", _DATUM[rest])
    if _RELATIVE.match(rest):
        return LengthUnit(name, "relative", point=behind)
    if _BELOW_COMPACT.match(rest) or _BELOW_WORDS.search(behind):
        return LengthUnit(name, "below", point=behind)
    above = re.match(
        r"(?:above|over|ueber|ue|boven|relativeto|relto|tov|sobre|sopra|au dessus)(.+)$", rest
    )
    if above and (above[1] in _DATUM or _PLAIN_DATUM.match(behind.split()[-1])):
        return LengthUnit(name, "above", _DATUM.get(above[1]) or behind.split()[-1])
    if above and above[1] in ("datum", "thedatum", "localdatum", "reference", "sitedatum"):
        return LengthUnit(name, "above")
    if _PLAIN_DATUM.match(behind) and rest not in _NOT_A_DATUM and behind.upper() == behind:
        return LengthUnit(name, "above", behind)
    return LengthUnit(name, unclear=behind)


_DAY = 86_400.0  # s

_RAIN = {
    "mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "mmwater": 1.0, "kgm2": 1.0, "lm2": 1.0,
    "01mm": 0.1, "110mm": 0.1, "mm10": 0.1,
    "cm": 10.0, "m": 1000.0, "mofwaterequivalent": 1000.0, "in": 25.4, "inch": 25.4,
    "inches": 25.4, "001in": 0.254, "ft": 304.8,
}  # fmt: skip
_PER_TIME = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0,
             "d": _DAY, "day": _DAY, "24h": _DAY, "tag": _DAY, "dag": _DAY,
             "jour": _DAY}  # fmt: skip
_TEMPERATURE = {
    **dict.fromkeys(("degc", "c", "celsius", "degreec", "degreescelsius", "gradc", "degreesc",
                     "degcelsius", "oc"), (1.0, 0.0)),
    **dict.fromkeys(("01degc", "01c", "01celsius", "01degreescelsius", "110degc",
                     "110c", "degc10", "c10"), (0.1, 0.0)),
    **dict.fromkeys(("k", "kelvin", "degk"), (1.0, -273.15)),
    **dict.fromkeys(("degf", "f", "fahrenheit", "degreesf", "of"), (5 / 9, -32 * 5 / 9)),
}  # fmt: skip
_ENERGY = {"jcm2": 1e4, "jm2": 1.0, "kjm2": 1e3, "mjm2": 1e6, "whm2": 3600.0, "kwhm2": 3.6e6,
           "jm2s": 1.0}  # fmt: skip
_PRESSURE = {"hpa": 1.0, "mbar": 1.0, "mb": 1.0, "pa": 0.01, "kpa": 10.0, "01hpa": 0.1,
             "bar": 1000.0, "mmhg": 1.33322, "inhg": 33.8639}  # fmt: skip
_WIND = {"ms": 1.0, "ms1": 1.0, "01ms": 0.1, "kmh": 1 / 3.6, "knots": 0.514444, "kn": 0.514444,
         "mph": 0.44704}  # fmt: skip
_HUMIDITY = {"%": 1.0, "percent": 1.0, "pct": 1.0}


def convert_weather(kind: str, unit: str, *, days: float = 1.0) -> tuple[float, float, str] | None:
    """Return factor, offset and the usual unit of a covariate; None where the unit is not known.

    ``value * factor + offset`` is in the unit: rain and evapotranspiration are mm a step of some
    days, temperature degC, radiation W/m2, pressure hPa, wind m/s. Factor and offset are 1 and 0
    where the unit is the usual one in another spelling.

    Examples
    --------
    >>> convert_weather("rain", "0.1 mm"), convert_weather("temperature", "K")
    ((0.1, 0.0, 'mm'), (1.0, -273.15, 'degC'))
    >>> convert_weather("rain", "kg m-2 s-1")
    (86400.0, 0.0, 'mm')
    """
    plain = compact(unit.replace("°", "deg").replace("²", "2"))
    if kind in ("rain", "evapotranspiration"):
        return _amount(unit, plain, days)
    if kind.startswith("temperature"):
        pair = _TEMPERATURE.get(plain)
        return None if pair is None else (*pair, "degC")
    if kind == "radiation":
        energy = _ENERGY.get(re.sub(r"(?:d|day|d1|perday)$", "", plain))
        return None if energy is None else (energy / (_DAY * days), 0.0, "W/m2")
    tables = {"pressure": (_PRESSURE, "hPa"), "wind": (_WIND, "m/s"), "humidity": (_HUMIDITY, "%")}
    if kind in tables:
        table, usual = tables[kind]
        factor = table.get(plain or unit.strip())
        return None if factor is None else (factor, 0.0, usual)
    return None


def is_rate(kind: str, unit: str) -> bool:
    """Return whether a unit is one of an amount in a time, not of the amount of a step.

    Examples
    --------
    >>> is_rate("rain", "mm/h"), is_rate("rain", "mm"), is_rate("radiation", "J/cm2")
    (True, False, False)
    """
    short, long = convert_weather(kind, unit), convert_weather(kind, unit, days=2.0)
    changes = short is not None and long is not None and short[0] != long[0]
    return changes != (kind == "radiation") if short is not None else False


def _amount(unit: str, plain: str, days: float) -> tuple[float, float, str] | None:
    """Return the conversion of rain or evaporation, an amount of a step or a rate."""
    if plain in _RAIN:
        return _RAIN[plain], 0.0, "mm"
    spaced = re.sub(r"[*^·]", " ", fold(unit))
    parts = re.match(
        r"^\s*(.+?)\s*(?:/|per\s+|\s+)\s*(s|sec|min|h|hr|hour|d|day|24h|tag|dag|jour)\s*(?:-?1)?\s*$",
        spaced,
    )
    if parts is None:
        return None
    amount = _RAIN.get(compact(parts[1]))
    if amount is None or (parts[2] in ("d", "day", "24h", "tag", "dag", "jour") and amount == 1.0):
        return None  # mm/d is left as it is stated
    return amount * _DAY * days / _PER_TIME[parts[2]], 0.0, "mm"
