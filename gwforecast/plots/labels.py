"""Texts of figures: names of models, wells and covariates, units and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from gwforecast import schema

__all__ = [
    "MINUS",
    "covariate_label",
    "level_label",
    "model_label",
    "shortened",
    "thousands",
    "units_label",
]


MINUS = "\N{MINUS SIGN}"

_KINDS = {
    "temperature_min": "minimum temperature",
    "temperature_max": "maximum temperature",
    "stage": "river stage",
}
"""Kinds of covariates whose name in figures is not the word itself."""

_UNITS = {"degC": "°C", "m3/d": "m³/d", "W/m2": "W/m²", "W m-2": "W/m²"}


def shortened(name: str, *, most: int) -> str:
    """Return a name of at most ``most`` letters, with an ellipsis in the middle of a longer one.

    The end is kept, because wells often differ by it.

    Examples
    --------
    >>> shortened("municipal well 12, deep", most=11)
    'munic…deep'
    """
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return name[: most - 1 - tail].rstrip() + "\N{HORIZONTAL ELLIPSIS}" + name[-tail:].lstrip()


def level_label(level: xr.DataArray) -> str:
    """Return the label of an axis of levels, such as ``"level [m above NAP]"``."""
    units = str(level.attrs.get("units", schema.LEVEL_UNITS))
    datum = str(level.attrs.get("vertical_datum", "")).strip()
    return f"level [{units} above {datum}]" if datum else f"level [{units}]"


def model_label(model: str) -> str:
    """Return the name of a model as it is written in figures.

    Words of up to three letters are acronyms, and so are words of four letters that begin with a
    vowel or have none. Names with capital letters are left as they are.

    Examples
    --------
    >>> [model_label(name) for name in ("lstm", "arma_regression", "global_gru", "blend", "wide")]
    ['LSTM', 'ARMA regression', 'global GRU', 'blend', 'wide']
    """
    if model != model.lower():
        return model.replace("_", " ")
    return " ".join(word.upper() if _is_acronym(word) else word for word in model.split("_"))


def _is_acronym(word: str) -> bool:
    if not word.isalpha() or len(word) > 4:
        return False
    return len(word) <= 3 or word[0] in "aeiou" or not set(word) & set("aeiouy")


def covariate_label(name: str, attrs: Mapping[str, Any] | None = None) -> str:
    """Return the name of a covariate in words, with the provider's code behind it.

    Examples
    --------
    >>> covariate_label("rr"), covariate_label("TX"), covariate_label("snow_storage")
    ('rain (rr)', 'maximum temperature (TX)', 'snow storage')
    """
    kind = schema.covariate_kind(name, dict(attrs or {}))
    words = name.replace("_", " ")
    spoken = _KINDS.get(kind, kind.replace("_", " "))
    is_code = len(name) <= 4 and name.lower() not in (kind, "rain", "snow", "wind")
    if kind not in ("other", "season") and is_code:
        return f"{spoken} ({name})"
    return words


def units_label(attrs: Mapping[str, Any]) -> str:
    """Return the units in brackets as they follow a name, such as ``" [mm/d]"``; empty for none.

    Examples
    --------
    >>> units_label({"units": "degC"}), units_label({"units": "1"})
    (' [°C]', '')
    """
    units = str(attrs.get("units", "")).strip()
    return "" if units in ("", "1", "-") else f" [{_UNITS.get(units, units)}]"


def thousands(count: int) -> str:
    """Return a number with thin spaces between the thousands."""
    return f"{count:,}".replace(",", "\N{THIN SPACE}")
