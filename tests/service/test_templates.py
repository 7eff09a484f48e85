"""Templates of schedules: read by the parsers that they are for, and their commands are ours."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import tomllib
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
    templates = sorted(path for path in FOLDER.iterdir() if path.is_file())
    for path in [*templates, ROOT / "docs" / "schedule.md", ROOT / "README.md"]:
        found += re.findall(
            r"gwforecast ((?:train|forecast|bulletin|alerts|verify|status|backfill) run\.toml"
            r"[^|&#<`\n]*)",
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
    runs = [step.get("run") for step in workflow["jobs"]["forecast"]["steps"]]
    assert "gwforecast forecast run.toml" in runs
    task = ET.parse(FOLDER / "windows-task.xml")  # noqa: S314 - our own file
    texts = [element.text for element in task.findall(".//{*}Arguments")]
    assert [text.split()[0] for text in texts] == ["forecast", "bulletin", "alerts"]
    for name, section in (
        ("gwforecast.service", "Service"), ("gwforecast.timer", "Timer"),
        ("gwforecast-failed.service", "Service"),
    ):  # fmt: skip
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment]
        unit.read_string((FOLDER / name).read_text("utf-8"))
        assert section in unit
    lines = [
        line for line in (FOLDER / "crontab").read_text("utf-8").splitlines()
        if re.match(r"[\d*]", line)
    ]  # fmt: skip
    assert len(lines) == 5
    assert all(len(line.split(maxsplit=5)) == 6 for line in lines)
    assert not any("%" in line for line in lines)  # cron takes it for a new line


def test_units_are_accepted_by_systemd() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    files = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")])
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True)
    assert "Unknown" not in done.stderr


def test_page_and_alerts_are_made_after_a_failure_too() -> None:
    unit = (FOLDER / "gwforecast.service").read_text("utf-8")
    assert "OnFailure=gwforecast-failed.service" in unit
    after = re.findall(r"^ExecStopPost=-\S+/gwforecast (\w+)", unit, flags=re.M)
    assert after == ["bulletin", "alerts"]
    steps = workflow()["jobs"]["forecast"]["steps"]
    late = [s for s in steps if re.match("gwforecast (bulletin|alerts)", s.get("run", ""))]
    assert len(late) == 2
    assert all(step["if"] == "always()" for step in late)


def workflow() -> dict:
    return yaml.safe_load((FOLDER / "github-actions.yml").read_text("utf-8"))


def test_everything_from_elsewhere_is_pinned() -> None:
    uses = [s["uses"] for job in workflow()["jobs"].values() for s in job["steps"] if "uses" in s]
    assert len(uses) == 5
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one) for one in uses)
    container = (ROOT / "Containerfile").read_text("utf-8")
    images = re.findall(r"^FROM (\S+)", container, flags=re.M)
    assert re.fullmatch(r"python:3\.12-slim@sha256:[0-9a-f]{64}", images[0])
    assert set(images[1:]) == {"base"}
    assert container.count("--require-hashes") == 2
    for name in ("requirements.lock", "requirements-build.lock"):
        lock = (ROOT / name).read_text("utf-8")
        rows = [line for line in lock.splitlines() if line and not line.startswith("#")]
        packages = [line for line in rows if not line.startswith(" ")]
        assert all(re.match(r"[a-z0-9._-]+==[\w.+!-]+", line) for line in packages)
        assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}", line) for line in rows
                   if line not in packages)  # fmt: skip
        assert "://" not in lock


def test_the_lock_has_the_tested_versions_of_all_requirements() -> None:
    tested = dict(
        line.split(";")[0].strip().split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line
    )
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([\w.+!-]+)", lock, flags=re.M))
    tested = {name.lower().replace("_", "-"): version for name, version in tested.items()}
    assert {n: v for n, v in locked.items() if n in tested and tested[n] != v} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[<>=\[; ]", item)[0].lower() for item in project["dependencies"]}
    assert needed <= set(locked)


def test_the_workflow_has_the_least_rights() -> None:
    given = workflow()
    assert given["permissions"] == {}
    forecast, publish = given["jobs"]["forecast"], given["jobs"]["publish"]
    assert forecast["permissions"] == {"contents": "read"}
    assert forecast["steps"][0]["with"] == {"persist-credentials": False}
    assert publish["permissions"] == {"contents": "write"}
    assert not any("pip" in s.get("run", "") or "gwforecast " in s.get("run", "")
                   for s in publish["steps"])  # fmt: skip


def test_the_page_tells_all_codes_statuses_and_settings() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+?) \|$", PAGE, flags=re.M))
    assert {int(code) for code in rows} == set(EXIT_CODES)
    assert all(f"`{status}`" in PAGE for status in WELL_STATUSES)
    assert all(f"`{name}`" in PAGE for name in ScheduleSettings.model_fields)
