"""A run is done here, or in shards where a cluster is asked for; results show themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from gwforecast import jobs
from gwforecast.config.load import settings_from
from gwforecast.display import Displayed

TABLES = {"data": {"levels": "levels.csv"}}


@pytest.mark.parametrize("verb", ["evaluate", "backtest"])
def test_a_cluster_divides_the_wells_into_shards(verb: str, monkeypatch) -> None:
    taken = []
    monkeypatch.setattr(f"gwforecast.shards.evaluate.{verb}", lambda s, **_: taken.append(s))
    settings = settings_from({**TABLES, "cluster": {"shard": 10}})
    getattr(jobs, verb)(settings)
    assert taken == [settings]


def test_without_a_cluster_the_data_are_read_here(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"levels\.csv"):
        jobs.evaluate(settings_from({"data": {"levels": str(tmp_path / "levels.csv")}}))


class Shown(Displayed):
    def title(self) -> str:
        return "<two> wells"

    def summary(self) -> pd.DataFrame:
        return pd.DataFrame({"nse": [0.81234, None]}, index=["a", "b"])

    def picture(self) -> bytes:
        return b"png"


def test_a_result_shows_a_title_a_table_and_a_picture() -> None:
    page = Shown()._repr_html_()
    assert "&lt;two&gt; wells" in page
    assert "0.812" in page
    assert "NaN" not in page
    assert "data:image/png;base64,cG5n" in page
    assert repr(Shown()).startswith("<two> wells\n")
