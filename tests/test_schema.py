import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError, validate_observations, validate_simulation

DIMS = ("well", "time")


def sound():
    times = pd.date_range("2020-01-01", periods=5).to_numpy()
    return xr.Dataset(
        {
            "level": (DIMS, np.array([[1, np.nan, 3, 4, 5.0]] * 2), {"units": "m"}),
            "rr": (DIMS, np.ones((2, 5))),
            "level_flag": (DIMS, np.zeros((2, 5), np.int8)),
            "soil": ("well", ["sand", "clay"]),
            "depth": ("well", [3.0, 4.0]),
        },
        {"well": ["a", "b"], "time": times},
    )


def test_sound_observations_pass_unchanged():
    observations = sound()
    assert validate_observations(observations, covariates=["rr"]) is observations
    assert schema.covariate_names(observations) == ["rr"]
    assert schema.attribute_names(observations) == ["soil", "depth"]


def test_kinds_go_by_attribute_before_name():
    assert schema.covariate_kind("x", {"kind": "rain"}) == "rain"
    assert schema.covariate_kind("RR", {}) == "rain"
    assert schema.covariate_kind("ET", None) == "evapotranspiration"
    assert schema.covariate_kind("nitrate") == "other"
    names = [name for group in schema.KINDS.values() for name in group]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


def with_value(value):
    observations = sound()
    observations["rr"][1, 2] = value
    return observations


@pytest.mark.parametrize(
    ("observations", "message"),
    [
        (sound().to_dataframe(), "Received DataFrame"),
        (sound().rename(well="site"), "Rename the dimension that holds 'well'"),
        (sound().drop_vars("time"), "Rename the dimension that holds 'time'"),
        (sound().isel(well=[]), "Received none"),
        (sound().assign_coords(well=[1, 2]), "non-empty text"),
        (sound().assign_coords(well=["a", " "]), "Received ' '"),
        (sound().assign_coords(well=["a", "a"]), "Received 'a' 2 times"),
        (sound().isel(time=[0, 2, 3]), "must be regular"),
        (sound().isel(time=[1, 0]), "strictly increasing"),
        (sound().drop_vars("level"), "need a variable 'level'"),
        (sound().transpose("time", "well"), r"dimensions \(well, time\)"),
        (sound().assign(level=lambda o: o.level.fillna(0).astype(int)), "dtype int64"),
        (sound().assign(level=lambda o: o.level.assign_attrs(units="cm")), "units 'cm'"),
        (sound().assign(rr=lambda o: o.rr.astype(int)), "'rr' must hold floating"),
        (with_value(np.inf), "Received inf at well 'b', 2020-01-03"),
        (with_value(-np.inf), "Received -inf at well 'b', 2020-01-03"),
    ],
)
def test_messages(observations, message):
    with pytest.raises(SchemaError, match=message):
        validate_observations(observations)


def test_a_covariate_that_is_asked_for_must_be_there():
    with pytest.raises(SchemaError, match=r"lacks \['tg'\]"):
        validate_observations(sound(), covariates=["rr", "tg"])


def test_simulations():
    level = sound()[["level"]]
    quantiles = level.expand_dims(quantile=[0.1, 0.5], axis=-1)
    members = level.expand_dims(member=2, axis=-1)
    for simulation in (level, quantiles, members):
        assert validate_simulation(simulation) is simulation
    for wrong, message in (
        (level.rename(level="head"), "Received dims None"),
        (quantiles.transpose("quantile", ...), "with member or quantile last"),
        (quantiles.isel(quantile=[1, 0]), r"Received \[0.5, 0.1\]"),
        (quantiles.assign_coords(quantile=[0.0, 0.5]), r"inside \(0, 1\)"),
    ):
        with pytest.raises(SchemaError, match=message):
            validate_simulation(wrong)
