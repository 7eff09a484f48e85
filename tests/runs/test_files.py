"""Files of a run: whole or absent, safe names, and the values that were given."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from gwforecast import writing
from gwforecast.runs import files

QUANTILES = [0.025, 0.5, 0.975]


@pytest.fixture
def predictions() -> xr.Dataset:
    times = pd.date_range("2020-01-01", periods=5)
    level = np.arange(60.0).reshape(2, 2, 5, 3) / 7
    level[1, 0, :2] = np.nan
    return xr.Dataset(
        {
            "level": (("model", "well", "time", "quantile"), level, {"units": "m"}),
            "fitted_through": (("well", "time"), np.full((2, 5), "validation", dtype="<U10")),
        },
        {
            "model": np.array(["lstm", "drift"], dtype=object),
            "well": np.array(["Weiß/1", "b"], dtype=object),
            "time": times,
            "quantile": QUANTILES,
        },
    )


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    writing.write_text(path, "old")

    def fail(target: Path) -> None:
        target.write_text("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        writing.write_atomically(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    writing.write_text(path, "1\n")
    writing.write_text(path, "äöü\n")
    assert path.read_bytes() == "äöü\n".encode()
    assert os.listdir(path.parent) == ["a.txt"]


@given(st.text(min_size=1))
def test_every_name_becomes_a_safe_file_name(name: str) -> None:
    slug = files.file_names([name])[name]
    assert slug
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not slug.startswith(".")
    assert len(slug) <= 81


@pytest.mark.parametrize("pair", [("a/b", "a b"), ("W1", "w1"), ("é", "e"), ("../a", "_a")])
def test_names_that_would_share_a_file_do_not(pair: tuple[str, str]) -> None:
    found = files.file_names(pair)
    assert len({slug.casefold() for slug in found.values()}) == 2
    assert files.file_names(reversed(pair)) == found  # whatever their order
    for name in pair:
        shared = set(found[name]) - set(files.file_names([name])[name])
        assert shared <= set("-0123456789abcdef")


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "aux.1"])
def test_names_that_windows_keeps_for_itself_are_changed(name: str) -> None:
    assert files.file_names([name])[name] == f"_{name}"


def test_predictions_come_back_as_they_were(tmp_path: Path, predictions: xr.Dataset) -> None:
    path = files.write_predictions(predictions, tmp_path / "predictions.nc")
    with xr.open_dataset(path, engine="h5netcdf") as read:
        assert read["level"].encoding["zlib"]
        xr.testing.assert_equal(read["level"], predictions["level"])
        assert (read["fitted_through"].values.astype(str) == "validation").all()
        assert read["level"].attrs["units"] == "m"


def test_challenge_tables_hold_date_level_and_bounds(
    tmp_path: Path, predictions: xr.Dataset
) -> None:
    written = files.write_challenge_tables(predictions, tmp_path)
    assert sorted(written) == [
        "predictions/drift/Weiss_1.csv",
        "predictions/drift/b.csv",
        "predictions/lstm/Weiss_1.csv",
        "predictions/lstm/b.csv",
    ]
    table = pd.read_csv(written["predictions/drift/Weiss_1.csv"])
    assert table.columns.tolist() == [
        "Date",
        "Simulated Head",
        "95% Lower Bound",
        "95% Upper Bound",
    ]
    assert table["Date"].tolist() == [f"2020-01-0{day}" for day in range(1, 6)]
    expected = predictions["level"].sel(model="drift", well="Weiß/1")
    for column, quantile in zip(table.columns[1:], [0.5, 0.025, 0.975], strict=True):
        np.testing.assert_allclose(table[column], expected.sel(quantile=quantile), atol=5e-5)


def test_a_single_well_gets_a_table_of_the_first_model(
    tmp_path: Path, predictions: xr.Dataset
) -> None:
    written = files.write_challenge_tables(predictions.isel(well=[1]), tmp_path)
    whole = written["predictions.csv"].read_bytes()
    assert whole == written["predictions/lstm/b.csv"].read_bytes()


def test_stamps_within_the_day_keep_their_clock(predictions: xr.Dataset) -> None:
    shifted = predictions.assign_coords(time=predictions["time"] + np.timedelta64(6, "h"))
    table = files.challenge_table(shifted["level"].isel(model=0, well=0))
    assert table["Date"][0] == "2020-01-01T06:00:00"


def test_json_is_strict_and_plain() -> None:
    value = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "path": Path("a") / "b",
        "time": np.datetime64("2020-01-01T00:00", "us"),
        "missing": np.datetime64("NaT"),
        "array": np.arange(3),
        "flag": np.bool_(True),
        "nested": [{"x": (1, None)}],
    }
    assert json.loads(writing.dump_json(value)) == {
        "nan": None,
        "inf": None,
        "path": str(Path("a") / "b"),
        "time": "2020-01-01T00:00:00",
        "missing": None,
        "array": [0, 1, 2],
        "flag": True,
        "nested": [{"x": [1, None]}],
    }


def test_checksums_are_of_every_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.csv").write_bytes(b"")
    (tmp_path / "a.csv").write_bytes(b"abc")
    found = files.file_checksums([tmp_path, tmp_path / "a.csv"])
    assert [Path(str(item["path"])).name for item in found] == ["a.csv", "x.csv"]
    assert found[0]["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found[1]["bytes"] == 0


def test_checksums_of_data_see_every_value_and_name(predictions: xr.Dataset) -> None:
    own = files.dataset_sha256(predictions)
    assert own == files.dataset_sha256(predictions.copy(deep=True))
    changed = predictions.copy(deep=True)
    changed["level"][0, 0, 0, 0] += 1e-12
    others = [
        changed,
        predictions.rename(level="levels"),
        predictions.assign_coords(well=["Weiß/1", "c"]),
        predictions.isel(time=slice(1, None)),
    ]
    assert len({own, *map(files.dataset_sha256, others)}) == 5
