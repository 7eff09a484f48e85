"""The commands of the next questions, in a real process on real files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

FILES = ["--levels", "gappy.csv", "--covariates", "weather.csv", "--models", "linear"]


@pytest.fixture(scope="module")
def place(shared_folder: Path) -> Path:
    levels = pd.read_csv(shared_folder / "levels.csv", index_col=0)
    levels.drop(index=levels.index[200:230]).to_csv(shared_folder / "gappy.csv")
    return shared_folder


def test_fill_writes_levels_with_flags_and_scores(place: Path, gwforecast, truth) -> None:
    done = gwforecast("fill", *FILES, "--out", "filled", cwd=place)
    assert "30 filled" in done.stdout
    table = pd.read_csv(place / "filled" / "filled.csv", parse_dates=["time"], index_col="time")
    assert table["flag"].value_counts().to_dict() == {"observed": 450, "filled": 30}
    made = table[table["flag"] == "filled"]
    assert (made["level"] - truth.loc[made.index]).abs().mean() < 0.03
    assert (made["lower_95"] < made["level"]).all()
    scores = pd.read_csv(place / "filled" / "gap_scores.csv")
    assert set(scores["gap_weeks"]) == {1, 4, 13, 26, 52}
    with xr.open_dataset(place / "filled" / "filled.nc") as filled:
        assert filled["level_quantiles"].dims == ("well", "time", "quantile")
    assert len(list((place / "filled" / "figures").glob("*.png"))) == 1


def test_extend_goes_on_to_the_last_weather(place: Path, gwforecast, truth) -> None:
    done = gwforecast("extend", *FILES, "--out", "extended", "--figures", 0, cwd=place)
    assert "120 extended on" in done.stdout
    table = pd.read_csv(place / "extended" / "extended.csv", parse_dates=["time"])
    on = table[table["flag"] == "extended_on"].set_index("time")
    inside = truth.loc[on.index].between(on["lower_95"], on["upper_95"])
    assert len(on) == 120
    assert inside.mean() > 0.8


def test_whatif_writes_the_difference_and_warns_of_the_range(place: Path, gwforecast) -> None:
    changes = ["--change", "rain=*0.7@12,1,2", "--name", "dry winters"]
    done = gwforecast("whatif", *FILES, *changes, "--out", "whatif", cwd=place)
    assert "dry winters: mean difference" in done.stdout
    assert "leaves it for rain" in done.stderr
    summary = pd.read_csv(place / "whatif" / "summary.csv").set_index("month")
    assert (summary["difference"] < 0).all()
    with xr.open_dataset(place / "whatif" / "whatif.nc") as answer:
        assert answer.attrs["scenario"] == "dry winters"
    assert (place / "whatif" / "ranges.csv").is_file()
    assert list((place / "whatif" / "figures").glob("*.png"))


def test_whatif_needs_one_kind_of_scenario(place: Path, gwforecast) -> None:
    done = gwforecast("whatif", *FILES, cwd=place, code=2)
    assert "made by --change, or given by --projections. Received neither" in done.stderr


def test_questions_take_their_settings_from_a_file(place: Path, gwforecast) -> None:
    (place / "dry.toml").write_text(
        '[data]\nlevels = "gappy.csv"\ncovariates = "weather.csv"\n[models]\nuse = ["linear"]\n'
        '[questions]\nchanges = ["rain=*0.9"]\nname = "drier"\nfolder = "drier"\nblocks = 2\n'
    )
    done = gwforecast("whatif", "dry.toml", "--figures", 0, cwd=place)
    assert "drier: mean difference" in done.stdout
    assert (place / "drier" / "summary.csv").is_file()


def test_the_years_of_projections_are_checked(place: Path, gwforecast) -> None:
    options = ["--projections", "none.nc", "--reference", "2010-1981"]
    done = gwforecast("whatif", *FILES, *options, cwd=place, code=2)
    assert "--reference must be the first and the last year of a period" in done.stderr


def test_simulate_writes_levels_of_all_weather(place: Path, gwforecast) -> None:
    gwforecast("simulate", *FILES, "--out", "simulated", cwd=place)
    with xr.open_dataset(place / "simulated" / "simulation.nc") as simulated:
        assert simulated["level"].isel(quantile=3).notnull().sum() == 600


def test_explain_writes_contributions_and_memory(place: Path, gwforecast) -> None:
    done = gwforecast("explain", *FILES, "--out", "explained", cwd=place)
    assert "Response of the level, m, to a lasting rise" in done.stdout
    memory = pd.read_csv(place / "explained" / "memory.csv")
    assert memory["covariate"].tolist() == ["rain", "temperature"]
    with xr.open_dataset(place / "explained" / "contributions.nc") as found:
        whole = found["base"] + found["contribution"].sum("covariate")
        assert float(abs(whole - found["level"]).max()) < 1e-6
    assert len(list((place / "explained" / "figures").glob("*.png"))) == 2


def test_trend_writes_its_tables(place: Path, gwforecast) -> None:
    done = gwforecast("trend", *FILES, "--out", "trend", cwd=place)
    assert (
        "Sen's slope with its 95 % interval, m a year, p-value, and number of months; by"
        in done.stdout
    )
    table = pd.read_csv(place / "trend" / "trends.csv")
    assert table["series"].tolist() == ["observed", "weather-corrected"]
    for name in ("shifts.csv", "indices.csv", "droughts.csv"):
        assert (place / "trend" / name).is_file()


def test_a_report_beside_an_evaluation_with_cross_validation(place: Path, gwforecast) -> None:
    models = [*FILES[:-1], "linear,climatology"]
    options = ["--report", "--cross-validate", 3, "--figures", 1, "--out", "out"]
    done = gwforecast("evaluate", *models, *options, cwd=place)
    assert "Cross-validation, whole record" in done.stdout
    (page,) = (place / "out" / "reports").glob("*.html")
    text = page.read_text("utf-8")
    assert "Scores, cross-validation" in text
    assert "Settings of the models" in text
    assert page.with_suffix(".pdf").is_file()
