"""Networks that classify the level as below, near or above normal."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.display import Displayed
from gwforecast.models.bundle import describe, write_bundle
from gwforecast.models.state import read_texts
from gwforecast.networks.forecaster import NeuralForecaster
from gwforecast.networks.parts import Head
from gwforecast.progress import ProgressOption
from gwforecast.sequences.scale import CLASSES, Normal
from gwforecast.sequences.split import Split

__all__ = ["NormalClassifier"]


class NormalClassifier(Displayed):
    """Classify the level by networks with a softmax output, trained on cross-entropy.

    Parameters
    ----------
    network : NeuralForecaster
        Networks that are not fitted, e.g. ``LSTM(units=16)``.

    Attributes
    ----------
    normal_, network_
        Limits of the classes in each month, from the train rows, and the fitted networks.
    """

    kind: ClassVar[str] = "normal_classifier"
    normal_: Normal
    network_: NeuralForecaster

    def __init__(self, network: NeuralForecaster) -> None:
        self.network = network
        self.name = f"classes by {network.name}"

    def title(self) -> str:
        """Return the network and whether it is fitted, in one line."""
        fitted = "fitted" if hasattr(self, "network_") else "not fitted"
        return f"{type(self).__name__}, {self.name}, {fitted}"

    def summary(self) -> pd.DataFrame:
        """Return the settings of the network."""
        return self.network.summary()

    @property
    def parts(self) -> list[NeuralForecaster]:
        """The fitted networks, which are stored with the limits of the classes."""
        return [self.network_]

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Learn the limits of the classes and train the networks, both on the train rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of each well.
        progress : Progress or bool, optional
            Progress callback, called after each network; True shows bars.

        Returns
        -------
        NormalClassifier
            Itself.

        Raises
        ------
        SchemaError
            If a well has fewer than nine levels in the train period, or the network cannot be
            fitted to the data.
        """
        self.normal_ = Normal().fit(observations, rows=split.rows(observations, "train"))
        network = copy.copy(self.network)
        network.folds = 1  # no refit follows that would use the levels left out of a first fit
        network.head = Head(
            outputs=len(CLASSES), activation="softmax", loss="crossentropy",
            target=self.normal_.classify,
        )  # fmt: skip
        self.network_ = network.fit(observations, split=split, progress=progress)
        return self

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return wells and limits of the classes, without the state of the networks.

        Returns
        -------
        dict
            ``wells``, plain JSON.
        dict of str to numpy.ndarray
            ``limits`` of the classes, m, by well and month.
        """
        limits = self.normal_.limits_
        return {"wells": limits[schema.WELL].values.tolist()}, {"limits": limits.values}

    @classmethod
    def from_state(
        cls,
        description: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        *,
        parts: Sequence[NeuralForecaster],
    ) -> Self:
        """Return the fitted classifier that :meth:`to_state` described; each entry is checked.

        Parameters
        ----------
        description, arrays
            As returned by :meth:`to_state`.
        parts : sequence of NeuralForecaster
            The restored networks, one.

        Returns
        -------
        NormalClassifier
            Fitted.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is missing, or has another type or shape, or the networks do not classify.
        """
        (network,) = parts
        if network.architecture_.outputs != len(CLASSES):
            raise ValueError(f"the networks must have an output for each of {CLASSES}")
        one = cls(network)
        one.normal_ = Normal.of(read_texts(description["wells"]), np.asarray(arrays["limits"]))
        one.network_ = network
        return one

    def save(self, path: Path | str, *, observations: xr.Dataset | None = None) -> Path:
        """Save the fitted classifier to a folder, from which ``gwforecast.load`` reads it.

        Parameters
        ----------
        path, observations
            As of :meth:`gwforecast.Forecaster.save`.

        Returns
        -------
        pathlib.Path
            The folder.
        """
        write_bundle(path, describe(self), observations=observations)
        return Path(path)

    def predict_probabilities(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the probability of each class, the mean of the members.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), with the covariates of the fit; no level is used.

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time, class), 0 to 1, classes ``"below"``, ``"near"`` and ``"above"``;
            NaN where the weather is not known.
        """
        outputs = self.network_.outputs(observations).mean(schema.MEMBER)
        probability = outputs.rename({"output": "class"}).assign_coords({"class": list(CLASSES)})
        probability.attrs = {"units": "1", "long_name": "probability of the class"}
        return probability.rename("probability")

    def predict_classes(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the most probable class.

        Parameters
        ----------
        observations : xarray.Dataset
            As for :meth:`predict_probabilities`.

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time): 0 below, 1 near and 2 above normal; NaN without a simulation.
        """
        probability = self.predict_probabilities(observations)
        known = probability.notnull().all("class")
        classes = probability.fillna(0.0).argmax("class").where(known)
        classes.attrs = {"flag_values": np.arange(len(CLASSES)), "flag_meanings": " ".join(CLASSES)}
        return classes.rename("class")
