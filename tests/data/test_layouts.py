"""Files of agencies, portals and loggers give the levels that were written."""

from pathlib import Path

import numpy as np
import pytest

import gwforecast as gw
from gwforecast import SchemaError

from .layouts import DAYS, LAYOUTS, LEVELS, Layout, diver_mon, write


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_gives_its_levels(layout: Layout, tmp_path: Path) -> None:
    path = write(layout, tmp_path)
    settings = dict(layout.settings)
    if "barometer" in settings:
        settings["barometer"] = tmp_path / "baro.csv"
    made = gw.read_observations(path, **settings)
    assert tuple(made["well"].values) == layout.wells
    expected = LEVELS[None] if layout.level is None else np.atleast_2d(layout.level)
    values = made["level"].values
    if expected.size:
        known = np.isfinite(values)
        np.testing.assert_allclose(values[known], expected[known], atol=layout.atol)
        assert known.sum() >= 29 * len(values)
    else:
        at_day = np.nansum(np.where(np.isfinite(values), values, 0), axis=0)
        np.testing.assert_allclose(at_day[np.isfinite(values).any(axis=0)], LEVELS, atol=0.011)
    assert made["time"].values[0].astype("M8[D]") == DAYS[0].to_numpy().astype("M8[D]")
    assert made["level"].attrs.get("vertical_datum") in (layout.datum, None)
    if layout.datum:
        assert made["level"].attrs["vertical_datum"] == layout.datum
    said = gw.understood(made)
    assert layout.said in " ".join(said["what"])
    assert {"files", "unit", "read as", "axis"} <= set(said["about"])


def test_there_are_many_layouts() -> None:
    assert len(LAYOUTS) >= 25


def test_a_pressure_says_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "p.mon"
    path.write_bytes(diver_mon("PRESSURE", "cmH2O"))
    with pytest.raises(SchemaError, match=r"pressure is none.*'Pressure \[cmH2O\]'.*barometer="):
        gw.read_observations(path)


def test_rain_of_fews_is_a_covariate_of_all_wells(tmp_path: Path) -> None:
    layout = next(layout for layout in LAYOUTS if layout.name == "Delft-FEWS")
    path = write(layout, tmp_path)
    made = gw.read_observations(path, path)
    assert made["P.obs"].attrs["kind"] == "rain"
    assert np.isnan(made["P.obs"].values[0, 3])
    np.testing.assert_array_equal(made["P.obs"].values[0], made["P.obs"].values[1])


def test_each_layout_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "input_formats.md").read_text("utf-8")
    named = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert {layout.name for layout in LAYOUTS} <= set(named)
