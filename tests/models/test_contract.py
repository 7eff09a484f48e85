"""The public check of forecasters: ours pass it, and each broken rule is found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.models.contract import check_forecaster
from gwforecast.sequences.split import through_periods

MODELS = {
    "linear": lambda: gw.Linear(lookbacks=(8,), strengths=(0.1,)),
    "kernel_ridge": lambda: gw.KernelRidge(rows=60),
    "climatology": gw.Climatology,
    "persistence": gw.Persistence,
    "drift": gw.RandomWalkDrift,
    "corrected": lambda: gw.Corrected([gw.Climatology()]),
    "mlp": lambda: gw.MLP(units=3, members=1, epochs=2, lookback=8, workers=1),
}


@dataclass(kw_only=True, eq=False)
class MeanLevel(gw.Forecaster):
    """The mean level of the fitted rows, and a rise with the rain of the same step."""

    name: str = "mean"

    def fit(self, observations: xr.Dataset, *, split: gw.Split, progress: Any = None) -> Self:
        return self._learn(observations, split, ["train"], progress)

    def refit(
        self, observations: xr.Dataset, *, split: gw.Split, through: Any = "validation",
        progress: Any = None,
    ) -> Self:  # fmt: skip
        return replace(self)._learn(observations, split, through_periods(through), progress)

    def _learn(self, observations: xr.Dataset, split: Any, periods: Any, progress: Any) -> Self:
        self.mean_ = split.levels(observations, *periods).mean("time")
        if progress is not None:
            progress(self.name, 1, 1)
        return self

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        level = self.mean_ + 0.01 * observations["rain"]
        return level.transpose("well", "time").to_dataset(name="level")


@pytest.mark.parametrize("name", MODELS)
def test_models_of_the_package_keep_the_contract(name: str) -> None:
    table = check_forecaster(MODELS[name]())
    assert table["passed"].all()
    assert len(table) >= 9


def test_a_model_of_ones_own_keeps_it_as_a_class_or_an_object() -> None:
    assert check_forecaster(MeanLevel).equals(check_forecaster(MeanLevel()))


def test_it_can_be_checked_on_the_users_data() -> None:
    data = gw.load_sample().isel(well=[0, 2], time=slice(3000, 3600))
    check_forecaster(MeanLevel(), data, split=gw.split_by_fraction(data, train=0.5))


class LooksAhead(MeanLevel):
    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        return super().simulate(observations.roll(time=-1, roll_coords=False))


class UsesLevels(MeanLevel):
    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        return observations[["level"]].fillna(0.0)


class FitsOnTheTest(MeanLevel):
    def _learn(self, observations: xr.Dataset, *_: Any) -> Self:
        self.mean_ = observations["level"].mean("time")
        return self


class RefitsItself(MeanLevel):
    def refit(self, *_: Any, **__: Any) -> Self:
        return self


class ReturnsNothing(MeanLevel):
    def fit(self, *arguments: Any, **options: Any) -> Self:
        super().fit(*arguments, **options)


class ReportsTooMuch(MeanLevel):
    def fit(self, observations: xr.Dataset, *, split: gw.Split, progress: Any = None) -> Self:
        if progress is not None:
            progress(self.name, 3, 2)
        return super().fit(observations, split=split)


class ChangesData(MeanLevel):
    def fit(self, observations: xr.Dataset, *, split: gw.Split, progress: Any = None) -> Self:
        observations["level"] = observations["level"].fillna(0.0)
        return super().fit(observations, split=split, progress=progress)


class Transposes(MeanLevel):
    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        return super().simulate(observations).transpose("time", "well")


class MixesWells(MeanLevel):
    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        return super().simulate(observations.assign(rain=observations["rain"].cumsum("well")))


BROKEN = {
    LooksAhead: "simulate uses no weather of later steps. Received: levels that differ by up to",
    UsesLevels: "simulate uses no level. Received: levels that differ",
    FitsOnTheTest: "fit uses no level after the validation period. Received: levels that differ",
    RefitsItself: "refit returns a new forecaster and leaves the first. Received: the same object",
    ReturnsNothing: "fit returns the forecaster itself. Received: NoneType, another object",
    ReportsTooMuch: "Progress is reported as 0 to total parts done. Received: progress 3 of 2",
    ChangesData: "fit changes no data. Received: data that differ",
    Transposes: r"all wells and steps. Received: the dimensions \('time', 'well'\)",
    MixesWells: "alone as among others. Received: levels that differ",
}


class TakesNoProgress(MeanLevel):
    def fit(self, observations: xr.Dataset, *, split: gw.Split) -> Self:
        return self._learn(observations, split, ["train"], None)


def test_a_model_need_not_take_a_progress_callback() -> None:
    assert check_forecaster(TakesNoProgress)["passed"].all()


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_rule_is_found_and_named(cls: type[gw.Forecaster]) -> None:
    with pytest.raises(ValueError, match=BROKEN[cls]):
        check_forecaster(cls)
