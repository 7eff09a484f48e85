"""Cross-validation over wells: each well is predicted by a global model not trained on it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.models.base import Forecaster, NeedOfWeather, through_periods
from gwforecast.progress import ProgressOption, as_callback, further
from gwforecast.sequences.split import Period, Split

__all__ = ["LeaveWellsOut", "folds_of_wells"]


def folds_of_wells(wells: Sequence[str], *, folds: int, seed: int = 0) -> list[list[str]]:
    """Return the wells in random groups of nearly equal size, each to be left out once.

    Parameters
    ----------
    wells : sequence of str
        Names of the wells, in any order.
    folds : int
        Number of groups.
    seed : int
        Seed of the shuffle.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or fewer wells than groups.

    Examples
    --------
    >>> folds_of_wells(["a", "b", "c", "d", "e"], folds=2)
    [['c', 'd', 'e'], ['a', 'b']]
    """
    if not 2 <= folds <= len(wells):
        raise ValueError(
            f"Wells are left out in at least 2 groups and at most as many as there are wells. "
            f"Received {folds} groups of {len(wells)} wells. Choose 2 to {len(wells)} groups."
        )
    shuffled = np.random.default_rng(seed).permutation(np.array(sorted(map(str, wells))))
    return [sorted(group.tolist()) for group in np.array_split(shuffled, folds)]


class LeaveWellsOut(Forecaster):
    """A global forecaster, trained once without each group of wells and evaluated at these.

    Of the levels of a left-out well only their mean and standard deviation on the fitted rows are
    used.

    Parameters
    ----------
    forecaster : Forecaster
        With a method ``with_wells``, as the global networks have.
    folds : int
        Number of groups.
    seed : int
        Seed of the groups.

    Attributes
    ----------
    fitted_ : list of (list of str, Forecaster)
        The wells of each group, and the forecaster that was trained without them.
    """

    pooled = True
    needs_weather: ClassVar[NeedOfWeather] = "always"
    fitted_: list[tuple[list[str], Any]]

    def __init__(self, forecaster: Forecaster, *, folds: int, seed: int = 0) -> None:
        if not hasattr(forecaster, "with_wells"):
            raise TypeError(
                "Wells are left out of the training of a global forecaster. Received "
                f"{forecaster.name!r}, which is fitted well by well. Use e.g. 'global_lstm'."
            )
        self.forecaster = forecaster
        self.folds = folds
        self.seed = seed
        self.name = forecaster.name

    def covariates_to_fit(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates that a fit would use."""
        return self.forecaster.covariates_to_fit(observations)

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Train without each group of wells, and estimate the scales of its wells."""
        wells = schema.well_names(observations)
        self.fitted_, progress = [], as_callback(progress)
        groups = folds_of_wells(wells, folds=self.folds, seed=self.seed)
        for number, out in enumerate(groups):
            others = observations.drop_sel({schema.WELL: out})
            one = copy.copy(self.forecaster).fit(
                others, split=split, progress=further(progress, number, len(groups))
            )
            self.fitted_.append((out, self._serving(one, observations, out, split, "train")))
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster, trained on all rows of the other wells through a period."""
        again = copy.copy(self)
        again.fitted_, progress = [], as_callback(progress)
        for number, (out, one) in enumerate(self.fitted_):
            others = observations.drop_sel({schema.WELL: out})
            report = further(progress, number, len(self.fitted_))
            trained = one.refit(others, split=split, through=through, progress=report)
            again.fitted_.append((out, self._serving(trained, observations, out, split, through)))
        return again

    def save(self, path: Path | str, *, observations: xr.Dataset | None = None) -> Path:
        """Raise NotImplementedError: an experiment with many networks is no model of new levels."""
        raise NotImplementedError(
            "A saved model serves all of its wells with one fit. Received a cross-validation over "
            f"wells of {self.name!r}, which has {self.folds} fits, and none for new wells. Save "
            "one of them, fitted_[0][1].save(path), or fit the model to all wells and save that."
        )

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of each well by the networks that were trained without it."""
        held = set(observations[schema.WELL].values.tolist())
        parts = []
        for out, one in self.fitted_:
            wells = [well for well in out if well in held]
            if wells:
                parts.append(one.simulate(observations.sel({schema.WELL: wells})))
        whole: xr.Dataset = xr.concat(parts, schema.WELL)
        return whole.reindex({schema.WELL: observations[schema.WELL].values})

    def _serving(
        self, one: Any, observations: xr.Dataset, out: list[str], split: Split, through: Period
    ) -> Any:
        new = observations.sel({schema.WELL: out})
        rows = split.rows(new, *through_periods(through))
        levels = new[schema.LEVEL].where(rows).count(schema.TIME).values
        served = new.isel({schema.WELL: np.flatnonzero(levels)})
        return one.with_wells(served, split=split, through=through)
