"""Fitted models that are read back from a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected
from gwforecast.models.base import Forecaster
from gwforecast.models.bundle import read_bundle
from gwforecast.networks.classes import NormalClassifier
from gwforecast.runs.catalogue import MODELS, model_class

__all__ = ["load", "restore"]


COMPOSED: dict[str, Any] = {cls.kind: cls for cls in (Corrected, NormalClassifier)}
OLD_NETWORKS = "networks"  # kind of all networks in bundles of an earlier version
LONGEST = 10**6  # lead times


def load(path: Path | str, *, classes: Sequence[type[Forecaster]] = ()) -> Any:
    """Read a model from the folder that its method ``save`` wrote.

    It simulates and forecasts as the original does, and can be refitted and updated. The folders of
    scheduled forecasts are read as well. Neither TensorFlow nor Keras is imported: stored networks
    run in NumPy.

    Parameters
    ----------
    path : pathlib.Path or str
        The folder.
    classes : sequence of type, optional
        Classes of your own that the model may be of. A folder names classes of this package only;
        nothing in it is imported or executed.

    Returns
    -------
    Forecaster, Calibrated or NormalClassifier
        As it was saved, fitted.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files does not exist.
    BundleError
        If a checksum does not match, or anything in it has another form than declared.

    Examples
    --------
    >>> import tempfile
    >>> import gwforecast as gw
    >>> observations = gw.load_sample().isel(well=[0])
    >>> split = gw.split_by_fraction(observations)
    >>> model = gw.Climatology().fit(observations, split=split)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = gw.load(model.save(folder))
    >>> again.simulate(observations).equals(model.simulate(observations))
    True
    """
    return read_bundle(path, restore=partial(restore, classes=classes))[0]


def restore(
    description: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    classes: Sequence[type[Forecaster]] = (),
) -> Forecaster | Calibrated:
    """Return the fitted forecaster of a state, with its intervals if it was calibrated.

    For the state see :func:`gwforecast.models.bundle.describe` and
    :meth:`gwforecast.calibration.calibrated.Calibrated.whole_state`; ``classes`` are those of the
    user.

    Raises KeyError, TypeError or ValueError if anything is missing, of another type or shape, or
    not finite.
    """
    if "kind" in description:
        whole: Forecaster = _restore_part(description, "forecaster", arrays, classes)
        return whole
    forecaster = _restore_part(description["forecaster"], "forecaster", arrays, classes)
    if type(description["horizon"]) is not int or not 1 <= description["horizon"] <= LONGEST:
        raise TypeError(f"the horizon {description['horizon']!r} is not from 1 to {LONGEST}")
    return Calibrated.from_state(description, arrays, forecaster=forecaster)


def _restore_part(
    description: Mapping[str, Any],
    prefix: str,
    arrays: Mapping[str, np.ndarray],
    classes: Sequence[type[Forecaster]],
) -> Any:
    kind = description["kind"]
    start = f"{prefix}."
    own = {n.removeprefix(start): value for n, value in arrays.items() if n.startswith(start)}
    if kind in COMPOSED:
        parts: list[Any] = [
            _restore_part(part, f"{prefix}.part{number}", arrays, classes)
            for number, part in enumerate(description["parts"])
        ]
        return COMPOSED[kind].from_state(description, own, parts=parts)
    name = _name_of_old(description) if kind == OLD_NETWORKS else kind
    own_class = next((cls for cls in classes if cls.__qualname__ == name), None)
    if own_class is not None:
        return own_class.from_state(description, own)
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(
            f"the kind {kind!r} is none of {', '.join([*COMPOSED, *MODELS])}; if it is a "
            "class of your own, pass it as gwforecast.load(path, classes=[...])"
        )
    return model_class(name).from_state(description, own)


def _name_of_old(description: Mapping[str, Any]) -> str:
    """Return the model of a bundle of an earlier version, which had one kind for all networks."""
    architecture = description["architecture"]["kind"]
    return f"global_{architecture}" if description.get("shared") is True else str(architecture)
