"""Networks that classify the level as below, near or above normal."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.networks.forecaster import NeuralForecaster
from gwforecast.networks.parts import Head
from gwforecast.progress import ProgressOption
from gwforecast.sequences.normal import CLASSES, Normal
from gwforecast.sequences.split import Split

__all__ = ["NormalClassifier"]


class NormalClassifier:
    """Classify the level by networks with a softmax output, trained on cross-entropy.

    Parameters
    ----------
    network : NeuralForecaster
        Networks that are not fitted, e.g. ``LSTM(units=16)``.

    Attributes
    ----------
    normal_ : Normal
        Limits of the classes in each month, from the train rows.
    network_ : NeuralForecaster
        The fitted networks.

    Examples
    --------
    ``classifier = NormalClassifier(LSTM()).fit(observations, split=split)``, then
    ``classifier.predict_classes(observations)``.
    """

    normal_: Normal
    network_: NeuralForecaster

    def __init__(self, network: NeuralForecaster) -> None:
        self.network = network

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Learn the limits of the classes and train the networks, both on the train rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The validation rows are not used.
        progress : Progress or bool, optional
            Callback for the number of networks trained; True shows bars.
        """
        self.normal_ = Normal().fit(observations, rows=split.rows(observations, "train"))
        network = copy.copy(self.network)
        network.folds = 1  # no refit follows that would use the levels left out of a first fit
        network.head = Head(
            outputs=len(CLASSES),
            activation="softmax",
            loss="crossentropy",
            target=self.normal_.classify,
        )
        self.network_ = network.fit(observations, split=split, progress=progress)
        return self

    def predict_probabilities(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the probability of each class, the mean of the members, (well, time, class)."""
        outputs = self.network_.outputs(observations).mean(schema.MEMBER)
        probability = outputs.rename({"output": "class"}).assign_coords({"class": list(CLASSES)})
        probability.attrs = {"units": "1", "long_name": "probability of the class"}
        return probability.rename("probability")

    def predict_classes(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the most probable class, 0 to 2, NaN without a simulation, (well, time)."""
        probability = self.predict_probabilities(observations)
        known = probability.notnull().all("class")
        classes = probability.fillna(0.0).argmax("class").where(known)
        classes.attrs = {"flag_values": np.arange(len(CLASSES)), "flag_meanings": " ".join(CLASSES)}
        return classes.rename("class")
