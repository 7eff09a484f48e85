"""What the documentation shows runs as it stands there, and names what exists."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

import gwforecast
from gwforecast.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path for path in (ROOT / "docs").rglob("*.md")
    if not {"modules", "notebooks"} & set(path.parts)
    and path.name not in ("settings.md", "public.md")
)  # fmt: skip
CODE = re.compile(r"```\{code-cell\}\n(?:---\n.*?\n---\n)?(.*?)```", re.S)
WITH_CODE = [page for page in PAGES if CODE.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(CODE.findall(page.read_text("utf-8")))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, page.name, "exec"), {})  # noqa: S102
    plt.close("all")


def test_names_in_the_pages_exist() -> None:
    import typer

    commands = set(typer.main.get_command(app).commands)
    for page in [*PAGES, ROOT / "README.md"]:
        text = page.read_text("utf-8")
        for name in re.findall(r"`gw\.(\w+)", text):
            assert hasattr(gwforecast, name), f"{page}: gw.{name}"
        for name in re.findall(r"`gwforecast (\w+)", text):
            assert name in commands, f"{page}: gwforecast {name}"
