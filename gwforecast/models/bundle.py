"""A fitted forecaster as a folder: arrays in ``.npz``, everything else in JSON, checksums of both.

Each forecaster describes its own state, see :meth:`gwforecast.models.base.Forecaster.to_state`.
This module adds the name of its class, and a prefix to the names of the arrays of each part.

Nothing in a bundle is executed: it names classes but cannot import them, arrays are read without
pickle and only if names, shapes and sizes are those that the manifest declares, and the checksums
of both files are verified before they are parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.state import with_prefix, without_prefix
from gwforecast.quality.gates import Ranges, training_ranges
from gwforecast.writing import clause, dump_json, versions, write_atomically, write_text

__all__ = [
    "ARRAYS", "MANIFEST", "SUMS", "BundleError", "Stored", "check_fits", "describe", "kind_of",
    "read_bundle", "write_bundle",
]  # fmt: skip

FORMAT = 1
RANGES = "ranges"  # of the training data; bundles of earlier versions have none
WITH_NAN = ("known", "bounds", "samples")  # last part of names of arrays that may hold NaN
MANIFEST, ARRAYS, SUMS = "manifest.json", "arrays.npz", "SHA256SUMS"
LARGEST_MANIFEST = 4 * 2**20  # bytes
LARGEST_ARRAYS = 2 * 2**30  # bytes in total
LARGEST_HEADER = 1024  # bytes of the header of an array
Arrays = dict[str, np.ndarray]
Restored = TypeVar("Restored")


class BundleError(ValueError):
    """The folder is not a bundle, is damaged, or does not fit the data."""


class Stored(Protocol):
    """What is needed of a forecaster to store it."""

    name: str

    @property
    def parts(self) -> Sequence[Any]:
        """Forecasters that it is made of."""

    def to_state(self) -> tuple[dict[str, Any], Arrays]:
        """Return its own state, without that of its parts."""


def kind_of(cls: type) -> str:
    """Return the name under which a class is stored.

    For the classes of this package it is the name of the model, e.g. ``"lstm"``, and for classes of
    the user it is that of the class.
    """
    if cls.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return cls.__qualname__
    return str(getattr(cls, "kind", "") or cls.name)  # type: ignore[attr-defined]


def describe(forecaster: Stored, *, prefix: str = "forecaster") -> tuple[dict[str, Any], Arrays]:
    """Return a fitted forecaster and its parts as plain JSON values and arrays by name.

    Names of arrays begin with the prefix; those of part 0 with ``prefix.part0``.

    Raises NotImplementedError if forecasters of its class cannot be stored, and ValueError if it is
    not fitted.
    """
    try:
        description, own = forecaster.to_state()
    except AttributeError as error:
        raise ValueError(
            f"A forecaster must be fitted before it is saved. Received {forecaster.name!r}, which "
            f"has no {error.name!r}. Call its method fit first."
        ) from error
    arrays = {name: np.asarray(value) for name, value in with_prefix(prefix, own).items()}
    described = {"kind": kind_of(type(forecaster)), **description}
    parts = []
    for number, part in enumerate(forecaster.parts):
        below, more = describe(part, prefix=f"{prefix}.part{number}")
        parts.append(below)
        arrays |= more
    return described | ({"parts": parts} if parts else {}), arrays


def write_bundle(
    folder: Path | str,
    state: tuple[Mapping[str, Any], Mapping[str, np.ndarray]],
    *,
    observations: xr.Dataset | None = None,
    card: Mapping[str, object] | None = None,
) -> str:
    """Write the state of a forecaster to a folder; return the sha256 of the manifest.

    The checksums are written last, so an unfinished folder is not a bundle. Of the observations
    that it was fitted on, names and units of covariates, frequency and datum are stored, so that
    :func:`check_fits` can compare later data with them, and their ranges, see
    :mod:`gwforecast.quality.gates`. The card holds scores, intended use and limits as plain JSON.
    """
    folder = Path(folder)
    description, arrays = state
    ranges, of_ranges = (
        ({}, {}) if observations is None else training_ranges(observations).to_state()
    )
    arrays = {**arrays, **with_prefix(RANGES, of_ranges)}
    (folder / SUMS).unlink(missing_ok=True)
    content = _pack(arrays)
    write_atomically(folder / ARRAYS, lambda target: target.write_bytes(content))
    manifest = {
        "format": FORMAT,
        "versions": versions(),
        "schema": _schema(observations),
        "forecaster": description,
        RANGES: ranges,
        "arrays": {
            name: {"shape": list(value.shape), "dtype": value.dtype.str}
            for name, value in arrays.items()
        },
        "sha256": hashlib.sha256(content).hexdigest(),
        "card": dict(card or {}),
    }
    text = dump_json(manifest)
    write_text(folder / MANIFEST, text)
    total = hashlib.sha256(text.encode("utf-8")).hexdigest()
    write_text(folder / SUMS, f"{total}  {MANIFEST}\n{manifest['sha256']}  {ARRAYS}\n")
    return total


def read_bundle(
    folder: Path | str,
    *,
    restore: Callable[[Mapping[str, Any], Arrays], Restored],
    expected: str | None = None,
) -> tuple[Restored, dict[str, Any]]:
    """Read a bundle; return the forecaster that ``restore`` makes of its state, and the manifest.

    Neither TensorFlow nor Keras is imported: trained networks run in NumPy. Where a checksum is
    expected, it must be the one that :func:`write_bundle` returned.

    Raises FileNotFoundError if the folder or one of its files does not exist, and BundleError if a
    checksum does not match, or anything in it has another form than declared.
    """
    folder = Path(folder)
    for name in (SUMS, MANIFEST, ARRAYS):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise FileNotFoundError(
                f"A bundle is a folder with {SUMS}, {MANIFEST} and {ARRAYS}. Received "
                f"{str(folder)!r}, where {name} is not a file. Correct the "
                "path, or save the model again."
            )
    sums = _read_sums(folder / SUMS)
    if expected is not None and sums.get(MANIFEST) != expected:
        raise BundleError(
            f"The checksum of this bundle must be {expected[:16]}. Received "
            f"{str(sums.get(MANIFEST))[:16]} in {str(folder)!r}. Restore it, or train the model "
            "again."
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
        manifest[RANGES] = _ranges(manifest, arrays)
        return restore(manifest["forecaster"], arrays), manifest
    except BundleError:
        raise
    except Exception as error:  # whatever it holds, a bundle concerns only its own wells
        raise BundleError(
            f"A bundle must agree with its manifest. Received {str(folder)!r}, which does not: "
            f"{type(error).__name__}: {clause(error)}. Train the model again."
        ) from None


def _ranges(manifest: Mapping[str, Any], arrays: Arrays) -> Ranges | None:
    """Return the ranges of the training data; None if they were not stored."""
    if not manifest.get(RANGES):
        return None
    return Ranges.from_state(manifest[RANGES], without_prefix(RANGES, arrays))


def check_fits(manifest: Mapping[str, Any], observations: xr.Dataset) -> None:
    """Raise a BundleError if observations have another form than those a bundle was trained on.

    That is, a covariate is missing or has other units, or frequency or datum differ; the message
    shows both forms.
    """
    given = _schema(observations)
    trained = _schema_of(manifest)
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
            "A bundle needs data of the form it was trained on. Received another form "
            f"({', '.join(what)}): trained on {json.dumps(trained)}, received {json.dumps(given)}. "
            "Bring the data to that form, or train the model again."
        )


def _schema_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form of the data that a bundle was trained on; raise if it is no such form."""
    form: Any = manifest.get("schema")
    keys = ("covariates", "frequency", "vertical_datum")
    sound = isinstance(form, dict) and all(key in form for key in keys)
    if not sound or not isinstance(form["covariates"], dict):
        raise BundleError(
            "A bundle needs the form of the data it was trained on. Received a manifest without "
            f"{', '.join(keys)} in 'schema'. Train the model again."
        )
    return dict(form)


def _schema(observations: xr.Dataset | None) -> dict[str, Any]:
    """Return the form of the data; where none are known, one that all data have."""
    if observations is None:
        return {"covariates": {}, "frequency": "", "vertical_datum": ""}
    return {
        "covariates": {
            name: str(observations[name].attrs.get("units", ""))
            for name in schema.covariate_names(observations)
        },
        "frequency": timeline.infer_frequency(observations[schema.TIME].values),
        "vertical_datum": str(observations[schema.LEVEL].attrs.get("vertical_datum", "")),
    }


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an ``.npz`` whose bytes depend only on the arrays, not on the time of writing."""
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
                "A bundle must contain the arrays that its manifest lists. Received others. Train "
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
            f"An array of a bundle must contain numbers, times or text. Received {dtype} for "
            f"{name!r}. Train the model again."
        )
    # in floats, because a declared shape could overflow integers
    size = float(np.prod([float(s) for s in shape])) * dtype.itemsize
    if entry.file_size > size + LARGEST_HEADER or size > LARGEST_ARRAYS:
        raise BundleError(
            "An array of a bundle must have the declared size. Received another size for "
            f"{name!r}. Train the model again."
        )
    with archive.open(entry) as file:
        value = np.lib.format.read_array(file, allow_pickle=False, max_header_size=LARGEST_HEADER)
    if value.shape != shape or value.dtype != dtype:
        raise BundleError(
            f"An array of a bundle must have the declared form: {shape}, {dtype}. Received "
            f"{value.shape}, {value.dtype} for {name!r}. Train the model again."
        )
    with_nan = name.rpartition(".")[2] in WITH_NAN
    if dtype.kind == "f" and not (~np.isinf(value) if with_nan else np.isfinite(value)).all():
        raise BundleError(
            f"The numbers of a bundle must be finite. Received {name!r} with NaN or infinity. "
            "Restore it, or train the model again."
        )
    return np.asarray(value)


def _read_sums(path: Path) -> dict[str, str]:
    lines = path.read_bytes()[:LARGEST_HEADER].decode("utf-8", errors="replace").splitlines()
    return {name: total for total, _, name in (line.partition("  ") for line in lines)}


def _read_checked(path: Path, sums: Mapping[str, str], *, most: int) -> bytes:
    if os.path.getsize(path) > most:
        raise BundleError(
            f"{path.name} of a bundle must not exceed {most} bytes. Received "
            f"{os.path.getsize(path)} in {str(path)!r}. Train the model again."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sums.get(path.name):
        raise BundleError(
            f"The sha256 of a file of a bundle must be the one in {SUMS}. Received another for "
            f"{str(path)!r}: the file was changed or damaged. Restore it, or train the model again."
        )
    return content
