"""Covariates from frames: checked, on the axis, with kind and units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.data.clean import clean_series
from gwforecast.schema import SchemaError

__all__ = ["covariate_variables", "weather_by_well"]

KNOWN_UNITS = {
    "rr": "mm", "tg": "degC", "tn": "degC", "tx": "degC", "pp": "hPa", "hu": "%", "fg": "m/s",
    "qq": "W/m2", "hyras_pr": "mm", "hyras_tas": "degC", "hyras_tasmin": "degC",
    "hyras_tasmax": "degC", "hyras_hurs": "%", "hyras_rsds": "W/m2",
}  # fmt: skip
"""Units of the names that E-OBS and HYRAS use, and nobody else; other names have none."""


def weather_by_well(
    covariates: pd.DataFrame | Mapping[str, pd.DataFrame] | None,
    wells: list[str],
    *,
    source: str,
    sort: bool,
    sentinels: tuple[float, ...],
) -> dict[str, pd.DataFrame]:
    """Return a frame of covariates for each well; all have the same columns.

    Parameters
    ----------
    covariates : pandas.DataFrame or mapping of str to pandas.DataFrame, optional
        Shared by all wells (each then has the same object), or by well.
    wells : list of str
        Wells that need covariates.
    source : str
        Column of the level, which may not be a covariate.
    sort : bool
        Sort times that are not in order.
    sentinels : tuple of float
        Numbers that become NaN.

    Raises
    ------
    SchemaError
        If a well has none, wells have different ones, or a column is not a covariate.
    """
    if covariates is None:
        return {}
    if not isinstance(covariates, Mapping):
        frame = _clean_frame(covariates, "covariates", source, sort, sentinels)
        return dict.fromkeys(wells, frame)
    without = [name for name in wells if name not in covariates]
    if without:
        raise SchemaError(
            f"Each well needs covariates. Received none for {len(without)} of {len(wells)} wells, "
            f"{without[0]!r} among them; there are some for {sorted(map(str, covariates))[:5]}. "
            "Add them, or choose wells with wells=[...]."
        )
    frames = {
        name: _clean_frame(
            covariates[name], f"covariates of well {name!r}", source, sort, sentinels
        )
        for name in wells
    }
    columns = {tuple(frame.columns) for frame in frames.values()}
    if len(columns) > 1:
        first, second = sorted(columns)[:2]
        raise SchemaError(
            f"All wells need the same covariates. Received {list(first)} and {list(second)}. "
            "Add what is missing, or leave it out everywhere."
        )
    return frames


def _clean_frame(
    frame: object, what: str, source: str, sort: bool, sentinels: tuple[float, ...]
) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame) or not isinstance(frame.index, pd.DatetimeIndex):
        index = getattr(frame, "index", None)
        kind = type(frame).__name__ + (f" with {type(index).__name__}" if index is not None else "")
        raise SchemaError(
            f"Covariates must be a DataFrame with a DatetimeIndex and a column for each. Received "
            f"{kind} as {what}. Use Series.to_frame, or set_index with pandas.to_datetime."
        )
    labels = [_split_units(str(name))[0] for name in frame.columns]
    repeated = pd.Index(labels)[pd.Index(labels).duplicated()]
    if len(repeated):
        raise SchemaError(
            f"Covariates must have names of their own. Received {repeated[0]!r} twice in the "
            f"{what}. Rename one."
        )
    columns = {}
    for label, name in zip(labels, frame.columns, strict=True):
        _check_covariate(frame[name], label, what, source)
        columns[str(name)] = clean_series(
            frame[name], f"{what}, column {label!r}", sort=sort, sentinels=sentinels
        )
    return pd.DataFrame(columns, index=None if columns else frame.index)


def _check_covariate(values: pd.Series, label: str, what: str, source: str) -> None:
    if label in (schema.LEVEL, schema.WELL, schema.TIME, source) or label.endswith("_flag"):
        raise SchemaError(
            "A covariate can't be named like the level, a coordinate or a flag, because the level "
            f"may not be an input to itself. Received {label!r} in the {what}. Leave the column "
            "out, or rename it if it is another series."
        )
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise SchemaError(
            f"Covariates must be numbers. Received {label!r} of dtype {values.dtype} in the "
            f"{what}, first value {next(iter(values), None)!r}. Convert it, set times as the "
            "index, or leave the column out; text belongs to static attributes."
        )


def covariate_variables(
    weather: dict[str, pd.DataFrame], wells: list[str], times: np.ndarray, units: Mapping[str, str]
) -> dict[str, xr.Variable]:
    """Return the covariates on the axis with kind, name and units, dims (well, time).

    Raises
    ------
    SchemaError
        If units are given for a name that is no covariate.
    """
    columns = list(next(iter(weather.values())).columns) if weather else []
    labels = [_split_units(name)[0] for name in columns]
    unknown = [name for name in units if name not in labels]
    if unknown:
        raise SchemaError(
            f"Units of covariates are given by their names. Received {unknown[0]!r}; there are "
            f"{labels}. Correct the name."
        )
    index = pd.DatetimeIndex(times)
    on_axis = {id(frame): frame.reindex(index) for frame in weather.values()}
    made = {}
    for name in columns:
        stacked = np.stack([on_axis[id(weather[w])][name].to_numpy(float) for w in wells])
        label, stated = _split_units(name)
        kind = schema.covariate_kind(label)
        attrs = {"kind": kind, "long_name": label}
        known = units.get(label) or stated or KNOWN_UNITS.get(label.lower())
        made[label] = xr.Variable(
            (schema.WELL, schema.TIME), stacked, attrs | ({"units": known} if known else {})
        )
    return made


def _split_units(name: str) -> tuple[str, str | None]:
    """Return name and units of a header such as ``rain [mm/d]``."""
    label, bracket, rest = name.replace("(", "[").replace(")", "]").partition("[")
    return (label.strip(), rest.rstrip("] ").strip()) if bracket and label.strip() else (name, None)
