"""The house keeps its rules: rooms on a ladder, no circles, libraries, clock and printing at home.

The rules name rooms, never files: adding a file does not change this test. They read the syntax
tree of every module, imports inside functions and under ``TYPE_CHECKING`` included.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "gwforecast"

LADDER: tuple[tuple[str, ...], ...] = (
    ("timeline", "display", "processes", "progress", "writing"),
    ("schema",),
    ("data", "sequences"),
    ("quality", "forcings"),
    ("models",),
    ("networks", "calibration"),
    ("verification",),
    ("plots",),
    ("config", "runs"),
    ("questions",),
    ("reports",),
    ("service", "shards"),
    ("jobs",),
    ("cli",),
    ("__main__",),
)
"""Rooms, lowest first. A module imports from its own rung or a lower one, never from a higher."""

HOMES: dict[str, frozenset[str]] = {
    "keras": frozenset({"networks"}),
    "tensorflow": frozenset({"networks"}),
    "torch": frozenset(),
    "jax": frozenset(),
    "matplotlib": frozenset({"plots"}),
    "mpl_toolkits": frozenset({"plots"}),
    "seaborn": frozenset(),
    "plotly": frozenset(),
    "rich": frozenset({"cli"}),
    "typer": frozenset({"cli"}),
    "click": frozenset({"cli"}),
    "tqdm": frozenset({"progress"}),
    "pickle": frozenset(),
    "dill": frozenset(),
    "joblib": frozenset(),
    "cloudpickle": frozenset(),
    "shelve": frozenset(),
    "marshal": frozenset(),
    "time": frozenset({"runs", "service", "shards", "cli"}),
}
"""Rooms that may import a library; none where the set is empty."""

TENSORFLOW_AT_THE_TOP = frozenset({"networks.layers", "networks.training"})
"""Modules of ``networks`` that import Keras or TensorFlow at their top.

They are themselves imported inside functions, so that no class needs either to be defined.
"""

CLOCK_ROOMS = frozenset({"runs", "reports", "service", "shards", "cli"})
CLOCK_CALLS = frozenset({"now", "utcnow", "today", "fromtimestamp"})
DISTRIBUTIONS = {"PIL": "pillow"}
"""Names of distributions that differ from that of their package."""

NO_ROOM = frozenset({"utils", "helpers", "common", "misc"})
LONGEST_FILE, LONGEST_FUNCTION = 600, 40
MODULE_NAME = re.compile(rf"^{PACKAGE}(?:\.\w+)+$")

Rule = Callable[[ast.Module, str, frozenset[str]], Iterator[str]]


def modules() -> dict[str, Path]:
    """Return the modules of the package by their names below it; a package is its own name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = list(path.relative_to(ROOT / PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def imports(tree: ast.AST, module: str, known: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield the dotted name and line of each import, wherever it stands.

    ``from gwforecast.data import readers`` is an import of ``gwforecast.data.readers``; relative
    imports are resolved; the name of a module in a text, to be imported later, counts as well.
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
                is_module = whole.removeprefix(f"{PACKAGE}.") in known
                yield (whole if is_module or base == PACKAGE else base), node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((name, node.lineno) for name in MODULE_NAME.findall(node.value))


def room_of(module: str) -> str:
    """Return the room of a module: the first part of its name."""
    return module.split(".")[0]


def rung_of(module: str) -> int | None:
    """Return the rung of the ladder that a module is on."""
    return next((i for i, rung in enumerate(LADDER) if room_of(module) in rung), None)


def ours(name: str, known: frozenset[str]) -> str | None:
    """Return the module of the package that an import is of, None for other libraries."""
    if name.split(".")[0] != PACKAGE:
        return None
    below = name.removeprefix(PACKAGE).lstrip(".")
    while below and below not in known:
        below = below.rpartition(".")[0]
    return below


def upward(tree: ast.Module, module: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a complaint for each import that goes up the ladder."""
    if module == "":
        return  # the table of public names stands above the ladder
    here = rung_of(module)
    if here is None:
        yield f"{module} is on no rung of the ladder"
        return
    for name, line in imports(tree, module, known):
        target = ours(name, known)
        if target is None or name == f"{PACKAGE}.__version__":
            continue
        if target == "":
            yield f"{module}:{line} imports the table of public names"
        elif (there := rung_of(target)) is None:
            yield f"{module}:{line} imports {target}, which is on no rung of the ladder"
        elif there > here:
            yield f"{module}:{line} imports {target}, which is above it"


def homeless(tree: ast.Module, module: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a complaint for each library that is imported outside its rooms, and each pickle."""
    for name, line in imports(tree, module, known):
        library = name.split(".")[0]
        if library in HOMES and room_of(module) not in HOMES[library]:
            yield f"{module}:{line} imports {library}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in {
            "load_model",
            "read_pickle",
            "to_pickle",
        }:
            yield f"{module}:{node.lineno} calls {called(node)}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            allowed = not (isinstance(node.value, ast.Constant) and node.value.value is False)
            if allowed:
                yield f"{module}:{node.value.lineno} allows pickles"


def early(tree: ast.Module, module: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a complaint where importing a module loads Keras, TensorFlow or matplotlib.

    matplotlib is loaded by ``plots`` alone, which is therefore imported inside functions.
    """
    if module in TENSORFLOW_AT_THE_TOP or room_of(module) == "plots" or module == "":
        return
    for name, line in imports(top_level(tree), module, known):
        library, target = name.split(".")[0], ours(name, known)
        if library in {"keras", "tensorflow", "matplotlib"}:
            yield f"{module}:{line} imports {library} when it is loaded"
        elif target and (target in TENSORFLOW_AT_THE_TOP or room_of(target) == "plots"):
            yield f"{module}:{line} imports {target} when it is loaded"


def top_level(tree: ast.Module) -> ast.Module:
    """Return what runs when a module is loaded: neither functions nor ``TYPE_CHECKING``."""

    class Shell(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None: ...

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if "TYPE_CHECKING" in ast.unparse(node.test) else self.generic_visit(node)

    shell: ast.Module = Shell().visit(ast.parse(ast.unparse(tree)))
    return shell


def clock(tree: ast.Module, module: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a complaint for each reading of the system clock outside the outermost layers."""
    if room_of(module) in CLOCK_ROOMS:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in CLOCK_CALLS:
            yield f"{module}:{node.lineno} calls {called(node)}()"


def prints(tree: ast.Module, module: str, known: frozenset[str]) -> Iterator[str]:
    """Yield a complaint for each print outside the command line."""
    if room_of(module) == "cli":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"{module}:{node.lineno} prints"


def called(node: ast.Call) -> str:
    """Return the name of the function or method that is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, by Tarjan's algorithm."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for target in sorted(graph.get(module, set())):
            if target not in number:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], number[target])
        if lowest[module] == number[module]:
            at = stack.index(module)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1 or module in graph.get(module, set()):
                found.append(sorted(group))

    for module in graph:
        if module not in number:
            visit(module)
    return found


def import_graph(sources: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Return which modules each module imports, inside functions too.

    The table of public names and the rooms' own ``__init__`` files that only gather names are seen
    as what they are: modules like any other.
    """
    known = frozenset(sources) - {""}
    graph = {}
    for module, tree in sources.items():
        if module == "":
            continue
        targets = (ours(name, known) for name, _ in imports(tree, module, known))
        graph[module] = {target for target in targets if target} - {module}
    return graph


def too_long(source: str, module: str) -> Iterator[tuple[str, int]]:
    """Yield name and length of a file, or of a function without its docstring, that is too long.

    The signature does not count: a public function may have many settings.
    """
    lines = len(source.splitlines())
    if lines > LONGEST_FILE:
        yield module, lines
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > LONGEST_FUNCTION:
                yield f"{module} {node.name}", length


RULES: dict[str, Rule] = {
    "upward": upward,
    "homeless": homeless,
    "early": early,
    "clock": clock,
    "prints": prints,
}
MODULES = modules()
KNOWN = frozenset(MODULES) - {""}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_module_keeps_the_rule(rule: str) -> None:
    complaints = [c for name, tree in TREES.items() for c in RULES[rule](tree, name, KNOWN)]
    assert not complaints, "\n".join(complaints)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circles(import_graph(TREES))


def test_no_file_or_function_is_too_long() -> None:
    found = [c for name, path in MODULES.items() for c in too_long(path.read_text("utf-8"), name)]
    assert not found, f"at most {LONGEST_FILE} lines in a file, {LONGEST_FUNCTION} in a function"


def test_a_folder_holds_at_most_fifteen_files() -> None:
    folders = [path.parent for path in MODULES.values() if path.name != "__init__.py"]
    crowded = {f.name: folders.count(f) for f in folders if folders.count(f) > 15}
    assert not crowded


def test_no_room_for_leftovers() -> None:
    assert not [module for module in MODULES if NO_ROOM & set(module.split("."))]


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    of_users = [name for name in extras if name not in {"test", "docs", "benchmark"}]
    wanted = [*project["dependencies"], *(item for name in of_users for item in extras[name])]
    declared = {re.split(r"[<>=\[; ]", item)[0].lower().replace("-", "_") for item in wanted}
    used = {n.split(".")[0] for m, tree in TREES.items() for n, _ in imports(tree, m, KNOWN)}
    used = {DISTRIBUTIONS.get(name, name) for name in used}
    foreign = used - set(sys.stdlib_module_names) - {PACKAGE}
    assert not foreign - declared, sorted(foreign - declared)


BAD: list[tuple[Rule, str, str]] = [
    (upward, "data.readers", "from gwforecast.models import naive"),
    (upward, "data.readers", "from gwforecast.models.naive import Persistence"),
    (upward, "data.readers", "from gwforecast import plots"),
    (upward, "data.readers", "from .. import plots"),
    (upward, "data.readers", "from ..models.naive import Persistence"),
    (upward, "data.readers", "def f():\n    import gwforecast.models.naive"),
    (upward, "data.readers", "import importlib\nimportlib.import_module('gwforecast.cli')"),
    (upward, "data.readers", "LATER = {'x': 'gwforecast.models.naive'}"),
    (upward, "schema", "from gwforecast import evaluate"),
    (upward, "runs.evaluate", "from gwforecast import __version__, evaluate"),
    (upward, "timeline", "from gwforecast import schema"),
    (upward, "models.naive", "from gwforecast.networks import training"),
    (upward, "attic.box", "import gwforecast.schema"),
    (homeless, "data.readers", "import tensorflow as tf"),
    (homeless, "models.naive", "def f():\n    from keras import layers"),
    (homeless, "runs.evaluate", "from matplotlib import pyplot as plt"),
    (homeless, "runs.evaluate", "import pickle"),
    (homeless, "runs.evaluate", "import rich"),
    (homeless, "quality.checks", "import time\nx = time.perf_counter()"),
    (homeless, "networks.training", "import keras\nkeras.models.load_model('x')"),
    (homeless, "data.readers", "import numpy as np\nnp.load('x', allow_pickle=True)"),
    (early, "networks.lstm", "import keras"),
    (early, "networks.lstm", "class A:\n    from gwforecast.networks.training import train"),
    (early, "runs.evaluate", "from gwforecast import plots"),
    (clock, "quality.checks", "from datetime import datetime\nx = datetime.now()"),
    (clock, "quality.checks", "import pandas as pd\nx = pd.Timestamp.now('UTC')"),
    (prints, "runs.evaluate", "print('done')"),
]

GOOD: list[tuple[Rule, str, str]] = [
    (upward, "runs.evaluate", "from gwforecast import __version__, plots, schema"),
    (upward, "runs.evaluate", "LATER = {'x': 'gwforecast.models.naive'}"),
    (upward, "models.naive", "from .base import Forecaster"),
    (upward, "", "from gwforecast.runs.evaluate import evaluate"),
    (homeless, "networks.training", "import keras"),
    (homeless, "plots", "def f():\n    import matplotlib.pyplot as plt"),
    (homeless, "runs.evaluate", "import time\nx = time.perf_counter()"),
    (homeless, "data.readers", "import numpy as np\nnp.load('x', allow_pickle=False)"),
    (early, "networks.lstm", "def f():\n    import keras"),
    (early, "networks.lstm", "if TYPE_CHECKING:\n    import keras"),
    (early, "networks.training", "import tensorflow as tf"),
    (early, "runs.evaluate", "def f():\n    from gwforecast import plots"),
    (clock, "service.issue", "import pandas as pd\nx = pd.Timestamp.now('UTC')"),
    (clock, "quality.checks", "import datetime\nx = datetime.date(2020, 1, 1)"),
    (prints, "cli.app", "print('done')"),
]

SOME = frozenset({"schema", "plots", "cli", "models.naive", "models.base", "networks.training"})


@pytest.mark.parametrize(("rule", "module", "source"), BAD)
def test_the_rule_finds_what_it_forbids(rule: Rule, module: str, source: str) -> None:
    assert list(rule(ast.parse(source), module, KNOWN | SOME))


@pytest.mark.parametrize(("rule", "module", "source"), GOOD)
def test_the_rule_lets_pass_what_it_allows(rule: Rule, module: str, source: str) -> None:
    assert not list(rule(ast.parse(source), module, KNOWN | SOME))


def test_a_circle_is_found_also_through_imports_inside_functions() -> None:
    sources = {
        "a": "from gwforecast import b",
        "b": "def f():\n    from gwforecast.c import g",
        "c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gwforecast.a import x",
        "d": "from gwforecast import a",
    }
    found = circles(import_graph({name: ast.parse(text) for name, text in sources.items()}))
    assert found == [["a", "b", "c"]]


def test_long_files_and_functions_are_found() -> None:
    body = "\n".join("    x = 1" for _ in range(LONGEST_FUNCTION + 1))
    documented = f'def f():\n    """{"Say." + chr(10) * 60}"""\n' + body[: -len("\n    x = 1")]
    assert not list(too_long(documented, "short"))
    assert list(too_long("def f():\n" + body, "long"))
    assert list(too_long("\n" * (LONGEST_FILE + 1), "long"))
