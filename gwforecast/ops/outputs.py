"""The files of a run: fixed names, each written whole or not at all."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.ops.atomic import write_atomically, write_text
from gwforecast.ops.forecasters import BLEND

__all__ = [
    "challenge_table",
    "file_names",
    "write_challenge_tables",
    "write_predictions",
    "write_table",
]

LOWER, MEDIAN, UPPER = 0.025, 0.5, 0.975
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
_LONGEST = 80


_FORMULA = re.compile(r"[=+\-@\t\r](?![\d.]*$)")  # plain numbers are none


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a safe file name, without its ending, for each name of a well or model.

    Parameters
    ----------
    names : iterable of str
        Any text. Letters lose their accents; what is not a letter, digit, dot, hyphen or
        underscore becomes an underscore.

    Returns
    -------
    dict of str to str
        File names by names. Of names that would share one, in whatever case, as some systems do not
        tell case apart, those that were changed end with the first digits of their sha256.

    Examples
    --------
    >>> file_names(["Weiß/3", "../b"])
    {'Weiß/3': 'Weiss_3', '../b': '_b'}
    """
    slugs = {name: _slug(name) for name in names}
    groups: dict[str, list[str]] = {}
    for name, slug in slugs.items():
        groups.setdefault(slug.casefold(), []).append(name)
    for group in groups.values():
        cased = len({slugs[name] for name in group}) > 1
        for name in group if len(group) > 1 else ():
            if cased or slugs[name] != name:
                slugs[name] += (
                    f"-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
                )
    return slugs


def _slug(name: str) -> str:
    text = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".-").rstrip(". ")[:_LONGEST] or "_"
    return f"_{slug}" if _RESERVED.match(slug.split(".")[0]) else slug


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV, UTF-8, dates in ISO form and an empty field for what is missing."""
    safe = table.apply(lambda c: c if c.dtype.kind in "biufcmM" else c.map(_inert))
    return write_text(path, safe.to_csv(index=False, lineterminator="\n"))


def _inert(value: object) -> object:
    """Return text that a spreadsheet takes as text, whatever it begins with."""
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    return "'" + value


def write_predictions(predictions: xr.Dataset, path: Path) -> Path:
    """Write predictions as compressed NetCDF-4.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, and ``fitted_through`` (well, time), text.
    path : pathlib.Path
        The file.
    """
    encoding: dict[str, dict[str, object]] = {
        schema.LEVEL: {"zlib": True, "complevel": 4, "shuffle": True},
        "fitted_through": {"dtype": "S1", "zlib": True, "complevel": 4},
        schema.TIME: {"dtype": "int64", "units": "seconds since 1970-01-01"},
    }
    pieces = predictions[schema.LEVEL].chunksizes
    if pieces:  # the file's are those that are written, else each would be packed many times
        sizes = {name: of_dim[0] for name, of_dim in pieces.items()}
        sizes |= {schema.MODEL: 1, schema.QUANTILE: 1}
        order = predictions[schema.LEVEL].dims
        encoding[schema.LEVEL]["chunksizes"] = tuple(sizes[str(name)] for name in order)
    return write_atomically(
        path, lambda target: predictions.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    )


def challenge_table(level: xr.DataArray) -> pd.DataFrame:
    """Return one prediction in the form of the 2022 groundwater modelling challenge.

    Parameters
    ----------
    level : xarray.DataArray
        Dimensions (time, quantile), m, with the quantiles 0.025, 0.5 and 0.975.

    Returns
    -------
    pandas.DataFrame
        ``Date``, ``Simulated Head``, ``95% Lower Bound``, ``95% Upper Bound``, one row for each
        step.

    References
    ----------
    Collenteur et al. (2024), https://doi.org/10.5194/hess-28-5193-2024.
    """
    stamps = pd.DatetimeIndex(level[schema.TIME].values)
    whole_days = bool((stamps == stamps.normalize()).all())
    columns = {"Simulated Head": MEDIAN, "95% Lower Bound": LOWER, "95% Upper Bound": UPPER}
    values = {
        name: level.sel({schema.QUANTILE: quantile}).values for name, quantile in columns.items()
    }
    dates = stamps.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%dT%H:%M:%S")
    return pd.DataFrame({"Date": dates, **values})


def write_challenge_tables(predictions: xr.Dataset, folder: Path) -> dict[str, Path]:
    """Write ``predictions/<model>/<well>.csv``, and ``predictions.csv`` where there is one well.

    ``predictions.csv`` is the table of the blend of the networks where there is one, else of the
    first model. Levels are in m with four decimals.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m.
    folder : pathlib.Path
        The folder of the run.

    Returns
    -------
    dict of str to pathlib.Path
        The files by their names relative to the folder.
    """
    wells = file_names(map(str, predictions[schema.WELL].values))
    models = [str(model) for model in predictions[schema.MODEL].values]
    lead = BLEND if BLEND in models else models[0]
    written: dict[str, Path] = {}
    for model, model_file in file_names(models).items():
        for well, well_file in wells.items():
            level = predictions[schema.LEVEL].sel({schema.MODEL: model, schema.WELL: well})
            text = challenge_table(level).to_csv(
                index=False, float_format="%.4f", lineterminator="\n"
            )
            names = [f"predictions/{model_file}/{well_file}.csv"]
            if model == lead and len(wells) == 1:
                names.append("predictions.csv")
            written |= {name: write_text(folder / name, text) for name in names}
    return written
