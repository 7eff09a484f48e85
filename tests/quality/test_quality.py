"""The quality table: it finds each fault that is put in, is silent without, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.samples import load_sample
from gwforecast.quality import faults
from gwforecast.quality.checks import COLUMNS, check_observations, quality_flags
from gwforecast.timeline import to_times

SAMPLE = load_sample()
WELLS = [str(well) for well in SAMPLE["well"].values]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real wells are not here")


def one(well: str = "terrace") -> xr.Dataset:
    return SAMPLE.sel(well=[well]).copy(deep=True)


def observed(sample: xr.Dataset) -> np.ndarray:
    return np.flatnonzero(np.isfinite(sample["level"].values[0]))


def found(sample: xr.Dataset, check: str, variable: str = "level") -> pd.DataFrame:
    table = check_observations(sample)
    return table[(table["check"] == check) & (table["variable"] == variable)]


def spread(sample: xr.Dataset) -> float:
    return float(np.subtract(*np.nanquantile(sample["level"], [0.95, 0.05])))


def test_genuine_levels_raise_no_suspicion() -> None:
    table = check_observations(SAMPLE, now="2020-01-01")
    assert list(table.columns) == COLUMNS
    assert set(table["check"]) == {"all", "gaps"}
    assert set(table.loc[table["check"] == "all", "well"]) == {"scarp", "ridge", "terrace"}
    assert (table.loc[table["check"] == "all", "severity"] == "ok").all()
    assert table["first"].dtype == table["last"].dtype == "datetime64[us]"


def test_neither_the_table_nor_the_flags_change_the_observations() -> None:
    sample = one("fen")
    sample["level"].values[0, observed(sample)[50]] = -9999.0
    before = sample.copy(deep=True)
    check_observations(sample)
    quality_flags(sample)
    assert sample.identical(before)


@pytest.mark.parametrize("well", WELLS)
@pytest.mark.parametrize("size", [1.0, -1.0])
def test_a_spike_is_found_where_it_is(well: str, size: float) -> None:
    sample = one(well)
    place = observed(sample)[400]
    sample["level"].values[0, place] += size * spread(sample)
    row = found(sample, "spikes").iloc[0]
    assert (row["n"], row["first"]) == (1, sample["time"].values[place])
    flag = quality_flags(sample)["level_flag"].values[0]
    assert np.flatnonzero(flag == 3).tolist() == [place]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_spikes_do_not_depend_on_datum_unit_sign_or_direction_of_time(width: int) -> None:
    random = np.random.default_rng(3)
    days = np.cumsum(random.integers(1, 20, 400)).astype(float)
    level = np.cumsum(random.normal(0, 0.1, 400) * np.sqrt(np.diff(days, prepend=0)))
    level[200 : 200 + width] += 12.0
    expected = np.isin(np.arange(400), np.arange(200, 200 + width))
    for values in (level, level + 1e3, 7 * level, -level):
        np.testing.assert_array_equal(faults.find_spikes(days, values), expected)
    back = faults.find_spikes(days[-1] - days[::-1], level[::-1])
    np.testing.assert_array_equal(back[::-1], expected)


def test_a_rise_over_a_long_gap_is_no_spike_though_it_is_one_from_day_to_day() -> None:
    random = np.random.default_rng(0)
    level = np.cumsum(random.normal(0, 0.02, 300))
    level[150] += 0.6
    assert faults.find_spikes(np.arange(300.0), level)[150]
    days = np.concatenate([np.arange(150.0), [400.0], np.arange(800.0, 949.0)])
    assert not faults.find_spikes(days, level).any()


@pytest.mark.parametrize("well", WELLS)
@pytest.mark.parametrize("size", [1.5, -1.5])
def test_a_shift_is_found_where_it_starts(well: str, size: float) -> None:
    sample = one(well)
    places = observed(sample)
    start = places[len(places) // 2]
    sample["level"].values[0, start:] += size * spread(sample)
    row = found(sample, "shift").iloc[0]
    assert row["first"] == sample["time"].values[start]
    assert row["value"] == pytest.approx(size * spread(one(well)), rel=0.1)
    assert quality_flags(sample)["level_flag"].values[0, start] == 3


def test_a_shift_that_pumping_explains_is_none() -> None:
    days, random = np.arange(3000.0), np.random.default_rng(0)
    level = np.cumsum(random.normal(0, 0.01, 3000)) * 0.2 - 2.0 * (days >= 1500)
    season = np.column_stack([np.ones(3000), np.sin(days / 58)])
    assert [s.position for s in faults.find_shifts(days, level, lambda: season)] == [1500]
    pumped = np.column_stack([season, days >= 1500])
    assert faults.find_shifts(days, level, lambda: pumped) == []


@pytest.mark.parametrize("well", WELLS)
def test_a_stuck_logger_is_found(well: str) -> None:
    sample = one(well)
    places = observed(sample)[300:340] if well == "terrace" else observed(sample)[300:420]
    sample["level"].values[0, places] = sample["level"].values[0, places[0]]
    row = found(sample, "flat_line").iloc[0]
    assert row["first"] <= sample["time"].values[places[0]]
    assert row["last"] >= sample["time"].values[places[-1]]
    assert (quality_flags(sample)["level_flag"].values[0, places] == 3).all()


@pytest.mark.parametrize("method", ["linear", "lower", "higher"])
def test_quantiles_are_those_of_numpy_to_the_last_bit(method: str) -> None:
    random = np.random.default_rng(0)
    for size in (1, 2, 3, 10, 101, 780):
        values = np.round(random.normal(50.0, 3.0, size), 2)
        for share in (0.01, 0.02, 0.1, 0.3, 0.5, 0.9, 0.98, 1.0):
            assert faults.quantile(values, share, method=method) == np.quantile(
                values, share, method=method
            )


def test_runs_that_the_resolution_explains_are_not_flat_lines() -> None:
    level = np.round(np.sin(np.arange(2000) / 60.0), 1)
    assert faults.longest_runs(level)[1][0] > faults.MIN_FLAT
    assert not faults.find_flat_lines(level).any()


@pytest.mark.parametrize("code", [-9999, -999.9, -99.9, 0, 9999, 99999, 1e20, -32768, 9.96921e36])
def test_codes_for_missing_values_are_found_and_fail(code: float) -> None:
    sample = one("ridge")
    places = observed(sample)[[10, 700]]
    sample["level"].values[0, places] = code
    row = found(sample, "sentinel").iloc[0]
    assert (row["n"], row["severity"], row["value"]) == (2, "error", code)
    assert (quality_flags(sample)["level_flag"].values[0, places] == 4).all()
    assert found(sample, "spikes").empty
    assert found(sample, "unit").empty


def test_a_level_that_happens_to_equal_a_code_is_no_code() -> None:
    level = np.array([98.7, 99.0, 99.4, 99.9, 99.6, 99.0, 98.4])
    assert not faults.find_sentinels(level, zero=True).any()
    assert not faults.find_sentinels(np.array([-0.2, 0.0, 0.1, 0.0, -0.1]), zero=True).any()


@pytest.mark.parametrize(
    ("factor", "name"),
    [(100, "m to cm"), (3.28084, "m to ft"), (0.3048, "ft to m"), (-1, "depth to water")],
)
def test_a_change_of_unit_or_sign_on_the_way_is_found_and_named(factor: float, name: str) -> None:
    sample = one("works")
    places = observed(sample)
    start = places[2000]
    sample["level"].values[0, start:] *= factor
    row = found(sample, "unit_change").iloc[0]
    assert row["first"] == sample["time"].values[start]
    assert name in row["message"]
    assert found(sample, "shift").empty


@pytest.mark.parametrize("well", WELLS)
def test_a_depth_to_water_is_suspected(well: str) -> None:
    assert found(SAMPLE.sel(well=[well]), "sign").empty
    sample = one(well)
    sample["level"] = sample["ground_level"] - sample["level"]
    row = found(sample, "sign").iloc[0]
    assert row["severity"] == "error"
    assert row["value"] < -0.3
    assert "--reference-level" in row["message"]


def test_a_level_that_rain_does_not_move_is_noted() -> None:
    sample = one()
    random = np.random.default_rng(0)
    sample["rain"].values[0] = random.permutation(sample["rain"].values[0])
    assert found(sample, "weak_response")["severity"].tolist() == ["note"]


def change(variable: str, edit: Callable[[np.ndarray], None]) -> xr.Dataset:
    sample = one()
    edit(sample[variable].values[0])
    return sample


def put(values: np.ndarray, *, at: slice | int, value: float) -> None:
    values[at] = value


COVARIATE_FAULTS = {
    "rain in metres": ("rain", "unit", lambda v: np.multiply(v, 1e-3, out=v)),
    "rain in tenths": ("rain", "unit", lambda v: np.multiply(v, 10, out=v)),
    "kg m-2 s-1": ("rain", "unit", lambda v: np.multiply(v, 1 / 86400, out=v)),
    "kelvin": ("temperature", "unit", lambda v: np.add(v, 273.15, out=v)),
    "tenths of a degree": ("temperature", "unit", lambda v: np.multiply(v, 10, out=v)),
    "fahrenheit": ("temperature", "unit", lambda v: np.add(v * 1.8, 32, out=v)),
    "negative rain": ("rain", "negative", lambda v: put(v, at=5000, value=-3.0)),
    "rain code": ("rain", "sentinel", lambda v: put(v, at=slice(5000, 5003), value=-9999)),
    "temperature code": ("temperature", "sentinel", lambda v: put(v, at=9, value=-99.9)),
    "stuck sensor": ("temperature", "flat_line", lambda v: put(v, at=slice(50, 70), value=7.1)),
    "rain filled with zero": ("rain", "flat_line", lambda v: put(v, at=slice(50, 350), value=0)),
    "rain spread over days": ("rain", "flat_line", lambda v: put(v, at=slice(50, 57), value=4)),
    "gap": ("rain", "covariate_gaps", lambda v: put(v, at=slice(5000, 5040), value=np.nan)),
    "early end": (
        "rain",
        "covariate_ends_early",
        lambda v: put(v, at=slice(-395, None), value=np.nan),
    ),
    "late start": (
        "rain",
        "covariate_starts_late",
        lambda v: put(v, at=slice(0, 1800), value=np.nan),
    ),
    "no values": ("rain", "empty", lambda v: put(v, at=slice(None), value=np.nan)),
}


@pytest.mark.parametrize("name", COVARIATE_FAULTS)
def test_faults_of_covariates_are_found(name: str) -> None:
    variable, check, edit = COVARIATE_FAULTS[name]
    assert found(SAMPLE.sel(well=["terrace"]), check, variable).empty
    assert len(found(change(variable, edit), check, variable)) == 1


def test_covariates_that_lack_the_same_steps_share_a_finding() -> None:
    sample = one()
    end = observed(sample)[-1] - 8
    sample["rain"].values[0, end:] = sample["temperature"].values[0, end:] = np.nan
    table = check_observations(sample)
    rows = table[table["check"] == "covariate_ends_early"]
    assert rows["variable"].tolist() == ["rain, temperature"]
    assert rows["n"].tolist() == [9]


@pytest.mark.parametrize("place", [900, 7700])
def test_gaps_of_covariates_outside_the_levels_are_found(place: int) -> None:
    sample = one()
    places = observed(sample)
    assert not places[0] <= place <= places[-1]
    sample["rain"].values[0, place] = np.nan
    row = found(sample, "covariate_gaps", "rain").iloc[0]
    assert (row["n"], row["first"]) == (1, sample["time"].values[place])


def test_a_covariate_that_ends_before_the_others_limits_the_predictions() -> None:
    sample = one()
    sample["rain"].values[0, -100:] = np.nan
    row = found(sample, "covariate_ends_early", "rain").iloc[0]
    assert (row["severity"], row["n"], row["value"]) == ("note", 100, 100.0)
    assert row["last"] == sample["time"].values[-1]


def test_humidity_and_exchanged_temperatures_are_found() -> None:
    sample = one()
    humid = xr.full_like(sample["rain"], 80.0).assign_attrs(kind="humidity")
    sample["humidity"] = humid + np.sin(np.arange(humid.size))
    sample["humidity"].attrs["kind"] = "humidity"
    sample["tmin"], sample["tmax"] = sample["temperature"] + 4, sample["temperature"] - 4
    for name in ("tmin", "tmax"):
        sample[name].attrs.update(kind=f"temperature_{name[1:]}")
    sample["humidity"].values[0, 7] = 130.0
    assert len(found(sample, "range", "humidity")) == 1
    assert found(sample, "range", "tmin")["n"].tolist() == [sample.sizes["time"]]
    assert quality_flags(sample)["humidity_flag"].values[0, 7] == 4
    sample["humidity"] = (sample["humidity"] / 100).assign_attrs(kind="humidity")
    assert len(found(sample, "unit", "humidity")) == 1


def test_levels_after_today_are_an_error_only_where_today_is_given() -> None:
    table = check_observations(one(), now="2018-01-01")
    row = table[table["check"] == "future"].iloc[0]
    assert row["severity"] == "error"
    assert row["first"] >= pd.Timestamp("2018-01-01")
    assert "future" not in set(check_observations(one())["check"])
    zoned = check_observations(one(), now=pd.Timestamp("2030-01-01", tz="UTC"))
    assert "future" not in set(zoned["check"])


def test_gaps_are_counted_for_a_daily_and_an_irregular_well() -> None:
    row = found(SAMPLE.sel(well=["fen"]), "gaps").iloc[0]
    assert row["n"] == 4
    assert "468 days" in row["message"]
    places = observed(SAMPLE.sel(well=["fen"]))
    assert row["value"] == pytest.approx(1 - places.size / (places[-1] - places[0] + 1), abs=0.002)
    assert found(SAMPLE.sel(well=["terrace"]), "gaps").empty


@pytest.mark.parametrize(
    ("kept", "check", "severity"),
    [(0, "few_levels", "error"), (1, "few_levels", "warning"), (40, "few_levels", "warning")],
)
def test_wells_with_few_levels_are_named(kept: int, check: str, severity: str) -> None:
    sample = one()
    sample["level"].values[0, observed(sample)[kept:]] = np.nan
    assert found(sample, check)["severity"].tolist() == [severity]
    flag = quality_flags(sample)["level_flag"].values[0]
    assert set(flag) == {0: {9}, 1: {2, 9}, 40: {1, 9}}[kept]


def test_a_constant_level_is_an_error() -> None:
    sample = one()
    sample["level"].values[0, observed(sample)] = 3.0
    assert found(sample, "constant")["severity"].tolist() == ["error"]


def test_a_well_that_ends_long_before_the_others_is_noted() -> None:
    sample = SAMPLE.copy(deep=True)
    sample["level"].values[3, 5000:] = np.nan
    row = found(sample, "ends_early")
    assert row["well"].tolist() == ["terrace"]
    assert row["severity"].tolist() == ["note"]


def test_levels_in_centimetres_and_without_a_datum_are_named() -> None:
    sample = one("ridge")
    sample["level"] = (sample["level"] * 100).drop_attrs()
    table = check_observations(sample)
    assert {"unit", "datum"} <= set(table["check"])
    assert table.loc[table["check"] == "datum", "well"].tolist() == [""]


def test_every_message_has_three_beats() -> None:
    sample = one()
    sample["level"].values[0, observed(sample)[[50, 60]]] = -9999.0
    sample["rain"].values[0, 100] = -4.0
    for message in check_observations(sample)["message"]:
        assert ". Received " in message
        assert message.endswith(".")
    row = found(sample, "negative", "rain").iloc[0]
    assert "'rain' of well 'terrace'" in row["message"]
    assert "1998-04-11" in row["message"]


def test_flags_have_the_form_of_qartod() -> None:
    flag = quality_flags(SAMPLE)
    assert list(flag.data_vars) == [
        f"{n}_flag" for n in ("level", "rain", "temperature", "evapotranspiration", "pumping")
    ]
    assert all(variable.dtype == np.int8 for variable in flag.data_vars.values())
    np.testing.assert_array_equal(flag["level_flag"] == 9, SAMPLE["level"].isnull())
    assert set(np.unique(flag["level_flag"])) == {1, 9}
    assert flag["level_flag"].attrs["flag_values"].tolist() == [1, 2, 3, 4, 9]
    merged = SAMPLE.merge(flag)
    assert found(merged, "shift").empty


def weekly(well: str) -> xr.Dataset:
    folder = DATA / "germany_weekly"
    form = {"index_col": 0, "parse_dates": True, "date_format": "%d.%m.%Y %H:%M:%S"}
    levels = pd.read_csv(folder / "gw" / f"{well}_GW-Data.csv", **form)
    weather = pd.read_csv(folder / "hyras" / f"{well}_weeklyData_HYRAS.csv", **form)
    both = weather.join(levels, how="inner")
    variables = {"level": "GWL", "P": "P", "T": "T", "rH": "rH"}
    data = {
        n: (("well", "time"), both[c].to_numpy(float, copy=True)[None])
        for n, c in variables.items()
    }
    return xr.Dataset(data, coords={"well": [well], "time": to_times(both.index)})


@needs_data
def test_real_wells_raise_few_suspicions_and_their_faults_are_found() -> None:
    names = sorted(p.name.removesuffix("_GW-Data.csv") for p in DATA.glob("germany_weekly/gw/*"))
    wells = [weekly(name) for name in names[::6]]
    table = pd.concat([check_observations(well) for well in wells])
    assert table["severity"].isin(["warning", "error"]).sum() <= 0.3 * len(wells)
    for well in wells:
        level = well["level"].values[0]
        size, original = spread(well), level.copy()
        level[300] += 1.5 * size
        assert len(found(well, "spikes")) == 1
        level[:] = -original
        assert len(found(well, "sign")) == 1
