"""Settings: what is given is kept, what is wrong is named with its place and a fix."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, MinLen

from gwforecast.config.load import Settings, load_settings
from gwforecast.config.models import model_table
from gwforecast.config.tables import ClusterSettings, DataSettings
from gwforecast.data.readers import read_observations
from gwforecast.runs import catalogue

WRONG = [
    ("levels = 'a.csv'", "levels is unknown", "Remove it"),
    ("[data]", "data.levels must be given", "Received nothing"),
    ("[split]\ntrain = 0.5", "data must be given", "the table [data]"),
    ("[data]\nlevels = 5", "data.levels must be a path", "Received 5"),
    ("[data]\nlevels = ''", "data.levels must be a path", "Received ''"),
    ("[data]\nlevels = 'a'\nleels = 'b'", "data.leels is unknown", "Did you mean 'levels'?"),
    ("[data]\nlevels = 'a'\nwells = 'w'", "data.wells must be a list", "Received 'w'"),
    ("[data]\nlevels = 'a'\nfill = 'zero'", "data.fill must be 'by_kind', or a table", "'zero'"),
    ("[data]\nlevels = 'a'\nreference_level = 'x'", "must be a height in m", "Received 'x'"),
    ("[data]\nlevels = 'a'\nat_step = 'sum'", "data.at_step must be one of 'mean'", "'sum'"),
    ("[data]\nlevels = 'a'\nmissing_values = -9999", "must be a list", "Received -9999"),
    ("[data]\nlevels = 'a'\ndatum = 3", "data.datum must be text in quotes", "Received 3"),
    ("[data]\nlevels = 'a'\nday_first = 'yes'", "must be true or false", "Received 'yes'"),
    ("data = 3", "data must be a table in brackets", "Received 3"),
    ("[split]\ntrain = '0.6'", "split.train must be a number", "Received '0.6'"),
    ("[split]\ntrain = 1.5", "split.train must be less than 1", "Received 1.5"),
    ("[split]\ntrain = 0", "split.train must be greater than 0", "Received 0"),
    ("[split]\ntrain = nan", "split.train must be", "Received nan"),
    ("[split]\nvalidation = -0.1", "split.validation must be at least 0", "Received -0.1"),
    ("[split]\ngap = 1.5", "split.gap must be a whole number", "Received 1.5"),
    ("[split]\ngap = true", "split.gap must be a whole number", "Received True"),
    ("[split]\ntest_start = '31.12.2010'", "must be a date like 2016-01-31", "'31.12.2010'"),
    ("[split]\ntest_start = 2010", "split.test_start must be text in quotes", "Received 2010"),
    ("[models]\nuse = ['lstm', 'arima']", "models.use.1 must be one of 'lstm'", "'arima'"),
    ("[models]\nuse = []", "models.use must have at least 1 item", "Received []"),
    ("[models]\nseed = -1", "models.seed must be at least 0", "Received -1"),
    ("[models]\nseed = 5000000000", "models.seed must be less than 4294967296", "5000000000"),
    ("[data]\nlevels = 'a'\nreference_level = nan", "must be a height in m", "Received nan"),
    ("[alerts]\nbelow = {a = inf}", "alerts.below must be a height in m", "inf"),
    ("[alerts]\nabove = {a = true}", "alerts.above must be a height in m", "True"),
    ("[schedule]\nlimits = {a = [1.0, inf]}", "a table of [bottom, top] by well", "inf"),
    ("[backtest]\nthreshold = nan", "backtest.threshold must be a height in m", "Received nan"),
    ("[models]\nbaseline = 'mean'", "models.baseline must be one of", "'mean'"),
    ("[lstm]\nloss = 'rmse'", "lstm.loss must be one of 'mse'", "Received 'rmse'"),
    ("[lstm]\nunits = [0]", "lstm.units.0 must be at least 1", "'units' in the table [lstm]"),
    ("[lstm]\nunits = 'wide'", "lstm.units must be a list in brackets", "Received 'wide'"),
    ("[lstm]\ndropout = 1.0", "lstm.dropout must be less than 1", "Received 1.0"),
    ("[lstm]\nlearning_rate = 0.0", "lstm.learning_rate must be greater than 0", "0.0"),
    ("[lstm]\nlearning_rate = inf", "lstm.learning_rate must be a finite number", "inf"),
    ("[lstm]\nmember = 3", "lstm.member is unknown", "Did you mean 'members'?"),
    ("[mlp]\nepochs = '30'", "mlp.epochs must be a whole number", "Received '30'"),
    ("[linear]\nharmonics = -1", "linear.harmonics must be at least 0", "Received -1"),
    ("[output]\nfigures = -2", "output.figures must be at least 0", "Received -2"),
    ("[lstn]\nunits = [1]", "lstn is unknown: the tables must be among", "Did you mean 'lstm'?"),
]


@pytest.mark.parametrize(("text", "rule", "fix"), WRONG)
def test_wrong_settings_are_refused_with_place_and_fix(
    tmp_path: Path, text: str, rule: str, fix: str
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="wrong in") as caught:
        load_settings(path)
    message = str(caught.value)
    assert rule in message
    assert fix in message
    assert str(path) in message
    assert "pydantic" not in message


def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 1\n[split]\ngap = -1\n[models]\nseed = 'x'\n")
    with pytest.raises(ValueError, match="3 settings are wrong") as caught:
        load_settings(path)
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("content", [b"[data\n", b"levels = heads.csv", b"\xff\xfe\x00a"])
def test_files_that_are_not_toml_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"A configuration must be .* Received .*run\.toml"):
        load_settings(path)


def test_levels_in_the_place_of_settings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "heads.csv"
    path.write_text("date,level (m NAP)\n2020-01-01,1.5\n")
    with pytest.raises(ValueError, match=r"Give a file of levels as --levels .*heads\.csv\."):
        load_settings(path)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not there"):
        load_settings(tmp_path / "no.toml")
    with pytest.raises(FileNotFoundError, match="a folder"):
        load_settings(tmp_path)


def test_paths_are_relative_to_the_file_and_those_of_options_are_not(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 'a.csv'\ncovariates = '/b/c.csv'\n[output]\nfolder = 'out'\n")
    settings = load_settings(path, overrides={"data": {"attributes": Path("d.csv")}})
    assert settings.data.levels == tmp_path / "a.csv"
    assert settings.data.covariates == Path("/b/c.csv")
    assert settings.data.attributes == Path("d.csv")
    assert settings.output.folder == tmp_path / "out"


def test_options_go_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 'a.csv'\n[models]\nseed = 4\nmembers = 2\n")
    settings = load_settings(path, overrides={"models": {"seed": 5}})
    assert (settings.models.seed, settings.models.members) == (5, 2)


def test_dates_may_be_dates_or_text(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        "[data]\nlevels='a'\n[split]\nvalidation_start = 2010-01-31\ntest_start = '2011-01-31'\n"
    )
    split = load_settings(path).split
    assert split.validation_start == "2010-01-31"
    assert split.test_start == "2011-01-31T00:00:00"


def test_only_what_was_given_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 'a'\n[lstm]\nunits = [8, 4]\ndropout = 0\n")
    settings = load_settings(path)
    assert settings.of_model("lstm") == {"dropout": 0.0, "units": [8, 4]}
    assert settings.of_model("mlp") == {}
    assert settings.of_model("persistence") == {}


def test_default_models_are_those_of_the_catalogue() -> None:
    settings = Settings.model_validate({"data": {"levels": "a"}})
    assert tuple(settings.models.use) == catalogue.DEFAULT_MODELS
    assert tuple(settings.backtest.models) == catalogue.DEFAULT_BACKTEST
    assert tuple(settings.schedule.models) == catalogue.DEFAULT_SCHEDULE


@pytest.mark.parametrize("name", catalogue.MODELS)
def test_settings_of_a_model_are_the_fields_of_its_class(name: str) -> None:
    table = model_table(name)
    offered = set(table.model_fields) if table else set()
    arguments = set(inspect.signature(catalogue.model_class(name)).parameters)
    assert offered == arguments - {"head", "name"}  # a head is no value of TOML


@pytest.mark.parametrize("name", catalogue.MODELS)
def test_every_setting_says_what_it_is(name: str) -> None:
    table = model_table(name)
    for setting, field in table.model_fields.items() if table else ():
        assert len((field.description or "").split()) >= 2, f"{name}.{setting}"


def test_every_setting_of_the_other_tables_says_what_it_is() -> None:
    for table, field in Settings.model_fields.items():
        for setting, one in field.annotation.model_fields.items():
            assert len((one.description or "").split()) >= 2, f"{table}.{setting}"


def test_settings_travel_to_another_process(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 'a'\n[lstm]\nunits = [8]\n[split]\ngap = 2\n")
    settings = load_settings(path)
    there = pickle.loads(pickle.dumps(settings))  # noqa: S301
    assert there == settings
    assert there.of_model("lstm") == {"units": [8]}
    assert there.split.given() == {"gap": 2}
    placed = settings.model_copy(update={"cluster": ClusterSettings(shard=3)})
    assert pickle.loads(pickle.dumps(placed)).cluster.size == 3  # noqa: S301


def test_a_model_without_settings_has_no_table(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 'a'\n[persistence]\n")
    with pytest.raises(ValueError, match="persistence is unknown: the tables must be among"):
        load_settings(path)


def test_a_message_names_the_option_that_was_used(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[data]\nlevels = 'a'\n")
    with pytest.raises(ValueError, match="wrong in the options") as caught:
        load_settings(
            path,
            overrides={"models": {"use": ["lstm", "arima"]}},
            options={("models", "use"): "--models"},
        )
    assert "--models must be one of 'lstm'" in str(caught.value)
    assert "Received 'arima'. Correct the option --models." in str(caught.value)


@dataclass(kw_only=True, eq=False)
class Sample:
    """A class as that of a model.

    Parameters
    ----------
    window : int
        Days on
        each side.
    low, high : float, optional
        Bounds.
    units : int or sequence of int
        Sizes of layers.
    """

    name: str = "sample"
    window: Annotated[int, Ge(0)] = 3
    low: float | None = None
    high: float | None = None
    units: Annotated[int, Ge(1)] | Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = (3,)
    pairs: Sequence[tuple[int, ...]] = ()
    kind: Literal["a", "b"] = "a"
    made: Path = Path()


def test_settings_are_derived_from_fields(monkeypatch) -> None:
    monkeypatch.setitem(catalogue.MODELS, "sample", f"{__name__}:Sample")
    monkeypatch.setattr(catalogue, "model_class", lambda _: Sample)
    monkeypatch.setattr("gwforecast.config.models.model_class", lambda _: Sample)
    table = model_table.__wrapped__("sample")
    assert list(table.model_fields) == ["window", "low", "high", "units", "pairs", "kind"]
    texts = {name: field.description for name, field in table.model_fields.items()}
    assert texts["window"] == "Days on each side."
    assert texts["low"] == texts["high"] == "Bounds."
    given = {"window": 2, "low": 1, "units": 64, "pairs": [[1, 2]], "kind": "b"}
    assert table.model_validate(given).given() == given | {"units": [64]}
    for wrong in ({"window": -1}, {"units": [0]}, {"units": 0}, {"kind": "c"}, {"pairs": [1]}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            table.model_validate(wrong)


def test_settings_of_the_data_are_arguments_of_the_reader() -> None:
    assert set(DataSettings.model_fields) - {"fill", "database", "derive"} == set(
        inspect.signature(read_observations).parameters
    )
    data = DataSettings.model_validate({"levels": "a", "datum": "NAP", "fill": "by_kind"})
    assert data.reading() == {"datum": "NAP"}


def test_sections_are_checked_by_type() -> None:
    for name in ("lstm", "cnn", "linear"):
        with pytest.raises(ValueError, match="covariates"):
            model_table(name).model_validate({"covariates": "rain"})
