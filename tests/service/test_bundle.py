"""Bundles: what is stored forecasts the same, and nothing that was tampered with is accepted."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.bundle import ARRAYS, MANIFEST, SUMS, BundleError, check_fits
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.networks.cnn import CNN
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import MLP
from gwforecast.runs.catalogue import MODELS, make_forecasters, model_class
from gwforecast.runs.forecast import fit_calibrated
from gwforecast.sequences.split import split_by_fraction
from gwforecast.service.champions import Champions, load_bundle, save_bundle
from gwforecast.service.recipe import TrainingRecipe
from gwforecast.service.train import train

SMALL = {"members": 2, "epochs": 2, "workers": 1, "lookback": 16}
PARTS = {
    "blend": lambda: [LSTM(units=(4,), targets=20, **SMALL), MLP(units=(5,), **SMALL)],
    "gru": lambda: [GRU(units=(4, 3), targets=20, **SMALL)],
    "cnn": lambda: [CNN(units=4, targets=20, **SMALL)],
    "linear": lambda: [Linear(lookbacks=(8,), strengths=(0.1,))],
    "climatology": lambda: [Climatology()],
    "persistence": lambda: [Persistence()],
}


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    rng = np.random.default_rng(0)
    rain, warm = rng.gamma(0.7, 10.0, (2, 480)), rng.normal(8, 6, (2, 480))
    level = np.zeros((2, 480))
    for step in range(1, 480):
        level[:, step] = 0.9 * level[:, step - 1] + 0.02 * rain[:, step]
    time = pd.date_range("2005-01-03", periods=480, freq="W-MON")
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, level, {"units": "m", "vertical_datum": "NAP"}),
            "rr": (dims, rain, {"units": "mm"}),
            "tg": (dims, warm, {"units": "degC"}),
        },
        {"well": ["a", "<b>"], "time": time},
    )


FITTED: dict[str, Calibrated] = {}


def fitted(name: str, record: xr.Dataset) -> Calibrated:
    """Return some models, which are fitted once for all tests and changed by none."""
    if name not in FITTED:
        forcing = ClimatologyWeather(fewest=2)
        FITTED[name] = fit_calibrated(PARTS[name](), record, horizon=6, forcing=forcing)
    return FITTED[name]


@pytest.fixture(scope="module")
def stored(record: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "linear"
    save_bundle(fitted("linear", record), folder, record)
    return folder


@pytest.fixture(scope="module")
def blend(record: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "blend"
    save_bundle(fitted("blend", record), folder, record)
    return folder


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_is_read_back_forecasts_the_same(
    name: str, record: xr.Dataset, tmp_path: Path
) -> None:
    one = fitted(name, record)
    total = save_bundle(one, tmp_path / "x", record, card={"use": "tests"})
    again, manifest = load_bundle(tmp_path / "x")
    assert manifest["card"] == {"use": "tests"}
    assert hashlib.sha256((tmp_path / "x" / MANIFEST).read_bytes()).hexdigest() == total
    issued = record["time"].values[[470, 479]]
    for chosen in ({}, {"horizon": 9}, {"members": True}):
        weather = {"forcing": ClimatologyWeather(fewest=2)}
        expected = one.forecast(record, issue_times=issued, **chosen, **weather)
        found = again.forecast(record, issue_times=issued, **chosen, **weather)
        assert found["level"].values.tobytes() == expected["level"].values.tobytes()
    assert again.name == one.name
    assert again.trained_through_.equals(one.trained_through_)


def test_the_same_forecaster_gives_the_same_bytes(record: xr.Dataset, tmp_path: Path) -> None:
    one = fitted("linear", record)
    assert save_bundle(one, tmp_path / "a", record) == save_bundle(one, tmp_path / "b", record)


LOADED = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import of it fails
import numpy as np, xarray as xr
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.service.champions import load_bundle
data = xr.load_dataset("data.nc", engine="h5netcdf")
for name in sys.argv[1:]:
    fitted, _ = load_bundle(name)
    found = fitted.forecast(data, issue_times=data["time"].values[[-1]],
                            forcing=ClimatologyWeather(fewest=2))
    np.save(name, found["level"].values)
assert not {"matplotlib", "optuna"} & set(sys.modules), "too much is loaded"
"""


STORED = (*MODELS, "blend")


def small(name: str, record: xr.Dataset) -> Calibrated:
    """Return a model that was fitted with settings which make that short, or the blend."""
    if name == "blend":
        return fitted(name, record)
    units = 4 if name.endswith("cnn") else (4,)
    own = {"units": units, **SMALL, "lookback": 8} if model_class(name).neural else {}
    one = make_forecasters([name], settings={name: own}, shared={})[name]
    return fit_calibrated([one], record, horizon=6, forcing=ClimatologyWeather(fewest=2))


@pytest.fixture(scope="module")
def catalogue(record: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of each model and a blend, and forecasts with and without TensorFlow."""
    folder = tmp_path_factory.mktemp("catalogue")
    record.to_netcdf(folder / "data.nc", engine="h5netcdf")
    forcing = ClimatologyWeather(fewest=2)
    for name in STORED:
        one = small(name, record)
        save_bundle(one, folder / name, record)
        expected = one.forecast(record, issue_times=record["time"].values[[-1]], forcing=forcing)
        np.save(folder / f"{name}-expected", expected["level"].values)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    subprocess.run([sys.executable, "-c", LOADED, *STORED], check=True, cwd=folder, env=environment)
    return folder


@pytest.mark.parametrize("name", STORED)
def test_every_model_is_stored_and_forecasts_without_tensorflow(catalogue: Path, name: str) -> None:
    found = np.load(catalogue / f"{name}.npy")
    expected = np.load(catalogue / f"{name}-expected.npy")
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_stored_networks_can_be_trained_further(record: xr.Dataset, tmp_path: Path) -> None:
    one = fitted("cnn", record)
    save_bundle(one, tmp_path / "x", record)
    again, _ = load_bundle(tmp_path / "x")
    split = split_by_fraction(record, train=0.75, validation=0.25)
    ours, theirs = (each.update(record, split=split) for each in (again, one))
    level, expected = (
        each.forecast(record, issue_times=record["time"].values[[-1]],
                      forcing=ClimatologyWeather(fewest=2))["level"].values
        for each in (ours, theirs)
    )  # fmt: skip
    assert np.isfinite(level).all()
    np.testing.assert_allclose(level, expected, atol=1e-6)


class Unlisted(Linear):
    """A subclass of a model of the catalogue that is not in the catalogue itself."""

    def fit(self, *arguments: object, **options: object) -> Unlisted:  # noqa: ARG002
        raise AssertionError("it must be refused before it is fitted")


def test_a_subclass_is_refused_before_it_is_fitted(record: xr.Dataset, tmp_path: Path) -> None:
    recipe = TrainingRecipe([Unlisted()], {}, horizon=4)
    with pytest.raises(TypeError, match="'linear', whose class Unlisted is not one of them"):
        train(record, recipe=recipe, champions=Champions(tmp_path))
    one = copy.deepcopy(fitted("linear", record))
    one.forecaster.parts[0].__class__ = Unlisted
    with pytest.raises(BundleError, match="whose class Unlisted"):
        save_bundle(one, tmp_path / "x", record)
    assert not (tmp_path / "x" / SUMS).exists()


def test_models_that_do_not_simulate_are_not_averaged(record: xr.Dataset, tmp_path: Path) -> None:
    recipe = TrainingRecipe(["linear", "ets"], {}, horizon=4)
    with pytest.raises(ValueError, match="Received 'ets', which needs recent levels"):
        train(record, recipe=recipe, champions=Champions(tmp_path))


@pytest.mark.parametrize("file", [MANIFEST, ARRAYS, SUMS])
def test_every_flipped_bit_and_every_cut_is_found(stored: Path, tmp_path: Path, file: str) -> None:
    rng = np.random.default_rng(0)
    for name in (MANIFEST, ARRAYS, SUMS):
        (tmp_path / name).write_bytes((stored / name).read_bytes())
    good = (stored / file).read_bytes()
    for trial in range(60):
        damaged = bytearray(good)
        if trial % 2:
            damaged[rng.integers(len(good))] ^= 1 << int(rng.integers(8))
        else:
            damaged = damaged[: int(rng.integers(len(good)))]
        (tmp_path / file).write_bytes(bytes(damaged))
        with pytest.raises((BundleError, FileNotFoundError)):
            load_bundle(tmp_path)


def tampered(stored: Path, folder: Path, change, arrays: bytes | None = None) -> Path:
    """Write a bundle whose manifest was changed, with sums that match."""
    folder.mkdir(exist_ok=True)
    content = (stored / ARRAYS).read_bytes() if arrays is None else arrays
    manifest = json.loads((stored / MANIFEST).read_text())
    manifest["sha256"] = hashlib.sha256(content).hexdigest()
    change(manifest)
    text = json.dumps(manifest).encode()
    (folder / MANIFEST).write_bytes(text)
    (folder / ARRAYS).write_bytes(content)
    sums = f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n{manifest['sha256']}  {ARRAYS}\n"
    (folder / SUMS).write_text(sums)
    return folder


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def npz(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def members_of(stored: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(stored / ARRAYS) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _with(stored: Path, **changes: bytes) -> bytes:
    return npz(members_of(stored) | {f"{k}.npy": v for k, v in changes.items()})


def _nan(stored: Path) -> bytes:
    entries = members_of(stored)
    name = "forecaster.part0.0.coefficients.npy"
    value = np.load(io.BytesIO(entries[name]))
    part = io.BytesIO()
    np.save(part, np.full_like(value, np.nan))
    return npz(entries | {name: part.getvalue()})


def _declare(manifest: dict, name: str, **form: object) -> None:
    manifest["arrays"][name] = {**manifest["arrays"][name], **form}


HOSTILE_MANIFESTS = {
    "a kind out of the list": lambda m: m["forecaster"]["forecaster"].update(kind="os.system"),
    "a kind that is no text": lambda m: m["forecaster"]["forecaster"].update(kind=["linear"]),
    "another format": lambda m: m.update(format=99),
    "no format": lambda m: m.pop("format"),
    "no forecaster": lambda m: m.pop("forecaster"),
    "a horizon of text": lambda m: m["forecaster"].update(horizon="9"),
    "an endless horizon": lambda m: m["forecaster"].update(horizon=10**12),
    "a horizon that is true": lambda m: m["forecaster"].update(horizon=True),
    "a forcing out of the list": lambda m: m["forecaster"].update(forcing="oracle"),
    "an array of objects": lambda m: _declare(m, "trained.wells", dtype="|O"),
    "an array too large": lambda m: _declare(m, "interval.widths", shape=[10**9, 10**9, 10**9]),
    "a negative shape": lambda m: _declare(m, "interval.widths", shape=[-1, 6, 7]),
    "another shape": lambda m: _declare(m, "interval.widths", shape=[2, 6, 8]),
    "another dtype": lambda m: _declare(m, "interval.widths", dtype="<f4"),
    "a name above the folder": lambda m: m["arrays"].update(
        {"../x": {"shape": [], "dtype": "<f8"}}
    ),
    "an array that is not there": lambda m: m["arrays"].update(x={"shape": [1], "dtype": "<f8"}),
    "no arrays": lambda m: m.update(arrays={}),
    "arrays that are no table": lambda m: m.update(arrays=[1, 2]),
    "wells of others": lambda m: m["forecaster"]["forecaster"].update(wells=["x", "y"]),
    "parts that are no list": lambda m: m["forecaster"]["forecaster"].update(parts=7),
}


@pytest.mark.parametrize("name", sorted(HOSTILE_MANIFESTS))
def test_a_hostile_manifest_is_refused(stored: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError):
        load_bundle(tampered(stored, tmp_path / "x", HOSTILE_MANIFESTS[name]))


HOSTILE_ARRAYS = {
    "a pickle": lambda s: _with(s, **{"interval.error": pickle.dumps(Bomb())}),
    "an array of pickles": lambda s: _with(
        s, **{"interval.error": b"\x93NUMPY\x01\x00" + pickle.dumps(Bomb())}
    ),
    "a member above the folder": lambda s: npz(members_of(s) | {"../../x.npy": b"1"}),
    "a member more": lambda s: npz(members_of(s) | {"more.npy": b"1"}),
    "a header without end": lambda s: _with(
        s,
        **{"interval.error": b"\x93NUMPY\x02\x00" + (2**31 - 1).to_bytes(4, "little") + b" " * 99},
    ),
    "a bomb of zeros": lambda s: _with(s, **{"interval.error": b"\0" * 50_000_000}),
    "coefficients that are NaN": _nan,
    "no archive": lambda _: b"not a zip",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("name", sorted(HOSTILE_ARRAYS))
def test_hostile_arrays_are_refused_and_nothing_is_run(
    stored: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = HOSTILE_ARRAYS[name](stored)
    with pytest.raises(BundleError):
        load_bundle(tampered(stored, tmp_path / "x", lambda _: None, content))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("trust", [[[0.5, 0.6]] * 2, [[-0.5, 1.5]] * 2, [[np.nan, 1.0]] * 2])
def test_trust_that_does_not_add_up_is_refused(
    blend: Path, tmp_path: Path, trust: list[list[float]]
) -> None:
    part = io.BytesIO()
    np.save(part, np.array(trust))
    name = "forecaster.part0.trust"
    assert f"{name}.npy" in members_of(blend)
    content = _with(blend, **{name: part.getvalue()})
    with pytest.raises(BundleError, match=r"member weights of \(2, 2\) must be|must be finite"):
        load_bundle(tampered(blend, tmp_path / "x", lambda _: None, content))


def test_links_and_unfinished_folders_are_refused(stored: Path, tmp_path: Path) -> None:
    for name in (MANIFEST, ARRAYS):
        (tmp_path / name).write_bytes((stored / name).read_bytes())
    with pytest.raises(FileNotFoundError, match="SHA256SUMS"):
        load_bundle(tmp_path)
    (tmp_path / SUMS).symlink_to(stored / SUMS)
    with pytest.raises(FileNotFoundError, match="SHA256SUMS"):
        load_bundle(tmp_path)


def test_data_of_another_form_are_refused_with_both_shown(stored: Path, record: xr.Dataset) -> None:
    _, manifest = load_bundle(stored)
    check_fits(manifest, record)
    cases = {
        "rr": record.drop_vars("rr"),
        "tg": record.assign(tg=record["tg"].assign_attrs(units="K")),
        "vertical_datum": record.assign(level=record["level"].assign_attrs(vertical_datum="NN")),
        "frequency": record.assign_coords(time=record["time"] + np.timedelta64(1, "D")),
    }
    for name, data in cases.items():
        with pytest.raises(BundleError, match=rf"\({name}\): trained on .* received"):
            check_fits(manifest, data)


GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("format-*/*")), ids=lambda path: path.name)
def test_bundles_of_earlier_versions_forecast_what_they_did(
    folder: Path, record: xr.Dataset
) -> None:
    loaded, manifest = load_bundle(folder)
    check_fits(manifest, record)
    issued = loaded.forecast(
        record,
        issue_times=record["time"].values[[450]],
        horizon=6,
        forcing=ClimatologyWeather(fewest=2),
    )
    expected = np.load(folder / "expected.npz", allow_pickle=False)["level"]
    np.testing.assert_allclose(issued["level"].values, expected, rtol=1e-5, atol=1e-6)


def test_a_champion_stays_in_its_place_while_the_same_bundle_is_trained_again(
    record: xr.Dataset, tmp_path: Path
) -> None:
    champions = Champions(tmp_path)
    fitted = fit_calibrated([Climatology()], record, horizon=3, forcing=ClimatologyWeather())
    name = champions.add(fitted, record, card={})
    sums = champions.path(name) / SUMS
    before = sums.stat().st_ino
    assert champions.add(fitted, record, card={}) == name
    assert sums.stat().st_ino == before  # a kill at any moment leaves it whole
    sums.unlink()
    assert champions.add(fitted, record, card={}) == name  # what is damaged is replaced
    champions.open(name)
