"""Bundles of scheduled forecasts: calibrated forecasters of the catalogue, with a model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected
from gwforecast.models.base import Forecaster
from gwforecast.models.bundle import BundleError, read_bundle, write_bundle
from gwforecast.runs.catalogue import MODELS, model_class
from gwforecast.runs.saved import restore

__all__ = ["check_storable", "load_bundle", "save_bundle"]


def save_bundle(
    fitted: Calibrated,
    folder: Path | str,
    observations: xr.Dataset,
    *,
    card: Mapping[str, object] | None = None,
) -> str:
    """Write a fitted and calibrated forecaster to a folder; return the checksum of the bundle.

    Parameters
    ----------
    fitted : Calibrated
        Its forecasters must be of classes in the catalogue.
    folder : pathlib.Path or str
        Target folder. The checksums are written last, so an unfinished folder is not a bundle.
    observations : xarray.Dataset
        Observations it was fitted on; names and units of covariates, frequency and datum are
        stored.
    card : mapping, optional
        Model card: scores, intended use, limits; plain JSON.

    Returns
    -------
    str
        The sha256 of the manifest, which contains the sha256 of the arrays.

    Raises
    ------
    BundleError
        If the class of a forecaster is not in the catalogue.
    """
    try:
        check_storable(fitted.forecaster)
        state = fitted.whole_state()
    except TypeError as error:
        raise BundleError(str(error)) from None
    return write_bundle(folder, state, observations=observations, card=card)


def load_bundle(
    folder: Path | str, *, expected: str | None = None
) -> tuple[Calibrated, dict[str, Any]]:
    """Read a bundle; return the forecaster and the manifest.

    Neither TensorFlow nor Keras is imported: trained networks run in NumPy.

    Parameters
    ----------
    folder : pathlib.Path or str
        Folder written by :func:`save_bundle`.
    expected : str, optional
        Checksum that :func:`save_bundle` returned; by default any bundle is read.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files does not exist.
    BundleError
        If a checksum does not match, anything in it has another form than declared, or the
        forecaster in it is not calibrated.
    """
    fitted, manifest = read_bundle(folder, restore=restore, expected=expected)
    if not isinstance(fitted, Calibrated):
        raise BundleError(
            f"A scheduled forecast needs a calibrated model. Received {str(folder)!r}, which holds "
            f"{fitted.name!r} without intervals. Fit it with gwforecast.fit_calibrated."
        )
    return fitted, manifest


def check_storable(forecaster: Forecaster) -> None:
    """Raise if a forecaster cannot be stored; to be called before fitting.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted or not. The parts of a :class:`Corrected` are checked.

    Raises
    ------
    TypeError
        If its class is not in the catalogue, or has no ``to_state``. A subclass of a class in the
        catalogue is refused too, because it would be read back as its parent.
    """
    if type(forecaster) is Corrected:
        for part in forecaster.parts:
            check_storable(part)
    elif not type(forecaster).storable or _model_of(forecaster) is None:
        raise TypeError(
            f"A bundle stores models of the catalogue: {', '.join(MODELS)}. Received "
            f"{forecaster.name!r}, whose class {type(forecaster).__name__} is not one of them. Add "
            "the class to the catalogue, or use a model that is in it."
        )


def _model_of(forecaster: Forecaster) -> str | None:
    """Return the name in the catalogue of the exact class of a forecaster."""
    cls = type(forecaster)
    names = (name for name, path in MODELS.items() if path.endswith(f":{cls.__name__}"))
    return next((name for name in names if model_class(name) is cls), None)
