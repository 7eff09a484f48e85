"""Texts of figures: names of models, wells, covariates and scores, units, lead times, numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.verification.metrics import METRICS

__all__ = [
    "MINUS", "WEATHER", "covariate_label", "lead_label", "lead_numbers", "level_label",
    "metric_label", "model_label", "perfect_value", "shortened", "thousands", "units_label",
    "wells_label",
]  # fmt: skip


MINUS = "\N{MINUS SIGN}"

_KINDS = {
    "temperature_min": "minimum temperature",
    "temperature_max": "maximum temperature",
    "stage": "river stage",
}
"""Kinds of covariates whose name in figures is not the word itself."""

WEATHER = {
    "observed": "with observed weather",
    "climatology": "with weather of past years",
    "forecast": "with a weather forecast",
    "ensemble": "with a weather forecast",
}
"""Origin of the weather after an issue time, by forcing."""

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


def wells_label(wells: Iterable[object], several: str = "") -> str:
    """Return the name of the only well, or the number of wells behind a text.

    Examples
    --------
    >>> wells_label(["fen", "fen"]), wells_label(["fen", "scarp"], "mean of ")
    ('fen', 'mean of 2 wells')
    """
    names = list(dict.fromkeys(map(str, wells)))
    return names[0] if len(names) == 1 else f"{several}{len(names)} wells"


def thousands(count: int) -> str:
    """Return a number with thin spaces between the thousands."""
    return f"{count:,}".replace(",", "\N{THIN SPACE}")


def perfect_value(metric: str) -> float:
    """Return the value of a metric for a perfect prediction."""
    if metric in METRICS:
        return float(METRICS[metric].perfect)
    if metric.startswith("coverage_"):
        return float(metric.removeprefix("coverage_")) / 100
    return 1.0 if metric.startswith("skill") else 0.0


def metric_label(metric: str) -> str:
    """Return the label of an axis of a metric, such as ``"RMSE [m]"``.

    Examples
    --------
    >>> metric_label("width_95"), metric_label("skill_crps_persistence")
    ('width of the 95 % interval [m]', 'CRPS skill relative to persistence')
    """
    if metric in METRICS:
        units = METRICS[metric].units
        return METRICS[metric].label + ("" if units == "1" else f" [{units}]")
    what, _, level = metric.rpartition("_")
    if level.isdigit():
        units = "" if what == "coverage" else " [m]"
        return f"{what.replace('_', ' ')} of the {level} % interval{units}"
    if metric.startswith("skill_"):
        score, _, baseline = metric.removeprefix("skill_").partition("_")
        relative = f" relative to {model_label(baseline)}" if baseline else ""
        return f"{score.upper()} skill{relative}"
    return "CRPS [m]" if metric == "crps" else metric


def lead_numbers(lead_time: np.ndarray) -> tuple[np.ndarray, str]:
    """Return lead times as numbers, and their unit; numbers without a unit are months.

    Examples
    --------
    >>> lead_numbers(np.array([7, 14], "timedelta64[D]"))
    (array([1., 2.]), 'weeks')
    """
    lead_time = np.asarray(lead_time)
    if lead_time.dtype.kind != "m":
        return lead_time.astype(float), "months"
    days = lead_time / np.timedelta64(1, "D")
    return (days / 7, "weeks") if (days % 7 == 0).all() else (days, "days")


def lead_label(lead_time: object) -> str:
    """Return one lead time in words.

    Examples
    --------
    >>> lead_label(np.timedelta64(7, "D")), lead_label(3)
    ('1 week', '3 months')
    """
    numbers, unit = lead_numbers(pd.Index([lead_time]).to_numpy())
    return f"{numbers[0]:g} {unit if numbers[0] != 1 else unit[:-1]}"
