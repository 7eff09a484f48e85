"""The public names: there, lazy, typed, and cheap to import."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
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


def described(docstring: str | None) -> set[str]:
    """Return the parameters that a docstring describes, and ``"return"`` if it has a result."""
    parts = re.split(
        r"^(\w+(?: \w+)*)\n-{3,}\n", inspect.cleandoc(docstring or ""), flags=re.MULTILINE
    )
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    entries = "\n".join(sections.get(name, "") for name in ("Parameters", "Attributes"))
    heads = re.findall(r"^(\S.*?)(?: : .*)?$", entries, re.MULTILINE)
    found = {name.lstrip("*") for head in heads for name in head.split(", ")}
    return found | ({"return"} if {"Returns", "Yields"} & set(sections) else set())


def undescribed(function: object, docstrings: list[str | None]) -> set[str]:
    """Return the parameters of a function or class, and its return, that no docstring describes."""
    signature = inspect.signature(inspect.unwrap(function))
    wanted = set(signature.parameters) - {"self", "cls"}
    if not inspect.isclass(function) and signature.return_annotation not in ("None", None):
        wanted.add("return")
    return wanted.difference(*map(described, docstrings))


PUBLIC = [getattr(gwforecast, name) for name in gwforecast.__all__]
FIGURES = [getattr(gwforecast.plots, name) for name in gwforecast.plots.__all__]
METRICS = [getattr(gwforecast.metrics, name) for name in gwforecast.metrics.__all__]
REFERENCE = re.findall(
    r"^   (gwforecast.*)$", (ROOT / "docs/reference.md").read_text("utf-8"), re.M
)
LISTED = [pkgutil.resolve_name(name) for name in REFERENCE]
FUNCTIONS = {one for one in [*PUBLIC, *FIGURES, *METRICS, *LISTED] if inspect.isfunction(one)}
CLASSES = [one for one in PUBLIC if inspect.isclass(one) and not issubclass(one, Exception)]


@pytest.mark.parametrize(
    "function",
    sorted(FUNCTIONS, key=lambda one: one.__name__),
    ids=lambda function: function.__name__,
)
def test_a_public_function_describes_each_parameter_and_what_it_returns(function) -> None:
    assert not undescribed(function, [function.__doc__])


@pytest.mark.parametrize("public", CLASSES, ids=lambda public: public.__name__)
def test_a_public_class_or_its_bases_describe_settings_and_methods(public) -> None:
    own = [one for one in public.__mro__ if one.__module__.startswith("gwforecast.")]
    lacking = {"settings": undescribed(public, [one.__doc__ for one in own])}
    for name in {name for one in own for name in vars(one) if not name.startswith("_")}:
        method = inspect.getattr_static(public, name)
        method = getattr(method, "__func__", method)  # of a class method
        if isinstance(method, property):
            assert method.__doc__, name
        elif inspect.isfunction(method):
            assert method.__doc__, name
            docstrings = [getattr(vars(one).get(name), "__doc__", None) for one in own]
            lacking[name] = undescribed(method, docstrings)
    assert not {name: missing for name, missing in lacking.items() if missing}


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
