"""Templates of schedules: read by the parsers that they are for, and their commands are ours."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from gwforecast.config.tables import ScheduleSettings
from gwforecast.schema import WELL_STATUSES
from gwforecast.service.schedule import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "templates"
PAGE = (ROOT / "docs" / "schedule.md").read_text("utf-8")


def commands() -> list[str]:
    """Return what follows the name of the program in all templates, the page and the container."""
    found = []
    for path in [*sorted(FOLDER.iterdir()), ROOT / "docs" / "schedule.md", ROOT / "README.md"]:
        found += re.findall(
            r"gwforecast ((?:train|forecast|bulletin|verify|status|backfill) run\.toml[^|&#<`\n]*)",
            path.read_text("utf-8"),
        )
    return sorted({command.split(">")[0].strip() for command in found})


@pytest.mark.parametrize("command", commands())
def test_each_command_is_one_of_ours(command: str, tmp_path: Path, gwforecast) -> None:
    done = gwforecast(*shlex.split(command), cwd=tmp_path, code=2)  # for want of run.toml
    assert "run.toml" in done.stderr
    assert "No such" not in done.stderr


def test_each_file_is_read_by_its_parser() -> None:
    workflow = yaml.safe_load((FOLDER / "github-actions.yml").read_text("utf-8"))
    assert workflow["jobs"]["forecast"]["steps"][3]["run"] == "gwforecast forecast run.toml"
    task = ET.parse(FOLDER / "windows-task.xml")  # noqa: S314 - our own file
    assert task.find(".//{*}Arguments").text == "forecast run.toml --wait 600"
    for name, section in (("gwforecast.service", "Service"), ("gwforecast.timer", "Timer")):
        unit = configparser.ConfigParser()
        unit.optionxform = str  # type: ignore[assignment]
        unit.read_string((FOLDER / name).read_text("utf-8"))
        assert section in unit
    lines = [
        line for line in (FOLDER / "crontab").read_text("utf-8").splitlines()
        if re.match(r"[\d*]", line)
    ]  # fmt: skip
    assert len(lines) == 4
    assert all(len(line.split(maxsplit=5)) == 6 for line in lines)
    assert not any("%" in line for line in lines)  # cron takes it for a new line


def test_units_are_accepted_by_systemd() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    files = [FOLDER / "gwforecast.service", FOLDER / "gwforecast.timer"]
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True)
    assert "Unknown" not in done.stderr


def test_the_page_tells_all_codes_statuses_and_settings() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+?) \|$", PAGE, flags=re.M))
    assert {int(code) for code in rows} == set(EXIT_CODES)
    assert all(f"`{status}`" in PAGE for status in WELL_STATUSES)
    assert all(f"`{name}`" in PAGE for name in ScheduleSettings.model_fields)
