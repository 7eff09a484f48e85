"""Data sets verified by checksums: embedded synthetic ones, and public ones fetched with pooch.

In the embedded ones nothing was measured, and the true levels are known.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.assemble import observations_from_frames
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.schema import SchemaError

__all__ = [
    "DEFAULT_SAMPLE", "datasets_folder", "fetch_public", "list_public", "load_sample", "load_truth",
    "sample_names", "sample_path",
]  # fmt: skip

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
    "evapotranspiration": ("mm/d", "evapotranspiration",
                           "potential evapotranspiration, Oudin et al. 2005, synthetic"),
    "pumping": ("m3/d", "pumping", "abstraction at the well, mean of the month, synthetic"),
    "station": ("", "", "weather station, synthetic"),
    "aquifer": ("", "", "category of the aquifer, synthetic"),
    "x": ("m", "", "easting on a local grid, synthetic"),
    "y": ("m", "", "northing on a local grid, synthetic"),
    "latitude": ("degrees_north", "", "latitude, synthetic"),
    "ground_level": ("m", "", f"height of the ground above the {DATUM}, synthetic"),
    "depth": ("m", "", "depth of the well below the ground, synthetic"),
}  # fmt: skip
"""Units, kind and long name by variable."""


def sample_names() -> list[str]:
    """Return the names of the embedded data sets.

    Examples
    --------
    >>> sample_names()
    ['synthetic_valley']
    """
    return sorted(_listed("registry.json"))


def sample_path(name: str = DEFAULT_SAMPLE) -> Path:
    """Return the folder that holds the files of an embedded data set.

    Raises ValueError if there is no data set of that name.
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
    ValueError, SchemaError
        As of :func:`load_sample`.
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


def _listed(file: str) -> dict[str, dict[str, Any]]:
    """Return the data sets of a list by their names."""
    listed: dict[str, dict[str, Any]] = json.loads((datasets_folder() / file).read_text("utf-8"))
    return listed


def _entry(name: str) -> dict[str, Any]:
    registry = _listed("registry.json")
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


SECONDS = 60  # without an answer of the server


def list_public() -> pd.DataFrame:
    """Return the known public data sets.

    Examples
    --------
    >>> list_public()["name"].tolist()
    ['challenge', 'gems-ger', 'kit']
    """
    known = _listed("public.json")
    rows = [{"name": n, **entry, "files": len(entry["files"])} for n, entry in known.items()]
    return pd.DataFrame(rows)


def fetch_public(
    name: str,
    folder: Path | str,
    *,
    home: str | None = None,
    registry: Path | str | None = None,
    progress: ProgressOption = None,
) -> list[Path]:
    """Download a public data set into a folder; valid files that exist are kept.

    Each file is verified by its checksum before it is put in place, so interrupted downloads
    resume.

    Parameters
    ----------
    name : str
        A name of :func:`list_public`.
    folder : pathlib.Path or str
        Where the files are put, in the folders of the provider.
    home : str, optional
        Base URL of the files, e.g. of a mirror.
    registry : pathlib.Path or str, optional
        File with a name and a checksum in each line, as pooch writes it; by default the checksums
        that the package contains.
    progress : Progress or bool, optional
        Progress callback, called for files.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the registry.

    Raises
    ------
    ValueError
        If the data set or its checksums are unknown, or a file differs from the published one.
    ConnectionError
        If a file cannot be downloaded.
    FileExistsError
        If a file of that name exists with other content.

    References
    ----------
    Uieda et al. (2020), doi:10.21105/joss.01943, for pooch.
    """
    import pooch

    known = _listed("public.json")
    if name not in known:
        raise ValueError(
            f"A public data set is downloaded by its name. Received {name!r}. Choose one of "
            f"{', '.join(known)}."
        )
    entry = known[name]
    files = entry["files"] if registry is None else _read_registry(Path(registry))
    if not files:
        raise ValueError(
            f"Files are verified by their checksums. Received {name!r}, whose sums are not known. "
            f"Download it by hand from {entry['home']} (doi:{entry['doi']}), or give the names and "
            "checksums of its files with registry=... and their base URL with home=..."
        )
    pooch.get_logger().setLevel("ERROR")
    source = pooch.create(
        path=Path(folder),
        base_url=(home or entry["home"]).rstrip("/") + "/",
        registry=dict(files),
        retry_if_failed=1,
        allow_updates=False,
    )
    found, progress = [], as_callback(progress)
    for done, file in enumerate(files):
        if progress is not None:
            progress(name, done, len(files))
        found.append(_fetch(source, file, Path(folder)))
    if progress is not None:
        progress(name, len(files), len(files))
    return found


def _fetch(source: Any, file: str, folder: Path) -> Path:
    import pooch

    target = folder / file
    inside = [
        folder.joinpath(*PurePosixPath(file).parts[:k]) for k in range(1, 1 + file.count("/"))
    ]
    link = next((path for path in (*inside, target) if path.is_symlink()), None)
    if link is not None:
        raise FileExistsError(
            f"A download must not be written through a link. Received {link}, which is one. "
            "Remove it, or choose another folder."
        )
    if target.exists() and not pooch.hashes.hash_matches(str(target), source.registry[file]):
        raise FileExistsError(
            f"A download must not overwrite another file. Received {target}, which has other "
            "content. Move it away, or choose another folder."
        )
    try:
        return Path(source.fetch(file, downloader=pooch.HTTPDownloader(timeout=SECONDS)))
    except ValueError as error:
        raise ValueError(
            f"A file must have its known checksum. Received another file for {file!r} from "
            f"{source.get_url(file)}: it was changed or is incomplete. Download it again; if that "
            f"does not help, give the new checksums with registry=... ({error})"
        ) from None
    except OSError as error:  # those of requests among them
        raise ConnectionError(
            f"A data set is downloaded from its provider. Received {type(error).__name__} for "
            f"{source.get_url(file)}: {error}. Download it again when the server can be reached; "
            "files that exist are kept."
        ) from None


def _read_registry(path: Path) -> Mapping[str, str]:
    """Return checksums by file; names that point outside the folder are an error."""
    files: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, total = line.strip().rpartition(" ")
        inside = PurePosixPath(name)
        if not name.strip() or inside.is_absolute() or ".." in inside.parts or "\\" in name:
            raise ValueError(
                "A registry has a file and its sum in each line, and files stay in the folder. "
                f"Received {line!r} in line {number} of {path}. Correct it."
            )
        files[name.strip()] = total
    return files
