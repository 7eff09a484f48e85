"""The design as a test: which module may import, call and say what, read from the source itself."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "gwforecast"

CLI = (
    "cli",
    "cli_backtest",
    "cli_bulletin",
    "cli_datasets",
    "cli_schedule",
    "cli_tune",
    "cli_verify",
)
LADDER = (
    ("timeline",),
    ("schema",),
    ("data",),
    ("sequences",),
    ("models",),
    ("verification",),
    ("plots",),
    ("ops",),
    (
        "cli",
        "cli_backtest",
        "cli_bulletin",
        "cli_datasets",
        "cli_schedule",
        "cli_tune",
        "cli_verify",
    ),
    ("__main__",),
)
"""Rooms, lowest first. A module imports from its own rung or a lower one, never from a higher."""

MODELS_LADDER = (
    ("labelling", "architecture", "trust", "error_size", "learning"),
    ("base",),
    (
        "naive",
        "ridge",
        "statistical",
        "antecedent",
        "autoregression",
        "distributed_lags",
        "kalman",
        "state_space",
        "responses",
        "transfer",
        "additive",
        "correction",
        "corrected",
        "lead_intervals",
        "layers",
        "recurrences",
        "losses",
        "optimizers",
        "inference",
        "intervals",
    ),
    ("networked", "calibrated", "left_out"),
    ("networks",),
    ("graphs",),
    ("training",),
    ("ensemble",),
    ("neural", "classes", "attribution", "joined", "pooled"),
    ("global_networks",),
)

KERAS_HOMES = {
    f"models.{name}"
    for name in (
        "layers",
        "recurrences",
        "losses",
        "optimizers",
        "networks",
        "graphs",
        "training",
        "ensemble",
        "neural",
        "classes",
        "attribution",
        "pooled",
        "global_networks",
    )
}
KERAS = {"keras", "tensorflow", "torch", "jax"}
MATPLOTLIB_HOMES = {"plots"}  # and the modules within
MATPLOTLIB = {"matplotlib", "mpl_toolkits", "seaborn", "plotly"}
CLOCK_HOMES = {"ops.run"}
PRINT_HOMES = {
    "cli",
    "cli_backtest",
    "cli_bulletin",
    "cli_datasets",
    "cli_schedule",
    "cli_tune",
    "cli_verify",
}
PICKLES = {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
CLOCK_CALLS = {"now", "utcnow", "today", "fromtimestamp"}
MODULE_NAME = re.compile(rf"^{PACKAGE}(?:\.\w+)+$")
MAX_FILE, MAX_FUNCTION = 400, 40
LONGER = {
    "cli_backtest backtest": 48,
    "models.additive _fit_well": 46,
    "models.autoregression autoregress": 54,
    "ops.backtest backtest": 57,
    "ops.run evaluate": 44,
    "data.assemble observations_from_frames": 46,
    "data.readers read_observations": 47,
    "timeline infer_frequency": 46,
}
"""Functions that may be longer, and how long: long signatures, and checks before a fit."""


def modules() -> dict[str, Path]:
    """Return the modules of the package by their names below it; a package is its own name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = list(path.relative_to(ROOT / PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def imports(tree: ast.AST, module: str, known: set[str]) -> Iterator[tuple[str, int]]:
    """Yield the dotted name and line of each import, also inside functions and ``TYPE_CHECKING``.

    ``from gwforecast.data import readers`` is an import of ``gwforecast.data.readers``; relative
    imports are resolved; a name of a module in a text, to be imported later, counts as well.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = f"{PACKAGE}.{module}".split(".")[: -node.level]
                base = ".".join([*parents, *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                below = whole.removeprefix(f"{PACKAGE}.")
                is_module = below in known or whole == f"{PACKAGE}.__version__"
                yield (whole if is_module else base), node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((name, node.lineno) for name in MODULE_NAME.findall(node.value))


def _called_name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _rung(ladder: tuple[tuple[str, ...], ...], room: str) -> int | None:
    return next((i for i, rung in enumerate(ladder) if room in rung), None)


def upward(tree: ast.AST, module: str, known: set[str]) -> Iterator[str]:
    """Yield a complaint for each import that goes up the ladder, or that is on no rung."""
    if module == "":
        return  # the table of public names, which stands above the ladder
    here = _rung(LADDER, module.split(".")[0])
    if here is None:
        yield f"{module} is on no rung of the ladder"
        return
    for name, line in imports(tree, module, known):
        if name.split(".")[0] != PACKAGE:
            continue
        target = name.removeprefix(PACKAGE).lstrip(".")
        if target == "__version__" and module.split(".")[0] in {"ops", "cli"}:
            continue
        if target in {"", "__version__"}:
            yield f"{module}:{line} imports the table of public names"
            continue
        there = _rung(LADDER, target.split(".")[0])
        if there is None:
            yield f"{module}:{line} imports {target}, which is on no rung of the ladder"
        elif there > here:
            yield f"{module}:{line} imports {target}, which is above it"
        elif module.startswith("models.") and target.startswith("models."):
            yield from _upward_in_models(module, target, line)


def _upward_in_models(module: str, target: str, line: int) -> Iterator[str]:
    here = _rung(MODELS_LADDER, module.split(".")[1])
    there = _rung(MODELS_LADDER, target.split(".")[1])
    if here is None or there is None:
        yield f"{module}:{line} imports {target}: one of them is on no rung within models"
    elif there > here:
        yield f"{module}:{line} imports {target}, which is above it"


def foreign(tree: ast.AST, module: str, known: set[str]) -> Iterator[str]:
    """Yield a complaint for each library that is used outside its home, and each pickle."""
    rules = ((KERAS, KERAS_HOMES), (MATPLOTLIB, MATPLOTLIB_HOMES), (PICKLES, set[str]()))
    for name, line in imports(tree, module, known):
        top = name.split(".")[0]
        for libraries, homes in rules:
            if top in libraries and not {module, module.split(".")[0]} & homes:
                yield f"{module}:{line} imports {top}"
    for node in ast.walk(tree):
        if _called_name(node) in {"load_model", "read_pickle", "to_pickle"}:
            yield f"{module}:{node.lineno} calls {_called_name(node)}"  # type: ignore[attr-defined]
        if (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and _value(node) is not False
        ):
            yield f"{module}:{node.value.lineno} allows pickles"


def _value(node: ast.keyword) -> object:
    return node.value.value if isinstance(node.value, ast.Constant) else None


def clock(tree: ast.AST, module: str, known: set[str]) -> Iterator[str]:
    """Yield a complaint for each reading of the clock outside its home."""
    if module in CLOCK_HOMES:
        return
    for name, line in imports(tree, module, known):
        if name.split(".")[0] == "time":
            yield f"{module}:{line} imports time"
    for node in ast.walk(tree):
        if _called_name(node) in CLOCK_CALLS and isinstance(node, ast.Call):
            yield f"{module}:{node.lineno} calls {_called_name(node)}()"


def prints(tree: ast.AST, module: str, known: set[str]) -> Iterator[str]:
    """Yield a complaint for each print outside its home."""
    if module in PRINT_HOMES:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"{module}:{node.lineno} prints"
    for name, line in imports(tree, module, known):
        if name.split(".")[0] in {"rich", "typer", "click", "tqdm"}:
            yield f"{module}:{line} imports {name.split('.')[0]}"


def too_long(source: str, module: str) -> Iterator[tuple[str, int]]:
    """Yield name and length of a file, or a function without its docstring, that is too long."""
    lines = len(source.splitlines())
    if lines > MAX_FILE:
        yield module, lines
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                length -= (first.end_lineno or 0) - first.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{module} {node.name}", length


RULES = {"upward": upward, "foreign": foreign, "clock": clock, "prints": prints}
MODULES = modules()
KNOWN = set(MODULES) - {""}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_module_keeps_the_rule(rule: str) -> None:
    complaints = [
        complaint
        for module, path in MODULES.items()
        for complaint in RULES[rule](ast.parse(path.read_text("utf-8")), module, KNOWN)
    ]
    assert not complaints, "\n".join(complaints)


def test_no_file_or_function_is_too_long() -> None:
    found = dict(c for n, p in MODULES.items() for c in too_long(p.read_text("utf-8"), n))
    grown = {name: lines for name, lines in found.items() if lines > LONGER.get(name, 0)}
    assert not grown, f"at most {MAX_FILE} lines in a file, {MAX_FUNCTION} in a function: {grown}"
    assert not set(LONGER) - set(found), "short again: take them out of LONGER"


def test_no_room_for_leftovers() -> None:
    for module in MODULES:
        assert not {"utils", "helpers", "common", "misc"} & set(module.split(".")), module


def test_settings_are_read_without_the_rest_of_the_package() -> None:
    for module in ("ops.config", "ops.settings"):
        tree = ast.parse(MODULES[module].read_text("utf-8"))
        ours = {name for name, _ in imports(tree, module, KNOWN) if name.startswith(PACKAGE)}
        assert ours <= {f"{PACKAGE}.ops.settings"}


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    of_users = ("dask", "pastas", "sql", "tune", "zarr")
    wanted = [*project["dependencies"], *(item for name in of_users for item in extras[name])]
    declared = {re.split(r"[<>=\[; ]", item)[0].lower() for item in wanted}
    used = {
        name.split(".")[0]
        for module, path in MODULES.items()
        for name, _ in imports(ast.parse(path.read_text("utf-8")), module, KNOWN)
    }
    foreign_names = used - set(sys.stdlib_module_names) - {PACKAGE}
    assert not foreign_names - declared, sorted(foreign_names - declared)


BAD = [
    (upward, "data.readers", "from gwforecast.models import naive"),
    (upward, "data.readers", "from gwforecast.models.naive import Drift"),
    (upward, "data.readers", "from gwforecast import plots"),
    (upward, "data.readers", "from .. import plots"),
    (upward, "data.readers", "from ..models.naive import Drift"),
    (upward, "data.readers", "def f():\n    import gwforecast.models.naive"),
    (upward, "data.readers", "import importlib\nimportlib.import_module('gwforecast.cli')"),
    (upward, "data.readers", "LATER = {'lstm': 'gwforecast.models.neural'}"),
    (upward, "schema", "from gwforecast import evaluate"),
    (upward, "ops.run", "from gwforecast import __version__, evaluate"),
    (upward, "data.readers", "from gwforecast import __version__"),
    (upward, "timeline", "from gwforecast import schema"),
    (upward, "models.naive", "from gwforecast.models import neural"),
    (upward, "models.naive", "from .neural import LSTM"),
    (upward, "attic.box", "import gwforecast.schema"),
    (foreign, "data.readers", "import tensorflow as tf"),
    (foreign, "ops.run", "def f():\n    from keras import layers"),
    (foreign, "ops.run", "from matplotlib import pyplot as plt"),
    (foreign, "ops.run", "import pickle"),
    (foreign, "models.neural", "import keras\nkeras.models.load_model('x')"),
    (foreign, "data.readers", "import numpy as np\nnp.load('x', allow_pickle=True)"),
    (clock, "data.quality", "from datetime import datetime\nx = datetime.now()"),
    (clock, "data.quality", "import pandas as pd\nx = pd.Timestamp.now('UTC')"),
    (clock, "data.quality", "import time\nx = time.perf_counter()"),
    (clock, "data.quality", "from time import monotonic"),
    (prints, "ops.run", "print('done')"),
    (prints, "ops.run", "import rich"),
]


@pytest.mark.parametrize(("rule", "module", "source"), BAD)
def test_the_rule_finds_what_it_forbids(rule, module: str, source: str) -> None:
    known = KNOWN | {"models.naive", "models.neural", "plots", "cli"}
    assert list(rule(ast.parse(source), module, known))


GOOD = [
    (upward, "ops.run", "from gwforecast import plots, schema"),
    (upward, "ops.run", "from gwforecast import __version__, schema"),
    (upward, "ops.run", "LATER = {'lstm': 'gwforecast.models.neural'}"),
    (upward, "models.neural", "from gwforecast.models.layers import FastLSTM"),
    (upward, "models.neural", "from .base import Forecaster"),
    (upward, "", "from gwforecast.ops.run import evaluate"),
    (foreign, "models.neural", "import keras"),
    (foreign, "plots", "def f():\n    import matplotlib.pyplot as plt"),
    (foreign, "data.readers", "import numpy as np\nnp.load('x', allow_pickle=False)"),
    (clock, "ops.run", "import time\nx = time.perf_counter()"),
    (clock, "data.quality", "import datetime\nx = datetime.date(2020, 1, 1)"),
    (prints, "cli", "print('done')"),
]


@pytest.mark.parametrize(("rule", "module", "source"), GOOD)
def test_the_rule_lets_pass_what_it_allows(rule, module: str, source: str) -> None:
    known = KNOWN | {"models.neural", "models.layers", "plots"}
    assert not list(rule(ast.parse(source), module, known))


def test_long_files_and_functions_are_found() -> None:
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION))
    documented = f'def f():\n    """{"Say." + chr(10) * 60}"""\n' + body[: -len("\n    x = 1")]
    assert not list(too_long(documented, "short"))
    assert list(too_long("def f():\n" + body, "long"))
    assert list(too_long("\n" * (MAX_FILE + 1), "long"))
