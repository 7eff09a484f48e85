"""An ensemble that is trained in steps: fits of some members each, put together."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.models.ensemble import NeuralForecaster

__all__ = ["join_members"]


def join_members(parts: Sequence[NeuralForecaster]) -> NeuralForecaster:
    """Return one forecaster with the members of several, as if they had been fitted together.

    Parameters
    ----------
    parts : sequence of NeuralForecaster
        Fits to the same wells and rows, with the same settings but for members and seed.

    Returns
    -------
    NeuralForecaster
        Its trust in the members is learnt from all of them.
    """
    joined = copy.copy(parts[0])
    joined.members = sum(part.members for part in parts)
    joined.seeds_ = [seed for part in parts for seed in part.seeds_]
    joined.weights_ = [
        np.concatenate(arrays, axis=1)
        for arrays in zip(*(part.weights_ for part in parts), strict=True)
    ]
    if parts[0].left_out_ is not None:
        joined.left_out_ = np.concatenate([part.left_out_ for part in parts])
    joined.best_epochs_ = xr.concat([part.best_epochs_ for part in parts], schema.MEMBER)
    history = pd.concat([part.history_ for part in parts])
    wells = [str(well) for well in joined.best_epochs_[schema.WELL].values]
    by_well = history.groupby("well", sort=False)
    joined.history_ = pd.concat([by_well.get_group(well) for well in wells], ignore_index=True)
    joined.trust_ = joined._learn_trust()
    return joined
