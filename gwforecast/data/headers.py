"""What the header of a column says: level or depth, units, datum."""

from __future__ import annotations

from gwforecast.data.providers import OF_CODES

__all__ = [
    "DEPTH_NAMES",
    "LEVEL_NAMES",
    "UNITS",
    "bare_name",
    "bracketed",
    "datum_of_name",
    "datum_of_units",
    "is_below",
    "names_depth",
    "names_level",
]

LEVEL_NAMES = (
    "head", "level", "gwl", "value", "values", "stand_m_tov_nap", "water_level_masl_m", "wl",
    "niveau_nappe_eau", "water_level_above_navd88_ft", "water_level_above_site_datum_ft",
    "groundwater_level", "water_level", "hydraulic_head", "gw_level", "grundwasserstand",
    "grundwasserspiegel", "gw_stand", "grondwaterstand", "stijghoogte", "niveau",
    "beoordeelde waarde", "voorlopige waarde", "controle waarde", "onbekend waarde",
    *(code for code, meaning in OF_CODES.items() if not meaning.is_depth),
)  # fmt: skip
DEPTH_NAMES = (
    "depth_to_water", "depth_to_groundwater", "depth_to_water_level", "dtw", "depth",
    "water_level_below_ground_m", "water_level_below_surface_m", "profondeur_nappe", "profondeur",
    "abstich", "flurabstand", "grundwasserflurabstand",
    *(code for code, meaning in OF_CODES.items() if meaning.is_depth),
)  # fmt: skip
UNITS = ("m", "cm", "mm", "ft")
DATUMS = {
    "stand_m_tov_nap": "NAP",
    "beoordeelde waarde": "NAP",
    "voorlopige waarde": "NAP",
    "controle waarde": "NAP",
    "onbekend waarde": "NAP",
    "water_level_above_navd88_ft": "NAVD88",
}
_LEVELS, _DEPTHS = (
    {name.replace("_", " ") for name in names} for names in (LEVEL_NAMES, DEPTH_NAMES)
)
BELOW = ("bgl", "bgs", "btoc", "bmp", "bls")  # m below ground level, surface, top of casing, ...


def datum_of_name(name: str) -> str | None:
    """Return the datum of a header: ``level [m NAP]`` is above ``NAP``; None where none is."""
    bare = bare_name(name)
    if bare in OF_CODES:
        return OF_CODES[bare].datum
    if bare in DATUMS:
        return DATUMS[bare]
    return None if is_below(name) else datum_of_units(_inside(name))


def datum_of_units(text: str) -> str | None:
    """Return the datum that stands behind units: ``m NAP`` is above ``NAP``; None where none."""
    words = text.split()
    return words[1] if len(words) == 2 and words[0] in UNITS else None


def names_level(name: str) -> bool:
    """Return whether a header is one of those that levels have."""
    return bare_name(name).replace("_", " ") in _LEVELS


def names_depth(name: str) -> bool:
    """Return whether a header is one of those that depths to water have."""
    return bare_name(name).replace("_", " ") in _DEPTHS


def is_below(name: str) -> bool:
    """Return whether a header such as ``level [m bgl]`` says that it is a depth."""
    return _inside(name).lower().partition(" ")[2] in BELOW


def bracketed(name: str) -> str | None:
    """Return the units of a header: ``level [m NAP]`` is in ``m``; None without brackets."""
    return _inside(name).split(" ")[0] or None


def _inside(name: str) -> str:
    return name.replace("(", "[").partition("[")[2].strip(" ])")


def bare_name(name: str) -> str:
    """Return a header without units, statistic and case: ``72019_Mean`` is ``72019``."""
    bare = name.replace("(", "[").partition("[")[0].strip().lower()
    code = bare.partition("_")[0]
    return code if code.isdigit() and len(code) == 5 else bare
