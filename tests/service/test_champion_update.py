"""Champions updated with new levels, by the real command line and in this process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gwforecast.config.load import load_settings
from gwforecast.data.readers import read_observations
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions
from gwforecast.service.recipe import recipe_of
from gwforecast.service.train import known_for_training, train

CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[models]
members = 2
workers = 1
[mlp]
units = [4]
epochs = 10
[schedule]
models = ["mlp", "linear"]
horizon = 6
"""
TRAINED, UPDATED, ISSUED = "2008-01-07", "2009-07-06", "2009-08-03"


@pytest.fixture(scope="module")
def trained(shared_folder: Path, gwforecast) -> Path:
    """Two wells of one bundle, trained through the end of 2007."""
    levels = pd.read_csv(shared_folder / "levels.csv")
    (shared_folder / "wells").mkdir()
    for number, well in enumerate(("a", "b")):
        levels.assign(level=levels["level"] + number).to_csv(
            shared_folder / "wells" / f"{well}.csv", index=False
        )
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    gwforecast("train", "run.toml", "--through", TRAINED, cwd=shared_folder)
    return shared_folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    for path in sorted(trained.rglob("*")):
        target = tmp_path / path.relative_to(trained)
        if path.is_dir():
            target.mkdir()
        else:
            target.write_bytes(path.read_bytes())
    return tmp_path


def test_an_update_continues_the_training_in_a_process_of_its_own(place: Path, gwforecast) -> None:
    (place / "wells" / "new.csv").write_bytes((place / "wells" / "a.csv").read_bytes())
    champions = Champions(place / "models")
    before = champions.table()
    old, _ = champions.open(before["a"].bundle)
    update = ("train", "run.toml", "--update", "--replace", "--through", UPDATED)
    done = gwforecast(*update, cwd=place)
    assert done.stdout.count("updated") == 2
    assert done.stdout.count("first") == 1  # the well without a champion
    table = champions.table()
    assert {table[well].previous for well in "ab"} == {before["a"].bundle}
    assert table["a"].bundle == table["b"].bundle != before["a"].bundle
    fitted, manifest = champions.open(table["a"].bundle)
    assert manifest["card"]["updated_from"] == before["a"].bundle
    assert str(fitted.trained_through("a"))[:10] == UPDATED
    network, earlier = fitted.forecaster.parts[0], old.forecaster.parts[0]
    moved = max(
        float(np.abs(now - then).max())
        for now, then in zip(network.weights_, earlier.weights_, strict=True)
    )
    assert 0 < moved < 0.5  # trained further, not anew
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    product = Archive(place / "archive").read(ISSUED)
    assert set(product["status"].values) == {"ok"}
    assert set(product["bundle"].sel(well=["a", "b"]).values) == {table["a"].bundle}
    gwforecast("train", "run.toml", "--step-back", "--well", "a", cwd=place)
    assert champions.table()["a"].bundle == before["a"].bundle
    done = gwforecast("train", "run.toml", "--update", "--through", UPDATED, "--well", "b",
                      cwd=place)  # fmt: skip
    assert "has seen all but" in done.stdout


def tables_of(place: Path, **options: bool) -> pd.DataFrame:
    settings = load_settings(place / "run.toml")
    observations = read_observations(place / "wells", place / "weather.csv")
    known = known_for_training(observations, np.datetime64(UPDATED), settings)
    return train(
        known,
        recipe=recipe_of(settings, known, workers=1),
        champions=Champions(place / "models"),
        **options,
    )


def test_an_updated_champion_must_be_better_on_levels_that_neither_has_seen(place: Path) -> None:
    before = Champions(place / "models").table()
    table = tables_of(place, update=True)
    after = Champions(place / "models").table()
    assert set(table["well"]) == {"a", "b"}
    for row in table.itertuples():
        assert (row.crps < row.crps_champion) == (row.decision == "updated")
        assert row.origins >= 20
        assert (after[row.well].bundle == before[row.well].bundle) == (row.decision == "kept")


def test_an_update_needs_the_settings_of_the_training(place: Path) -> None:
    (place / "run.toml").write_text(CONFIG.replace("epochs = 10", "epochs = 9"), "utf-8")
    table = tables_of(place, update=True, replace=True)
    assert set(table["decision"]) == {"kept"}
    assert table["reason"].str.contains("train without --update").all()


def test_wells_of_a_bundle_are_updated_without_those_that_are_gone(place: Path) -> None:
    (place / "wells" / "a.csv").unlink()
    table = tables_of(place, update=True, replace=True)
    assert table.set_index("well")["decision"].to_dict() == {"b": "updated"}
    champions = Champions(place / "models")
    manifest = json.loads(
        (champions.path(champions.table()["b"].bundle) / "manifest.json").read_text("utf-8")
    )
    assert list(manifest["card"]["scores"]) == ["b"]
