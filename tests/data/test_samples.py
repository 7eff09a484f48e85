"""The synthetic valley: reproducible, verified, and true to its equations."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from gwforecast import schema
from gwforecast.data import samples
from gwforecast.schema import SchemaError

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("rain", "temperature", "evapotranspiration", "pumping")
GENERATOR = ROOT / "datasets" / "make_synthetic_valley.py"


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def valley() -> ModuleType:
    return load_module("make_synthetic_valley", GENERATOR)


@pytest.fixture(scope="module")
def tables(valley: ModuleType) -> dict[str, pd.DataFrame]:
    return valley.make_valley()


def test_the_generator_writes_the_registered_files_byte_for_byte(
    valley: ModuleType, tmp_path: Path
) -> None:
    valley.main(tmp_path)
    made = (tmp_path / "registry.json").read_bytes()
    assert made == (ROOT / "datasets" / "registry.json").read_bytes()
    for name in json.loads(made)["synthetic_valley"]["files"]:
        kept = samples.sample_path() / name
        assert (tmp_path / "synthetic_valley" / name).read_bytes() == kept.read_bytes(), name


def test_another_seed_gives_another_valley(
    valley: ModuleType, tables: dict[str, pd.DataFrame]
) -> None:
    other = valley.make_valley(1)["truth.csv"]
    assert not np.allclose(other["fen"], tables["truth.csv"]["fen"])


def test_the_data_sets_are_small_and_say_that_they_are_synthetic() -> None:
    folder = ROOT / "datasets"
    assert sum(f.stat().st_size for f in folder.rglob("*") if f.suffix != ".pyc") < 1.5e6
    assert "Synthetic. Nothing in it was measured" in (folder / "README.md").read_text("utf-8")
    entry = json.loads((folder / "registry.json").read_text())["synthetic_valley"]
    assert entry["synthetic"] is True
    assert entry["licence"] == "CC0-1.0"


@pytest.mark.parametrize("memory", [0.5, 30.0, 400.0])
def test_a_linear_reservoir_answers_a_step_by_its_closed_form(
    valley: ModuleType, memory: float
) -> None:
    days = np.arange(1, 1001)
    answer = valley.linear_reservoir(np.ones(1000), memory)
    np.testing.assert_allclose(answer, 1 - np.exp(-days / memory), rtol=0, atol=1e-12)


def test_a_linear_reservoir_keeps_water_and_is_linear(valley: ModuleType) -> None:
    random = np.random.default_rng(0)
    one, two = random.gamma(1, 2, 500), random.gamma(1, 2, 500)
    both = valley.linear_reservoir(2 * one + two, 20.0)
    parts = 2 * valley.linear_reservoir(one, 20.0) + valley.linear_reservoir(two, 20.0)
    np.testing.assert_allclose(both, parts, atol=1e-12)
    dried = valley.linear_reservoir(np.append(one, np.zeros(2000)), 20.0)
    assert dried.sum() == pytest.approx(one.sum())


def test_two_reservoirs_in_series_answer_a_step_by_their_closed_form(valley: ModuleType) -> None:
    slow, quick = 400.0, 60.0
    days = np.arange(1, 3001)
    answer = valley.linear_reservoir(valley.linear_reservoir(np.ones(3000), quick), slow)
    exact = 1 - (slow * np.exp(-days / slow) - quick * np.exp(-days / quick)) / (slow - quick)
    assert np.abs(answer - exact).max() < 2e-3  # the inflow of the second varies within a day


def test_snow_keeps_water(valley: ModuleType) -> None:
    random = np.random.default_rng(1)
    rain, temperature = random.gamma(0.5, 6, 4000), random.normal(0, 6, 4000)
    water, snow = valley.snow_store(rain, temperature)
    np.testing.assert_allclose(np.cumsum(rain), np.cumsum(water) + snow, atol=1e-9)
    assert snow.min() >= 0
    assert snow.max() > 10
    melt = water - np.where(temperature < 0.5, 0, rain)
    assert (melt <= 3.0 * np.maximum(temperature - 0.5, 0) + 1e-12).all()


def test_soil_keeps_water_and_its_bounds(valley: ModuleType) -> None:
    random = np.random.default_rng(2)
    water, potential = random.gamma(0.5, 6, 4000), random.gamma(2, 1, 4000)
    recharge, actual, soil = valley.soil_store(water, potential, 90.0)
    np.testing.assert_allclose(
        45.0 + np.cumsum(water), np.cumsum(recharge + actual) + soil, atol=1e-8
    )
    assert soil.min() >= 0
    assert soil.max() <= 90
    assert (actual <= potential + 1e-12).all()
    assert recharge.min() >= 0


def test_evapotranspiration_follows_oudin(valley: ModuleType) -> None:
    # FAO 56, example 8: 32.2 MJ/m2/d on 3 September at 20 degrees south.
    assert valley.extraterrestrial_radiation(np.array(246), -20.0) == pytest.approx(32.2, abs=0.05)
    day = np.array([246, 246, 246])
    amount = valley.oudin_evapotranspiration(np.array([-5.0, -30.0, 15.0]), day, -20.0)
    np.testing.assert_allclose(amount, [0, 0, 32.2 / 2.45 * 0.2], atol=0.01)


def test_steady_recharge_and_pumping_give_the_steady_level(valley: ModuleType) -> None:
    well = valley.WELLS["works"]
    level = valley.true_level(well, np.full(5000, 0.8), np.full(5000, 500.0))
    steady = well.base + 0.8e-3 * well.memories[-1] / well.specific_yield - well.drawdown * 500
    assert level[-1] == pytest.approx(steady, abs=1e-9)


def test_wet_days_are_as_frequent_as_their_chain_says(valley: ModuleType) -> None:
    day = np.tile(np.arange(1.0, 366.0), 200)
    wet = (valley.make_rain(day, np.random.RandomState(0)) > 0).mean()
    assert wet == pytest.approx(0.27 / (1 + 0.27 - 0.62), abs=0.03)


def test_the_sample_has_the_form_of_observations() -> None:
    sample = samples.load_sample()
    assert schema.validate_observations(sample) is sample
    assert sample.sizes == {"well": 5, "time": 8035}
    assert "synthetic" in sample.attrs["origin"]
    assert sample["level"].attrs["vertical_datum"] == "synthetic datum"
    kinds = {n: sample[n].attrs["kind"] for n in schema.covariate_names(sample)}
    assert kinds == {k: k for k in KINDS}
    assert "synthetic" in sample.attrs["title"].lower()
    for name in sample.data_vars:
        assert "synthetic" in sample[name].attrs["long_name"], name
        assert "units" in sample[name].attrs or sample[name].dtype.kind in "UO", name
    assert set(schema.attribute_names(sample)) >= {
        "aquifer",
        "ground_level",
        "x",
        "y",
        "latitude",
        "depth",
    }
    for name in schema.covariate_names(sample):
        assert np.isfinite(sample[name].values).all()


def test_the_sample_holds_each_row_of_its_files() -> None:
    sample, folder = samples.load_sample(), samples.sample_path()
    levels = pd.read_csv(folder / "levels.csv", parse_dates=["date"])
    for well, rows in levels.groupby("well"):
        level = sample["level"].sel(well=well).to_series().dropna()
        assert level.index.equals(pd.DatetimeIndex(rows["date"])), well
        np.testing.assert_array_equal(level, rows["level"])
    assert len(levels) == int(sample["level"].notnull().sum())
    weather = pd.read_csv(folder / "weather.csv", parse_dates=["date"]).set_index("station")
    for well, station in zip(sample["well"].values, sample["station"].values, strict=True):
        for name in ("rain", "temperature", "evapotranspiration"):
            np.testing.assert_array_equal(sample[name].sel(well=well), weather.loc[station, name])


def test_pumping_holds_until_the_next_row_and_is_zero_elsewhere() -> None:
    pumping = samples.load_sample()["pumping"]
    assert (pumping.drop_sel(well="works") == 0).all()
    works = pumping.sel(well="works").to_series()
    months = works.groupby([works.index.year, works.index.month])
    assert (months.max() == months.min()).all()
    assert works.min() >= 150


def test_levels_are_the_truth_and_small_noise(valley: ModuleType) -> None:
    sample, truth = samples.load_sample(), samples.load_truth()
    schema.validate_simulation(truth)
    assert truth["level"].notnull().all()
    error = (sample["level"] - truth["level"]).sel(time=truth["time"])
    for name, well in valley.WELLS.items():
        own = error.sel(well=name).dropna("time")
        assert float(own.std()) == pytest.approx(well.noise, rel=0.15)
        assert abs(float(own.mean())) < 5 * well.noise / own.size**0.5 + 1e-4
        assert float(truth["level"].sel(well=name).std()) > 40 * well.noise


def test_each_well_shows_its_feature() -> None:
    sample, truth = samples.load_sample(), samples.load_truth()["level"]
    observed = {w: sample["level"].sel(well=w).to_series().dropna() for w in sample["well"].values}
    waits = {w: np.diff(s.index) / np.timedelta64(1, "D") for w, s in observed.items()}
    assert (waits["scarp"] == 1).all()
    assert set(waits["terrace"]) == {5, 6, 7, 8, 9}
    assert waits["fen"].max() > 365
    assert (np.sort(waits["fen"])[-4:] > 14).all()
    assert all((s.index[-1] - s.index[0]).days > 15 * 365.25 for s in observed.values())
    highest = truth.groupby("time.month").mean().idxmax("month")
    assert int(highest.sel(well="ridge")) in (4, 5, 6)  # snow melt
    year = {w: truth.sel(well=w).to_series().autocorr(365) for w in ("scarp", "fen")}
    assert year["scarp"] > year["fen"]


def test_the_last_year_has_weather_and_truth_but_no_levels() -> None:
    sample, truth = samples.load_sample(), samples.load_truth()
    last = {"time": slice("2019-01-01", None)}
    assert sample.sel(last).sizes["time"] == truth.sel(last).sizes["time"] == 365
    assert sample["level"].sel(last).isnull().all()
    ends = [sample["level"].sel(well=w).to_series().last_valid_index() for w in sample["well"]]
    assert min(ends) > pd.Timestamp("2018-12-24")


def faded(series: pd.Series, memories: tuple[float, ...]) -> np.ndarray:
    means = [series.ewm(alpha=1 - np.exp(-1 / m)).mean().to_numpy() for m in memories]
    return np.column_stack(means)


@pytest.mark.parametrize("well", ["scarp", "fen", "ridge", "terrace", "works"])
def test_a_linear_model_of_past_weather_explains_the_levels_that_it_did_not_see(well: str) -> None:
    sample = samples.load_sample().sel(well=well)
    columns = [faded(sample[n].to_series(), (15, 40, 100, 250, 600)) for n in KINDS]
    X = np.hstack(columns)
    observed = np.flatnonzero(np.isfinite(sample["level"].values))
    train, test = np.split(observed, [int(0.8 * observed.size)])
    X = (X - X[train].mean(0)) / np.maximum(X[train].std(0), 1e-9)
    level = sample["level"].values
    penalty = 1e-3 * train.size * np.eye(X.shape[1])
    weights = np.linalg.solve(
        X[train].T @ X[train] + penalty, X[train].T @ (level[train] - level[train].mean())
    )
    predicted = level[train].mean() + X[test] @ weights
    assert 1 - np.mean((level[test] - predicted) ** 2) / level[test].var() > 0.6


def test_the_day_of_the_year_explains_little_of_the_level() -> None:
    truth = samples.load_truth()["level"]
    truth = truth.sel(time=slice(None, "2018"))
    split = int(0.8 * truth.sizes["time"])
    past, test = truth[:, :split], truth[:, split:]
    normal = past.groupby("time.dayofyear").mean().sel(dayofyear=test["time"].dt.dayofyear)
    error = ((test - normal.values) ** 2).sum("time")
    nse = 1 - error / ((test - test.mean("time")) ** 2).sum("time")
    assert (nse < 0.5).all()


def test_a_file_that_was_changed_is_refused_in_the_layout_of_a_wheel(tmp_path: Path) -> None:
    (tmp_path / "package" / "data").mkdir(parents=True)
    copied = tmp_path / "package" / "data" / "samples.py"
    shutil.copy(samples.__file__, copied)
    shutil.copytree(ROOT / "datasets", tmp_path / "package" / "datasets")
    installed = load_module("installed_samples", copied)
    assert installed.load_sample().identical(samples.load_sample())
    bad = tmp_path / "package" / "datasets" / "synthetic_valley" / "levels.csv"
    bad.write_bytes(bad.read_bytes().replace(b"scarp,16", b"scarp,17", 1))
    with pytest.raises(SchemaError, match=r"must have the sha256 .* Received .*levels\.csv"):
        installed.load_sample()
    shutil.rmtree(tmp_path / "package" / "datasets")
    with pytest.raises(FileNotFoundError, match=r"no registry\.json in .* Install gwforecast"):
        installed.sample_names()


def test_an_unknown_sample_is_refused() -> None:
    assert samples.sample_names() == ["synthetic_valley"]
    for function in (samples.load_sample, samples.load_truth, samples.sample_path):
        with pytest.raises(ValueError, match=r"must be one of \['synthetic_valley'\]. Received"):
            function("limburg")
