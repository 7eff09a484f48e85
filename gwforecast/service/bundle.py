"""A fitted forecaster as a folder: arrays in ``.npz``, everything else in JSON, sums of both.

Nothing in a bundle is executed: kinds of forecasters come from a closed list, arrays are read
without pickle and only where their names, shapes and sizes are those that the manifest declares,
and the sums of both files are checked before they are looked into.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.forecaster import Calibrated, Corrected
from gwforecast.models.base import Forecaster
from gwforecast.runs import files
from gwforecast.runs.catalogue import MODELS, model_class
from gwforecast.runs.files import write_atomically, write_text
from gwforecast.service import states

__all__ = ["BundleError", "check_fits", "check_storable", "load_bundle", "save_bundle"]


FORMAT = 1
MANIFEST, ARRAYS, SUMS = "manifest.json", "arrays.npz", "SHA256SUMS"
LARGEST_MANIFEST = 4 * 2**20  # bytes
LARGEST_ARRAYS = 2 * 2**30  # bytes in all
HEADER = 1024  # bytes of an array's header, at most


class BundleError(ValueError):
    """A bundle that is damaged, or is not one: rule, what was received, mend."""


def save_bundle(
    fitted: Calibrated,
    folder: Path | str,
    observations: xr.Dataset,
    *,
    card: Mapping[str, object] | None = None,
) -> str:
    """Write a fitted and calibrated forecaster to a folder; return its sum.

    Parameters
    ----------
    fitted : Calibrated
        Of forecasters from the closed list of :data:`gwforecast.service.states.KINDS`.
    folder : pathlib.Path or str
        Where it goes; the sums are written last, so that an unfinished folder is no bundle.
    observations : xarray.Dataset
        What it was fitted on: names and units of the covariates, frequency and datum are kept.
    card : mapping, optional
        Model card: scores, intended use, limits; plain JSON.

    Returns
    -------
    str
        The sha256 of the manifest, which holds that of the arrays.

    Raises
    ------
    BundleError
        If a part is of a kind that cannot be stored.
    """
    folder = Path(folder)
    try:
        description, arrays = states.describe(fitted)
    except TypeError as error:
        raise BundleError(str(error)) from None
    (folder / SUMS).unlink(missing_ok=True)
    content = _pack(arrays)
    write_atomically(folder / ARRAYS, lambda target: target.write_bytes(content))
    manifest = {
        "format": FORMAT,
        "versions": files.versions(),
        "schema": _schema(observations),
        "forecaster": description,
        "arrays": {
            name: {"shape": list(value.shape), "dtype": value.dtype.str}
            for name, value in arrays.items()
        },
        "sha256": hashlib.sha256(content).hexdigest(),
        "card": dict(card or {}),
    }
    text = files.dump_json(manifest)
    write_text(folder / MANIFEST, text)
    total = hashlib.sha256(text.encode("utf-8")).hexdigest()
    write_text(folder / SUMS, f"{total}  {MANIFEST}\n{manifest['sha256']}  {ARRAYS}\n")
    return total


def load_bundle(
    folder: Path | str, *, expected: str | None = None
) -> tuple[Calibrated, dict[str, Any]]:
    """Read a bundle; return the forecaster and the manifest.

    Neither TensorFlow nor Keras is imported: trained networks run in NumPy.

    Parameters
    ----------
    folder : pathlib.Path or str
        As :func:`save_bundle` wrote it.
    expected : str, optional
        The sum that :func:`save_bundle` returned; by default any bundle is read.

    Raises
    ------
    FileNotFoundError
        If the folder or a file of it is not there.
    BundleError
        If a sum does not match, or anything in it is not as it must be.
    """
    folder = Path(folder)
    for name in (SUMS, MANIFEST, ARRAYS):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise FileNotFoundError(
                f"A bundle is a folder with {SUMS}, {MANIFEST} and {ARRAYS}. Received "
                f"{str(folder)!r}, whose {name} is not a file. Train the model again."
            )
    sums = _read_sums(folder / SUMS)
    if expected is not None and sums.get(MANIFEST) != expected:
        raise BundleError(
            f"A bundle has the sum that it was trained with, {expected[:16]}. Received "
            f"{str(sums.get(MANIFEST))[:16]} in {str(folder)!r}. Restore it, or train again."
        )
    text = _read_checked(folder / MANIFEST, sums, most=LARGEST_MANIFEST)
    content = _read_checked(folder / ARRAYS, sums, most=LARGEST_ARRAYS)
    try:
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise BundleError(
                f"This version reads bundles of format {FORMAT}. Received format "
                f"{manifest['format']!r} in {str(folder)!r}. Use the version that wrote it, or "
                "train the model again."
            )
        arrays = _unpack(content, manifest["arrays"])
        return states.restore(manifest["forecaster"], arrays), manifest
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise BundleError(
            f"A bundle holds what its manifest says. Received {str(folder)!r}, which does not: "
            f"{type(error).__name__}: {error}. Train the model again."
        ) from None


def check_fits(manifest: Mapping[str, Any], observations: xr.Dataset) -> None:
    """Raise where observations are not of the form that a bundle was trained on.

    Raises
    ------
    BundleError
        If a covariate is missing or has other units, or frequency or datum differ; both forms are
        shown.
    """
    trained, given = manifest["schema"], _schema(observations)
    missing = [name for name in trained["covariates"] if name not in given["covariates"]]
    other = [
        name
        for name, units in trained["covariates"].items()
        if name in given["covariates"] and units and given["covariates"][name] not in ("", units)
    ]
    differs = [
        key
        for key in ("frequency", "vertical_datum")
        if trained[key] and given[key] and trained[key] != given[key]
    ]
    if missing or other or differs:
        what = missing or other or differs
        raise BundleError(
            "A bundle forecasts from data of the form it was trained on. Received another "
            f"({', '.join(what)}): trained on {json.dumps(trained)}, received {json.dumps(given)}. "
            "Bring the data to that form, or train the model again."
        )


def check_storable(forecaster: Forecaster) -> None:
    """Raise if a forecaster cannot be stored; call it before fitting.

    Raises
    ------
    TypeError
        If its class is not in the catalogue. Subclasses are refused too: they would be read back
        as their parents.
    """
    if isinstance(forecaster, Corrected):
        for part in forecaster.parts:
            check_storable(part)
        return
    names = [n for n, path in MODELS.items() if path.endswith(f":{type(forecaster).__qualname__}")]
    known = any(model_class(name) is type(forecaster) for name in names)
    if not known or not isinstance(forecaster, tuple(cls for cls, _, _ in states.KINDS.values())):
        raise TypeError(
            f"A bundle holds models of the catalogue: {', '.join(MODELS)}. Received "
            f"{forecaster.name!r} of the class {type(forecaster).__name__}. Add the class to the "
            "catalogue, or use a model that is in it."
        )


def _schema(observations: xr.Dataset) -> dict[str, Any]:
    return {
        "covariates": {
            name: str(observations[name].attrs.get("units", ""))
            for name in schema.covariate_names(observations)
        },
        "frequency": timeline.infer_frequency(observations[schema.TIME].values),
        "vertical_datum": str(observations[schema.LEVEL].attrs.get("vertical_datum", "")),
    }


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an ``.npz`` whose bytes depend on the arrays alone: no time of writing is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.asarray(value, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
    return buffer.getvalue()


def _unpack(content: bytes, declared: Mapping[str, Any]) -> dict[str, np.ndarray]:
    found = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()) or set(entries) != {
            f"{n}.npy" for n in declared
        }:
            raise BundleError(
                "The arrays of a bundle are those that its manifest names. Received others. Train "
                "the model again."
            )
        for name, form in declared.items():
            found[name] = _unpack_one(archive, entries[f"{name}.npy"], name, form)
    return found


def _unpack_one(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, form: Mapping[str, Any]
) -> np.ndarray:
    shape = tuple(int(size) for size in form["shape"])
    dtype = np.dtype(form["dtype"])
    if dtype.kind not in "fiuUMb" or min(shape, default=0) < 0:
        raise BundleError(
            f"An array of a bundle holds numbers, times or text. Received {dtype} for {name!r}. "
            "Train the model again."
        )
    # as floats, so that no declared shape overflows
    size = float(np.prod([float(s) for s in shape])) * dtype.itemsize
    if entry.file_size > size + HEADER or size > LARGEST_ARRAYS:
        raise BundleError(
            "An array of a bundle has the size that its manifest says. Received another for "
            f"{name!r}. Train the model again."
        )
    with archive.open(entry) as file:
        value = np.lib.format.read_array(file, allow_pickle=False, max_header_size=HEADER)
    if value.shape != shape or value.dtype != dtype:
        raise BundleError(
            f"An array of a bundle has the form that its manifest says: {shape}, {dtype}. Received "
            f"{value.shape}, {value.dtype} for {name!r}. Train the model again."
        )
    return np.asarray(value)


def _read_sums(path: Path) -> dict[str, str]:
    lines = path.read_bytes()[:HEADER].decode("utf-8", errors="replace").splitlines()
    return {name: total for total, _, name in (line.partition("  ") for line in lines)}


def _read_checked(path: Path, sums: Mapping[str, str], *, most: int) -> bytes:
    if os.path.getsize(path) > most:
        raise BundleError(
            f"{path.name} of a bundle has at most {most} bytes. Received "
            f"{os.path.getsize(path)} in {str(path)!r}. Train the model again."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sums.get(path.name):
        raise BundleError(
            f"The sha256 of a bundle's files is that of its {SUMS}. Received another for "
            f"{str(path)!r}: the file was changed or damaged. Restore it, or train the model again."
        )
    return content
