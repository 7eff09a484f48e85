from __future__ import annotations

import os
from pathlib import Path

import pytest

from gwforecast.config.load import Settings
from gwforecast.shards import map as shard_map
from gwforecast.shards.join import read_table
from gwforecast.shards.map import Result, Shard, make_shards, run_shard, run_shards

WELLS = ["a", "b", "c", "d", "e"]
DONE: list[tuple[str, ...]] = []


def work(settings: Settings, shard: Shard) -> Result:
    """Write a file for each well; fail at wells of the name ``bad``."""
    DONE.append(shard.wells)
    for well in shard.wells:
        if well == "bad":
            raise ValueError("Wells are good. Received 'bad'. Choose another.")
        (shard.folder / f"{well}.txt").write_text(well)
    return {"wells": list(shard.wells)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    DONE.clear()
    (tmp_path / "levels.csv").write_text("date,a\n")
    return Settings.model_validate({"data": {"levels": tmp_path / "levels.csv"}})


def _shards(settings: Settings, tmp_path: Path, wells: list[str] = WELLS) -> list[Shard]:
    folder = tmp_path / "shards"
    return make_shards(wells, size=2, folder=folder, settings=settings, purpose="p")


def test_each_well_is_in_one_shard(settings, tmp_path) -> None:
    assert [shard.wells for shard in _shards(settings, tmp_path)] == [
        ("a", "b"), ("c", "d"), ("e",)
    ]  # fmt: skip


def test_what_is_done_is_not_done_again(settings, tmp_path) -> None:
    told: list[tuple[int, int]] = []
    first = run_shards(work, settings, _shards(settings, tmp_path))
    again = run_shards(
        work, settings, _shards(settings, tmp_path),
        progress=lambda _, done, total: told.append((done, total)),
    )  # fmt: skip
    assert DONE == [("a", "b"), ("c", "d"), ("e",)]
    assert [one.result for one in first] == [one.result for one in again]
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_other_data_or_settings_are_done_anew(settings, tmp_path) -> None:
    before = {shard.key for shard in _shards(settings, tmp_path)}
    path = tmp_path / "levels.csv"
    path.write_text("date,b\n")
    os.utime(path, ns=(1, 1))
    changed = {shard.key for shard in _shards(settings, tmp_path)}
    seeded = settings.model_copy(update={"models": settings.models.model_copy(update={"seed": 7})})
    assert before.isdisjoint(changed)
    other = Settings.model_validate(seeded.model_dump(exclude_unset=True) | {"models": {"seed": 7}})
    assert changed.isdisjoint({shard.key for shard in _shards(other, tmp_path)})


def test_of_a_database_nothing_is_taken_from_an_earlier_run(tmp_path) -> None:
    settings = Settings.model_validate({"data": {"levels": "levels", "database": "sqlite:///x.db"}})
    before = {shard.key for shard in _shards(settings, tmp_path)}
    assert before.isdisjoint({shard.key for shard in _shards(settings, tmp_path)})


def test_a_shard_that_fails_is_reported_and_leaves_nothing(settings, tmp_path) -> None:
    parts = _shards(settings, tmp_path, ["a", "b", "c", "bad", "e"])
    outcomes = run_shards(work, settings, parts)
    assert [one.result is None for one in outcomes] == [False, True, False]
    assert "Received 'bad'" in outcomes[1].reason
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == ["p-00000", "p-00002"]


def test_results_that_are_not_whole_are_not_taken(settings, tmp_path) -> None:
    shard = _shards(settings, tmp_path)[0]
    run_shard(work, settings, shard)
    (shard.folder / shard_map.DONE).write_text('{"key": "')
    assert shard_map.stored_result(shard) is None
    run_shard(work, settings, shard)
    assert DONE == [("a", "b"), ("a", "b")]


def test_litter_of_workers_that_died_is_swept(settings, tmp_path) -> None:
    litter = tmp_path / "shards" / "p-00000.abc.part"
    litter.mkdir(parents=True)
    run_shards(work, settings, _shards(settings, tmp_path))
    assert not litter.exists()


def test_a_well_called_na_and_empty_texts_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "findings.csv"
    path.write_text("well,variable,message,value\nNA,,No unit.,\n,level,No datum.,2.0\n")
    table = read_table(path)
    assert table["well"].tolist() == ["NA", ""]
    assert table["variable"].tolist() == ["", "level"]
    assert table["value"].isna().tolist() == [True, False]
