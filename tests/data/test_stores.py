from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.layouts.grids import read_grids
from gwforecast.data.readers import list_wells, read_observations
from gwforecast.data.stores import read_store
from gwforecast.schema import SchemaError

WELLS = ["b1", "a2", "c3"]


@pytest.fixture
def network() -> xr.Dataset:
    rng = np.random.default_rng(3)
    time = pd.date_range("2001-01-01", periods=30, freq="W-MON")
    shape = (len(WELLS), time.size)
    made = xr.Dataset(
        {
            "level": (("well", "time"), rng.normal(40.0, 1.0, shape), {"units": "m"}),
            "rain": (("well", "time"), rng.gamma(1.0, 3.0, shape), {"units": "mm"}),
            "depth": ("well", [3.0, 1.0, 2.0]),
        },
        {"well": np.array(WELLS, dtype="U2"), "time": time},
    )
    made["level"][1, 4:9] = np.nan
    return made


def _written(network: xr.Dataset, folder: Path, kind: str) -> Path:
    path = folder / f"network.{kind}"
    if kind == "nc":
        network.to_netcdf(path, engine="h5netcdf")
    else:
        pytest.importorskip("zarr")
        network.to_zarr(path, zarr_format=2, consolidated=kind == "consolidated.zarr")
    return path


@pytest.mark.parametrize("kind", ["nc", "zarr", "consolidated.zarr"])
def test_wells_are_listed_and_read_in_the_requested_order(network, tmp_path, kind: str) -> None:
    path = _written(network, tmp_path, kind)
    assert list_wells(path) == WELLS
    xr.testing.assert_equal(read_observations(path), network)
    part = read_observations(path, wells=["c3", "b1"])
    xr.testing.assert_equal(part, network.sel(well=["c3", "b1"]))
    assert part["level"].attrs["units"] == "m"


@pytest.mark.parametrize("kind", ["nc", "zarr", "consolidated.zarr"])
def test_an_unknown_well_is_named(network, tmp_path, kind: str) -> None:
    path = _written(network, tmp_path, kind)
    with pytest.raises(SchemaError, match=r"Received 'zz'.*holds 3 wells.*Correct the name"):
        read_observations(path, wells=["b1", "zz"])


def test_of_a_zarr_store_only_the_chunks_of_the_wells_are_read(network, tmp_path) -> None:
    pytest.importorskip("zarr")
    path = tmp_path / "network.zarr"
    network.to_zarr(
        path, zarr_format=2, consolidated=False, encoding={"level": {"chunks": (1, 30)}}
    )
    (path / "level" / "1.0").write_bytes(b"torn")
    xr.testing.assert_equal(
        read_observations(path, wells=["b1", "c3"]), network.sel(well=["b1", "c3"])
    )
    with pytest.raises(Exception, match=r".+"):
        read_observations(path, wells=["a2"])


def test_a_folder_without_tables_is_refused(tmp_path) -> None:
    pytest.importorskip("zarr")
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(SchemaError, match=r"Zarr store.*x\.zarr.*Write it again"):
        read_observations(tmp_path / "x.zarr")


def test_stores_that_could_run_code_or_read_other_files_are_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "external.nc", "w") as file:
        file.create_dataset("level", (4,), "f8", external=[(str(tmp_path / "secret"), 0, 32)])
    with h5py.File(tmp_path / "link.nc", "w") as file:
        file["level"] = h5py.ExternalLink(str(tmp_path / "external.nc"), "/level")
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "external.nc"), "level", (4,))
    with h5py.File(tmp_path / "virtual.nc", "w") as file:
        file.create_virtual_dataset("level", layout)
    for name, word in (("external", "another file"), ("link", "a link"), ("virtual", "another")):
        with pytest.raises(SchemaError, match=word):
            read_store(tmp_path / f"{name}.nc")
        coordinates = pd.DataFrame({"latitude": [52.0], "longitude": [5.0]}, index=["a"])
        with pytest.raises(SchemaError, match=word):
            read_grids(tmp_path / f"{name}.nc", ["a"], coordinates)


@pytest.mark.parametrize(
    "codec",
    [
        {"filters": [{"id": "pickle", "protocol": 5}], "compressor": None},
        {"filters": None, "compressor": {"id": "unknown"}},
        {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
        {"codecs": [{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "evil"}]}}]},
    ],
)
def test_zarr_stores_with_other_codecs_are_refused(tmp_path: Path, codec: dict) -> None:
    import json

    store = tmp_path / "wells.zarr"
    (store / "level").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}', "utf-8")
    name = "zarr.json" if "codecs" in codec else ".zarray"
    (store / "level" / name).write_text(json.dumps({"shape": [1, 1], **codec}), "utf-8")
    with pytest.raises(SchemaError, match="codecs of numbers and text"):
        read_store(store)


def test_zarr_stores_with_links_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "wells.zarr"
    store.mkdir()
    (store / ".zgroup").write_text('{"zarr_format": 2}', "utf-8")
    (store / "level").symlink_to(tmp_path)
    with pytest.raises(SchemaError, match="the link"):
        read_store(store)
