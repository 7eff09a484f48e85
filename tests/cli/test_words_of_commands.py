"""What commands print: errors name the option, paths are few, help has an example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import typer
from typer.testing import CliRunner

from gwforecast.cli.app import app
from gwforecast.cli.console import print_paths

Command = Callable[..., CompletedProcess[str]]
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_an_example_and_its_options_in_groups(name: str) -> None:
    command = COMMANDS[name]
    assert f"Example: gwforecast {name}" in (command.help or ""), command.help
    options = [one for one in command.params if one.param_type_name == "option"]
    if len(options) > 8:
        assert not [one.name for one in options if one.rich_help_panel is None]


def test_commands_are_in_the_order_of_work() -> None:
    order = ["init", "check", "evaluate", "tune", "backtest", "train", "forecast", "bulletin"]
    assert [name for name in COMMANDS if name in order] == order


def test_what_is_missing_is_named_by_its_option(gwforecast: Command, tmp_path: Path) -> None:
    done = gwforecast("evaluate", "--models", "climatology", cwd=tmp_path, code=2)
    assert "--levels must be given. Received nothing. Give --levels." in done.stderr


def test_one_date_of_a_split_names_both_options(gwforecast: Command, folder: Path) -> None:
    done = gwforecast(
        "evaluate", "--levels", folder / "levels.csv", "--covariates", folder / "weather.csv",
        "--test-start", "2008-01-01", "--models", "climatology",
        cwd=folder, code=2,
    )  # fmt: skip
    assert "--validation-start and --test-start). Received test_start." in done.stderr


def test_the_ten_most_important_paths_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["gaps", "scores_nse", "residuals_a", "training_lstm_a"]
    names += [f"hydrograph_{well}" for well in "abcdefgh"] + [f"all_models_{w}" for w in "abcdefgh"]
    folder = Path("out") / "figures"
    print_paths(
        {f"figures/{name}.png": folder / f"{name}.png" for name in names} | {"x.csv": folder}
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].endswith("hydrograph_a.png")
    assert lines[1].endswith("scores_nse.png")
    assert lines[-1] == f"and {len(names) - 9} more figures in {folder}"


def test_few_paths_are_all_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_paths({"figures/gaps.png": Path("gaps.png")})
    assert capsys.readouterr().out == "gaps.png\n"


@pytest.mark.parametrize(("name", "models"), [("fill", "kernel_ridge"), ("tune", "lstm")])
def test_the_help_names_the_default_models_of_the_command(name: str, models: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
    words = " ".join(shown.replace("│", " ").split())
    assert f"Default: {models}." in words
    assert "Default: lstm, mlp" not in words
