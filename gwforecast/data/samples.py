"""The embedded data sets as observations, verified by their sha256 checksums.

They are synthetic: nothing was measured, and the true levels are known.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.assemble import observations_from_frames
from gwforecast.schema import SchemaError

__all__ = [
    "DEFAULT_SAMPLE",
    "datasets_folder",
    "load_sample",
    "load_truth",
    "sample_names",
    "sample_path",
]


DEFAULT_SAMPLE = "synthetic_valley"
DATUM = "synthetic datum"
LEVEL_ATTRS = {
    "units": schema.LEVEL_UNITS,
    "long_name": "groundwater level, synthetic",
    "vertical_datum": DATUM,
}

_LABELS = {
    "rain": ("mm/d", "rain", "rain and snow, synthetic"),
    "temperature": ("degC", "temperature", "mean temperature of the air, synthetic"),
    "evapotranspiration": (
        "mm/d",
        "evapotranspiration",
        "potential evapotranspiration, Oudin et al. 2005, synthetic",
    ),
    "pumping": ("m3/d", "pumping", "abstraction at the well, mean of the month, synthetic"),
    "station": ("", "", "weather station, synthetic"),
    "aquifer": ("", "", "category of the aquifer, synthetic"),
    "x": ("m", "", "easting on a local grid, synthetic"),
    "y": ("m", "", "northing on a local grid, synthetic"),
    "latitude": ("degrees_north", "", "latitude, synthetic"),
    "ground_level": ("m", "", f"height of the ground above the {DATUM}, synthetic"),
    "depth": ("m", "", "depth of the well below the ground, synthetic"),
}
"""Units, kind and long name by variable."""


def sample_names() -> list[str]:
    """Return the names of the embedded data sets.

    Examples
    --------
    >>> sample_names()
    ['synthetic_valley']
    """
    return sorted(_registry())


def sample_path(name: str = DEFAULT_SAMPLE) -> Path:
    """Return the folder that holds the files of an embedded data set.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    """
    return datasets_folder() / str(_entry(name)["folder"])


def load_sample(name: str = DEFAULT_SAMPLE) -> xr.Dataset:
    """Return an embedded, synthetic data set as observations.

    Parameters
    ----------
    name : str
        A name from :func:`sample_names`.

    Returns
    -------
    xarray.Dataset
        Dimensions (well, time), daily: ``level``, m above the synthetic datum, NaN where nothing
        was observed and in the whole last year; ``rain``, mm/d; ``temperature``, degC;
        ``evapotranspiration``, mm/d; ``pumping``, m3/d, 0 where the well is not pumped; static
        attributes (well,).

    Raises
    ------
    ValueError
        If there is no data set of that name.
    SchemaError
        If the checksum of a file differs from the published one.

    Examples
    --------
    >>> observations = load_sample()
    >>> observations["level"].dims, observations["level"].attrs["vertical_datum"]
    (('well', 'time'), 'synthetic datum')
    """
    levels = _read(name, "levels.csv", dates=("date",))
    weather = _read(name, "weather.csv", dates=("date",))
    pumping = _read(name, "pumping.csv", dates=("date",)).set_index("date")
    attributes = _read(name, "attributes.csv").set_index(schema.WELL)
    stations = {
        station: rows.drop(columns="station").set_index("date")
        for station, rows in weather.groupby("station")
    }
    covariates = {}
    for well, station in attributes["station"].items():
        # Each row of pumping holds until the next one; wells without rows are not pumped.
        own = pumping.loc[pumping[schema.WELL] == well, "pumping"]
        rates = own.reindex(stations[station].index, method="ffill") if len(own) else 0.0
        covariates[str(well)] = stations[station].assign(pumping=rates)
    observations = observations_from_frames(
        levels, covariates, attributes=attributes, datum=DATUM, units=schema.LEVEL_UNITS,
        covariate_units={name: units for name, (units, kind, _) in _LABELS.items() if kind},
    )  # fmt: skip
    observations[schema.LEVEL].attrs = LEVEL_ATTRS
    for variable, (units, kind, long_name) in _LABELS.items():
        labels = {"units": units, "kind": kind, "long_name": long_name}
        observations[variable].attrs = {key: text for key, text in labels.items() if text}
    return observations.assign_attrs(_attrs(name))


def load_truth(name: str = DEFAULT_SAMPLE) -> xr.Dataset:
    """Return the true levels of a synthetic data set: every day, no gaps, no sensor noise.

    Parameters
    ----------
    name : str
        A name from :func:`sample_names`.

    Returns
    -------
    xarray.Dataset
        A simulation: ``level`` (well, time), m above the synthetic datum.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    SchemaError
        If the checksum of a file differs from the published one.
    """
    table = _read(name, "truth.csv", dates=("date",)).set_index("date")
    values = table.to_numpy(float).T
    level = xr.Variable((schema.WELL, schema.TIME), values, LEVEL_ATTRS)
    wells = table.columns.to_numpy().astype(str)
    times = timeline.to_times(table.index)
    return schema.validate_simulation(
        xr.Dataset(
            {schema.LEVEL: level},
            coords={schema.WELL: wells, schema.TIME: times},
            attrs=_attrs(name) | {"content": "true level without noise or gaps, synthetic"},
        )
    )


def datasets_folder() -> Path:
    """Return the folder of the data sets, in the installed package or in the repository."""
    here = Path(__file__).resolve()
    places = [here.parents[1] / "datasets", here.parents[2] / "datasets"]
    for place in places:
        if (place / "registry.json").is_file():
            return place
    raise FileNotFoundError(
        f"The embedded data sets come with the package. Received no registry.json in {places[0]} "
        f"or {places[1]}. Install gwforecast again."
    )


def _registry() -> dict[str, dict[str, Any]]:
    registry: dict[str, dict[str, Any]] = json.loads(
        (datasets_folder() / "registry.json").read_text("utf-8")
    )
    return registry


def _entry(name: str) -> dict[str, Any]:
    registry = _registry()
    if name not in registry:
        raise ValueError(
            f"A sample must be one of {sorted(registry)}. Received {name!r}. Correct the name; "
            "your own data are read with gwforecast.read_observations."
        )
    return registry[name]


def _read(name: str, file: str, *, dates: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return a table of a data set, its checksum verified."""
    path = sample_path(name) / file
    expected = str(_entry(name)["files"][file]["sha256"])
    # Reading the file once ensures that the verified content is what is parsed.
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SchemaError(
            f"A file of the sample {name!r} must have the sha256 {expected[:12]}... of the "
            f"registry. Received {found[:12]}... for {path}. Restore the file or install "
            "gwforecast again; keep your own data in other files."
        )
    return pd.read_csv(io.BytesIO(content), parse_dates=list(dates))


def _attrs(name: str) -> dict[str, str]:
    entry = _entry(name)
    keys = ("title", "description", "source", "licence")
    return {key: str(entry[key]) for key in keys} | {"origin": "synthetic, not measured"}
