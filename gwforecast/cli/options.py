"""Options that stand for settings, and the settings of a command.

Each option is written once, in :data:`OPTIONS`; a command names those that it has by :func:`takes`.
Its help is the description of its setting, see :mod:`gwforecast.config.tables`, and is looked up
when help is requested.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_origin

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from gwforecast.config.load import Settings

__all__ = [
    "CLUSTER", "FILE", "FITTING", "INPUTS", "MODELS", "OPTIONS", "READING", "RESULTS", "SPLIT",
    "AllowErrors", "Command", "Members", "Report", "Seed", "finite", "option", "takes",
]  # fmt: skip

DATA, PERIODS, MODELS, RUN, RESULTS = "Data", "Periods", "Models", "Computation", "Results"
READ = "How files are read"
"""Groups of options in the help."""

_SETTING = re.compile(r"([a-z]+)\.(\w+) ?(.*)")


def option(
    setting: str,
    kind: Any = str,
    *,
    panel: str,
    flag: str | None = None,
    note: str = "",
) -> Any:
    """Return the annotation of an option that stands for a setting, e.g. ``"data.levels"``.

    The description of the setting is the help of the option; a ``note`` says how it is written
    where that differs from a file. ``panel`` is its group, ``flag`` another name.
    """
    names, text = [flag] if flag else [], f"{setting} {note}".strip()
    return Annotated[kind | None, typer.Option(*names, help=text, rich_help_panel=panel)]


Members = Annotated[int | None, typer.Option(help="models.members", rich_help_panel=MODELS)]
Seed = Annotated[int | None, typer.Option(help="models.seed", rich_help_panel=MODELS)]
Report = Annotated[
    bool,
    typer.Option(
        "--report",
        help="Write a report of each well as HTML and PDF, and for an evaluation of several wells "
        "one page with a map and a table.",
        rich_help_panel=RESULTS,
    ),
]
FILE = Annotated[
    Path, typer.Argument(help="TOML file with the tables data and schedule.", metavar="FILE")
]
"""The configuration of a command that cannot do without one."""

AllowErrors = Annotated[
    bool,
    typer.Option(
        "--allow-errors",
        help="Exit with 0 even if the data checks report errors.",
        rich_help_panel=DATA,
    ),
]
_in_data = functools.partial(option, panel=DATA)
_how_read = functools.partial(option, panel=READ)
_in_models = functools.partial(option, panel=MODELS)

OPTIONS: dict[str, Any] = {
    "config": Annotated[
        Path | None,
        typer.Argument(
            help="TOML file with settings. Options take precedence over it.", metavar="FILE"
        ),
    ],
    "levels": _in_data("data.levels", Path),
    "covariates": _in_data("data.covariates", list[Path]),
    "attributes": _in_data("data.attributes", Path),
    "well": _in_data("data.wells", list[str], flag="--well", note="May be repeated."),
    "day_first": _in_data("data.day_first", bool, flag="--day-first/--month-first"),
    "datum": _in_data("data.datum"),
    "reference_level": _in_data(
        "data.reference_level",
        list[str],
        note="Write --reference-level 27.1, or for each well --reference-level MW-7=27.1.",
    ),
    "fill": _in_data(
        "data.fill",
        list[str],
        note="Write --fill by_kind, or --fill temperature=interpolate, which may be repeated.",
    ),
    "shares": Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Shares of the train and validation periods, e.g. 0.6,0.2; the rest is the test "
            "period.",
            rich_help_panel=PERIODS,
        ),
    ],
    "validation_start": option("split.validation_start", panel=PERIODS),
    "test_start": option("split.test_start", panel=PERIODS),
    "gap": option("split.gap", int, panel=PERIODS),
    "models": _in_models("models.use", flag="--models", note="Separate them by commas."),
    "members": Members,
    "seed": Seed,
    "workers": option("models.workers", int, panel=RUN),
    "leave_wells_out": _in_models("models.leave_wells_out", int),
    "cross_validate": _in_models("models.cross_validate", int),
    "without_weather": _in_models("models.without_weather", bool, flag="--without-weather"),
    "dask": option("cluster.dask", panel=RUN),
    "shard": option("cluster.shard", int, panel=RUN),
    "out": option("output.folder", Path, panel=RESULTS, flag="--out"),
    "figures": option("output.figures", int, panel=RESULTS),
    "level_column": _how_read("data.level_column"),
    "well_column": _how_read("data.well_column"),
    "time_column": _how_read("data.time_column", list[str], note="May be repeated."),
    "units": _how_read("data.units"),
    "depth_sign": _how_read("data.depth_sign"),
    "sensor_depth": _how_read(
        "data.sensor_depth", list[str], note="For each well, write --sensor-depth MW-7=12.5."
    ),
    "barometer": _how_read("data.barometer", Path),
    "at_step": _how_read("data.at_step"),
    "step": _how_read("data.step"),
    "step_stamp": _how_read("data.step_stamp"),
    "covariate_stamp": _how_read("data.covariate_stamp"),
    "duplicates": _how_read("data.duplicates"),
    "sort": _how_read("data.sort", bool, flag="--sort"),
    "missing_values": _how_read(
        "data.missing_values", list[str], flag="--missing", note="May be repeated."
    ),
    "decimal": _how_read("data.decimal"),
    "delimiter": _how_read("data.delimiter"),
    "encoding": _how_read("data.encoding"),
    "date_format": _how_read("data.date_format"),
    "sheet": _how_read("data.sheet"),
    "skip_rows": _how_read("data.skip_rows", int),
    "header_row": _how_read("data.header_row", int),
    "covariate_units": _how_read(
        "data.covariate_units",
        list[str],
        flag="--covariate-unit",
        note="Write rain=in; may be repeated.",
    ),
    "grid": _how_read("data.grid"),
}
"""Options that stand for settings, by the name of their parameter."""

INPUTS = (
    "levels", "covariates", "attributes", "well", "day_first", "datum", "reference_level",
)  # fmt: skip
SPLIT = ("shares", "validation_start", "test_start", "gap")
FITTING = ("members", "seed", "workers", "without_weather")
CLUSTER = ("dask", "shard")
READING = tuple(OPTIONS)[tuple(OPTIONS).index("level_column") :]
"""Options that several commands have, by topic; those of how files are read are the last ones."""


def takes(
    *names: str,
    before: Callable[[typer.Context], None] | None = None,
    all_tables: bool = True,
    **own: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command its settings, and the options that stand for them.

    The options are named from :data:`OPTIONS`, or given as annotations by parameter. The command
    takes the settings, which contain their values, and its other options. ``before`` is called
    before the settings are read; the tables of models are left out without ``all_tables``.
    """
    options = {name: OPTIONS[name] for name in names} | own

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def extended(context: typer.Context, **given: Any) -> None:
            if before is not None:
                before(context)
            settings = _load(context, models=all_tables)
            command(settings, **{name: v for name, v in given.items() if name not in options})

        inspect.unwrap(command).__annotations__["settings"] = Any  # its class is slow to import
        signature = inspect.signature(command, eval_str=True)
        keyword = inspect.Parameter.KEYWORD_ONLY
        whole = [inspect.Parameter("context", keyword, annotation=typer.Context)]
        for name, kind in options.items():
            default = inspect.Parameter.empty if kind is FILE else None
            whole.append(inspect.Parameter(name, keyword, default=default, annotation=kind))
        whole += [each.replace(kind=keyword) for each in [*signature.parameters.values()][1:]]
        cast("Any", extended).__signature__ = signature.replace(parameters=whole)
        extended.__annotations__ = {each.name: each.annotation for each in whole}
        return extended

    return decorate


class Command(TyperCommand):
    """A command whose options stand for settings: their help is looked up when it is shown.

    In the epilog, ``{models}`` and ``{metrics}`` stand for the names of all models and metrics.
    """

    def __init__(self, *arguments: Any, **given: Any) -> None:
        super().__init__(*arguments, **given)
        self.settings: dict[str, tuple[str, str]] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.help = re.sub(r"(?<!\n)\n(?!\n)", " ", self.help or "")
        self.notes: dict[str, str] = {}
        for one in self.params:
            found = _SETTING.fullmatch(getattr(one, "help", None) or "")
            if found and one.name:
                self.settings[one.name] = (found[1], found[2])
                self.names[found[1], found[2]] = max(one.opts, key=len)
                self.notes[one.name] = found[3]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the descriptions of the settings."""
        for one in self.params:
            if one.name in self.settings:
                cast("Any", one).help = _describe(*self.settings[one.name], self.notes[one.name])
        if self.epilog and "{" in self.epilog:
            from gwforecast.runs.catalogue import MODELS as KNOWN
            from gwforecast.verification.metrics import METRICS

            self.epilog = self.epilog.format(models=", ".join(KNOWN), metrics=", ".join(METRICS))
        super().format_help(ctx, formatter)


def _describe(table: str, name: str, note: str) -> str:
    """Return the description of a setting with its choices, default and note.

    The note of a command with another default says it.
    """
    from gwforecast.config.load import Settings

    section = cast("Any", Settings.model_fields[table].annotation)
    field = section.model_fields[name]
    text, default = str(field.description), field.default
    if (table, name) == ("tune", "metric"):
        from gwforecast.runs.tune import SEARCHED

        text += f" One of {', '.join(SEARCHED)}."
    if (table, name) in (("models", "use"), ("backtest", "models"), ("tune", "model")):
        from gwforecast.runs.catalogue import MODELS as KNOWN

        text += f" Available: {', '.join(KNOWN)}."
    else:
        choices = _choices(field.annotation)
        shown = (text if text.isidentifier() else repr(text) for text in choices)
        text += f" One of {', '.join(shown)}." * bool(choices)
    if isinstance(default, list) and default:
        default = ", ".join(default)
    said = isinstance(default, bool) or "Default:" in note
    if isinstance(default, str | int | float | Path) and not said:
        text += f" Default: {default}."
    return f"{text} {note}".strip()


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of a Literal, which may be one of several types."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next(filter(None, map(_choices, get_args(annotation))), ())


def _load(context: typer.Context, *, models: bool = True) -> Settings:
    """Return the settings of a command: its file, and the options that were used.

    The tables of models are left out without ``models``.
    """
    from gwforecast.config import load as settings_file

    command = cast("Command", context.command)
    tables: dict[str, dict[str, object]] = {}
    for name, value in context.params.items():
        if name in command.settings and value not in (None, [], ()):
            table, setting = command.settings[name]
            value = list(value) if isinstance(value, tuple) else value
            tables.setdefault(table, {})[setting] = _READ[name](value) if name in _READ else value
    if context.params.get("shares"):
        tables.setdefault("split", {}).update(_shares(context.params["shares"]))
    file = context.params.get("config")
    return settings_file.load_settings(
        file,
        overrides=tables,
        options={
            place: name
            for place, name in command.names.items()
            if file is None or place[1] in tables.get(place[0], {})
        },
        models=models,
    )


def finite(value: float | None) -> float | None:
    """Return the number of an option, which is a callback of typer; refuse NaN and infinity."""
    if value is not None and not math.isfinite(value):
        raise ValueError(
            f"An option that is a number takes a finite one. Received {value}. Give for example 60."
        )
    return value


def _heights(items: list[str], option: str = "--reference-level") -> object:
    """Return one height, or heights by well; the name of a well may contain an equals sign."""
    try:
        if len(items) == 1 and "=" not in items[0]:
            return float(items[0])
        pairs = [item.rsplit("=", 1) for item in items]
        return {well: float(height) for well, height in pairs}
    except ValueError:
        raise ValueError(
            f"{option} takes a height in m, or wells and heights. Received {' '.join(items)!r}. "
            f"Write for example {option} MW-7=27.1."
        ) from None


def _pairs(items: list[str], *, takes: str, example: str) -> dict[str, str]:
    """Return texts such as rain=in by what is before the equals sign."""
    pairs = [item.partition("=") for item in items]
    for item, (name, _, value) in zip(items, pairs, strict=True):
        if not (name and value):
            raise ValueError(
                f"{takes} with = between. Received {item!r}. Write for example {example}."
            )
    return {name.strip(): value.strip() for name, _, value in pairs}


def _rules(items: list[str]) -> object:
    if list(items) == ["by_kind"]:
        return "by_kind"
    return _pairs(
        items,
        takes="--fill takes by_kind, or a covariate or kind and its rule",
        example="--fill temperature=interpolate",
    )


def _shares(text: str) -> dict[str, object]:
    try:
        train, validation = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--split takes the shares of the train and the validation period. Received {text!r}. "
            "Write for example --split 0.6,0.2; the rest is the test period."
        ) from None
    return {"train": train, "validation": validation}


def _number_or_text(item: str) -> float | str:
    try:
        number = float(item)
    except ValueError:
        return item
    return number if math.isfinite(number) else item  # nan and inf are texts of the file


_READ: dict[str, Callable[[Any], object]] = {
    "covariates": lambda items: items[0] if len(items) == 1 else items,
    "sensor_depth": functools.partial(_heights, option="--sensor-depth"),
    "missing_values": lambda items: [_number_or_text(item) for item in items],
    "covariate_units": functools.partial(
        _pairs,
        takes="--covariate-unit takes a covariate and its unit",
        example="--covariate-unit rain=in",
    ),
    "models": lambda text: [name.strip() for name in text.split(",")],
    "fill": _rules,
    "reference_level": _heights,
}
"""How the text of an option is read, where it is not the value itself."""
