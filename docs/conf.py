"""Sphinx: pages in MyST Markdown, reference from the docstrings."""

import re
import shutil
from importlib import import_module
from pathlib import Path

from gwforecast import __version__

project = "gwforecast"
author = "the gwforecast developers"
copyright = "the gwforecast developers, GPL-3.0-or-later"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "templates"]
# pages with code and notebooks are executed once for each change of their code
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parent.parent / "build" / "executed")
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_ipywidgets_js = {}
html_theme = "furo"
html_title = "gwforecast"
suppress_warnings = ["ref.python"]  # short names of two classes in different rooms
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "fieldlist"]
autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
# types in docstrings are prose, other projects' pages are not at hand, private bases have none
nitpick_ignore_regex = [
    (r"py:.*", r"(?!gwforecast).*"),
    (r"py:.*", r".*\._\w+"),
    (r"py:obj", r".*\.(Result|Fit|Part)"),
]
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


SETTINGS = """# Settings

Tables of a TOML file. Paths are relative to the file. A setting that is left out takes its default.
Each model has a table of its own, with the arguments of its class.
"""


def write_settings(app: object) -> None:
    """Write the page of all settings, from the tables of the configuration and the models."""
    del app
    import inspect

    from gwforecast.config.load import Settings
    from gwforecast.config.models import model_table
    from gwforecast.runs.catalogue import MODELS, settings_of

    page = Path(__file__).parent / "settings.md"
    parts = [SETTINGS]
    for table, field in Settings.model_fields.items():
        defaults = {
            name: "required" if one.is_required() else one.get_default(call_default_factory=True)
            for name, one in field.annotation.model_fields.items()
        }
        parts.append(settings_table(table, field.annotation, defaults))
    for name in MODELS:
        section = model_table(name)
        if section is not None:
            defaults = {setting: one.default for setting, one in settings_of(name).items()}
            unknown = inspect.Parameter.empty
            defaults = {one: None if d is unknown else d for one, d in defaults.items()}
            parts.append(settings_table(name, section, defaults))
    page.write_text("".join(parts), "utf-8")


def settings_table(name: str, section: type, defaults: dict[str, object]) -> str:
    """Return the part of the page for one table: setting, default and meaning."""
    rows = [f"\n## [{name}]\n", f"{(section.__doc__ or '').splitlines()[0]}\n"]
    rows += ["| setting | default | meaning |", "|---|---|---|"]
    for setting, field in section.model_fields.items():
        default = defaults[setting]
        if isinstance(default, tuple):
            default = list(default)
        shown = "" if default is None else default if default == "required" else f"`{default}`"
        rows.append(f"| `{setting}` | {shown} | {meaning(field.description or '')} |")
    return "\n".join(rows) + "\n"


def meaning(text: str) -> str:
    """Return a text of a docstring as Markdown in one cell of a table."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`").replace("|", "\\|")
    return re.sub(r" \[\d+\]_", "", text)


def write_modules(app: object) -> None:
    """Write a page for each module."""
    del app
    import gwforecast

    folder = Path(__file__).parent / "modules"
    shutil.rmtree(folder, ignore_errors=True)  # pages of modules that are no more
    folder.mkdir()
    root = Path(gwforecast.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[-1] in ("__init__", "__main__") or parts[1].startswith("cli"):
            continue
        name = ".".join(parts)
        again = defined_elsewhere(name)
        left_out = f"   :exclude-members: {', '.join(again)}\n" if again else ""
        text = (
            f"# {'.'.join(parts[1:])}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{left_out}```\n"
        )
        (folder / f"{name}.md").write_text(text, "utf-8")


PUBLIC = """# Public names

Everything here is reached as `gwforecast.NAME` after `import gwforecast` (`gw.NAME` in the
examples). A name is loaded when it is first used, so the import itself is fast.
"""


def write_public(app: object) -> None:
    """Write the page of the public names, each with what it does and a link."""
    del app
    import ast

    import gwforecast

    stub = Path(gwforecast.__file__).with_suffix(".pyi").read_text("utf-8")
    rooms: dict[str, list[str]] = {}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            rooms.setdefault(node.module.split(".")[0], []).extend(a.name for a in node.names)
    parts = [PUBLIC]
    for room, names in rooms.items():
        shown = [name for name in names if callable(getattr(gwforecast, name))]
        entries = "\n".join(f"   gwforecast.{name}" for name in sorted(shown, key=str.lower))
        parts.append(f"\n## {room}\n\n```{{eval-rst}}\n.. autosummary::\n\n{entries}\n```\n")
    (Path(__file__).parent / "public.md").write_text("".join(parts), "utf-8")


def defined_elsewhere(name: str) -> list[str]:
    """Return the names of a module that have their entry at another one."""
    if name == "gwforecast.schema":  # the home of SchemaError for readers
        return []
    module = import_module(name)
    found = ["SchemaError"] if name == "gwforecast.timeline" else []
    for one in getattr(module, "__all__", ()):
        value = getattr(module, one)
        home = str(getattr(value, "__module__", name)) if callable(value) else name
        if home.startswith("gwforecast.") and home != name:
            found.append(one)
    return found


def copy_notebooks(app: object) -> None:
    """Copy the notebooks beside the pages; they are executed like these."""
    del app
    here = Path(__file__).parent
    shutil.copytree(here.parent / "notebooks", here / "notebooks", dirs_exist_ok=True)


def number_references(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Show numbered references as text: each docstring counts its own, and a page has several."""
    del app, what, name, obj, options
    lines[:] = [re.sub(r"\[(\d+)\]_", r"[\1]", line) for line in lines]
    lines[:] = [re.sub(r"^(\s*)\.\. (\[\d+\])", r"\1* \2", line) for line in lines]


def resolve_public(app: object, env: object, node: object, contnode: object) -> object:
    """Link a public name, such as ``gwforecast.evaluate``, to the page of its module."""
    import gwforecast

    target = node.get("reftarget", "")
    if not target.startswith("gwforecast."):
        return None
    value = gwforecast
    for part in target.split(".")[1:]:
        value = getattr(value, part, None)
    home = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    if home in (".", target):
        return None
    found = env.domains["py"].resolve_any_xref(env, env.docname, app.builder, home, node, contnode)
    return found[0][1] if found else None


def setup(app: object) -> None:
    """Connect them to the start of a build."""
    app.connect("builder-inited", copy_notebooks)  # type: ignore[attr-defined]
    app.connect("missing-reference", resolve_public)  # type: ignore[attr-defined]
    app.connect("builder-inited", write_public)  # type: ignore[attr-defined]
    app.connect("builder-inited", write_settings)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", number_references)  # type: ignore[attr-defined]
    app.connect("builder-inited", write_modules)  # type: ignore[attr-defined]
