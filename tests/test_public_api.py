"""The public names: there, lazy, typed, and cheap to import."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gwforecast

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("tensorflow", "keras", "matplotlib", "statsmodels", "xarray", "pandas", "pydantic")


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout


@pytest.mark.parametrize("name", gwforecast.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(gwforecast, name)
    assert name in dir(gwforecast)
    if name != "__version__":
        assert (value.__doc__ or "").strip()


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="gwforecast attribute evalute"):
        gwforecast.evalute  # noqa: B018


def test_the_stub_names_homes_that_say_so() -> None:
    tree = ast.parse((ROOT / "gwforecast" / "__init__.pyi").read_text("utf-8"))
    named = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            home = importlib.import_module(f"gwforecast.{node.module or ''}".rstrip("."))
            for alias in node.names:
                assert alias.asname == alias.name  # as type checkers want what is exported again
                assert node.module in (None, "verification") or alias.name in home.__all__
                named.add(alias.name)
    assert named | {"__version__"} == set(gwforecast.__all__)


def test_what_is_no_public_name() -> None:
    assert not {"summary", "Drift"} & set(gwforecast.__all__)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert gwforecast.__version__ == project["version"]
    assert f"version: {gwforecast.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, gwforecast; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_the_command_line_starts_without_what_it_may_not_need() -> None:
    code = f"import sys, gwforecast.cli.app; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert python(code).strip() == "[]"


def test_running_baselines_loads_neither_tensorflow_nor_matplotlib() -> None:
    code = (
        "import sys, gwforecast.runs.evaluate as run; from gwforecast.runs.catalogue import *;"
        "make_forecasters(['linear', 'climatology'], settings={}, shared={});"
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    assert python(code).strip() == "[]"


def test_importing_takes_no_longer_than_xarray_and_pandas() -> None:
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    own = min(float(python(code.format("gwforecast"))) for _ in range(3))
    theirs = min(float(python(code.format("xarray, pandas"))) for _ in range(3))
    assert own <= 1.2 * theirs
