"""What the front page shows runs as it stands there."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from gwforecast.config.load import load_settings

ROOT = Path(__file__).resolve().parents[2]


def block(language: str, number: int = 0) -> str:
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)[number]


def test_the_python_of_the_front_page_runs(folder: Path, truth: pd.Series, monkeypatch) -> None:
    later = pd.date_range("2004-06-07", periods=600, freq="W-MON", name="time")
    truth.set_axis(later)[:520].to_csv(folder / "heads.csv", index_label="")
    weather = pd.read_csv(folder / "weather.csv", index_col=0).set_axis(later)
    weather.to_csv(folder / "input_data.csv")
    monkeypatch.chdir(folder)
    code = block("python").replace('"lstm"', '"linear"').replace('"linear", "linear"', '"linear"')
    code = code.replace("gw.LSTM()", "gw.Linear()")  # a network would take its time
    assert len(code.strip().splitlines()) <= 12
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102
    assert "climatology" in printed.getvalue()
    assert set(names["table"]["model"]) == {"linear", "climatology"}
    assert names["ax"].get_title(loc="left").endswith("linear")
    assert (folder / "linear" / "manifest.json").exists()
    plt.close("all")
    code = block("python", 1).replace('"lstm"', '"linear"').replace('"mlp"', '"climatology"')
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102
    assert names["issued"].sizes["lead_time"] == 13


def test_the_configuration_of_the_front_page_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(block("toml"))
    settings = load_settings(path)
    assert settings.lstm.units == [32]
    assert settings.data.levels == tmp_path / "heads.csv"
