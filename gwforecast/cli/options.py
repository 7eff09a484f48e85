"""Options that several commands share, and the settings that they stand for.

An option that stands for a setting is described once, where the setting is, see
:mod:`gwforecast.config.tables`; its help is filled in when help is requested.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from gwforecast.config.load import Settings

__all__ = [
    "DATA",
    "MODELS",
    "PERIODS",
    "RESULTS",
    "RUN",
    "Attributes",
    "Command",
    "Config",
    "Covariates",
    "CrossValidate",
    "Dask",
    "Datum",
    "DayFirst",
    "Figures",
    "Fill",
    "Gap",
    "LeaveOut",
    "Levels",
    "Members",
    "Models",
    "Out",
    "ReferenceLevel",
    "Report",
    "Seed",
    "Shard",
    "Shares",
    "TestStart",
    "ValidationStart",
    "Well",
    "WithoutWeather",
    "Workers",
    "load",
    "option",
    "with_reading",
]

DATA, PERIODS, MODELS, RUN, RESULTS = "Data", "Periods", "Models", "Computation", "Results"
READ = "How files are read"
"""Groups of options in the help."""

_SETTING = re.compile(r"([a-z]+)\.(\w+) ?(.*)")


def option(setting: str, *names: str, panel: str, note: str = "", **given: Any) -> Any:
    """Return an option that stands for a setting, whose description is its help.

    Parameters
    ----------
    setting : str
        Table and name, e.g. ``"data.levels"``.
    *names : str
        Names of the option, where they are not that of the parameter.
    panel : str
        Group of options in the help.
    note : str
        How the option is written, where it differs from the setting in a file.
    **given
        Further arguments of :class:`typer.Option`.
    """
    return typer.Option(*names, help=f"{setting} {note}".strip(), rich_help_panel=panel, **given)


class Command(TyperCommand):
    """A command whose options stand for settings: their help is looked up when it is shown.

    In the epilog, ``{models}`` and ``{metrics}`` stand for the names of all models and metrics.
    """

    def __init__(self, *arguments: Any, **given: Any) -> None:
        super().__init__(*arguments, **given)
        self.settings: dict[str, tuple[str, str]] = {}
        self.names: dict[tuple[str, str], str] = {}
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
                cast("Any", one).help = " ".join(
                    [_describe(*self.settings[one.name]), self.notes[one.name]]
                ).strip()
        if self.epilog and "{" in self.epilog:
            from gwforecast.runs.catalogue import MODELS as KNOWN
            from gwforecast.verification.metrics import METRICS

            self.epilog = self.epilog.format(models=", ".join(KNOWN), metrics=", ".join(METRICS))
        super().format_help(ctx, formatter)


def _describe(table: str, name: str) -> str:
    """Return the description of a setting with its default, and the choices where there are."""
    from gwforecast.config.load import Settings

    section = cast("Any", Settings.model_fields[table].annotation)
    field = section.model_fields[name]
    text, default = str(field.description), field.default
    if (table, name) == ("tune", "metric"):
        from gwforecast.runs.tune import SEARCHED

        text += f" One of {', '.join(SEARCHED)}."
    if (table, name) in (("models", "use"), ("backtest", "models"), ("tune", "model")):
        from gwforecast.runs.catalogue import MODELS as KNOWN

        text += f" Known are {', '.join(KNOWN)}."
    if isinstance(default, list) and default:
        default = ", ".join(default)
    if isinstance(default, str | int | float | Path) and not isinstance(default, bool):
        text += f" Default: {default}."
    return text


Config = Annotated[
    Path | None,
    typer.Argument(help="TOML file of settings. Options take precedence over it.", metavar="FILE"),
]
Levels = Annotated[Path | None, option("data.levels", panel=DATA)]
Covariates = Annotated[list[Path] | None, option("data.covariates", panel=DATA)]
Attributes = Annotated[Path | None, option("data.attributes", panel=DATA)]
Well = Annotated[
    list[str] | None, option("data.wells", "--well", panel=DATA, note="May be repeated.")
]
DayFirst = Annotated[bool | None, option("data.day_first", "--day-first/--month-first", panel=DATA)]
Datum = Annotated[str | None, option("data.datum", panel=DATA)]
ReferenceLevel = Annotated[
    list[str] | None,
    option(
        "data.reference_level",
        panel=DATA,
        note="Write --reference-level 27.1, or for each well --reference-level MW-7=27.1.",
    ),
]
Fill = Annotated[
    list[str] | None,
    option(
        "data.fill",
        panel=DATA,
        note="Write --fill by_kind, or --fill temperature=interpolate, which may be repeated.",
    ),
]
Shares = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Shares of the train and validation periods, e.g. 0.6,0.2; the rest is the test "
        "period.",
        rich_help_panel=PERIODS,
    ),
]
ValidationStart = Annotated[str | None, option("split.validation_start", panel=PERIODS)]
TestStart = Annotated[str | None, option("split.test_start", panel=PERIODS)]
Gap = Annotated[int | None, option("split.gap", panel=PERIODS, min=0)]
Models = Annotated[
    str | None, option("models.use", "--models", panel=MODELS, note="Separate them by commas.")
]
Members = Annotated[int | None, option("models.members", panel=MODELS, min=1)]
Seed = Annotated[int | None, option("models.seed", panel=MODELS, min=0)]
LeaveOut = Annotated[int | None, option("models.leave_wells_out", panel=MODELS, min=2)]
CrossValidate = Annotated[int | None, option("models.cross_validate", panel=MODELS, min=2)]
WithoutWeather = Annotated[
    bool | None, option("models.without_weather", "--without-weather", panel=MODELS)
]
Workers = Annotated[int | None, option("models.workers", panel=RUN, min=1)]
Dask = Annotated[str | None, option("cluster.dask", panel=RUN)]
Shard = Annotated[int | None, option("cluster.shard", panel=RUN, min=1)]
Out = Annotated[Path | None, option("output.folder", "--out", panel=RESULTS)]
Figures = Annotated[int | None, option("output.figures", panel=RESULTS, min=0)]


Report = Annotated[
    bool,
    typer.Option(
        "--report",
        help="Write a report of each well as one page of HTML and of PDF, and of an evaluation of "
        "several wells one page with map and table.",
        rich_help_panel=RESULTS,
    ),
]


READING: dict[str, Any] = {
    "level_column": Annotated[str | None, option("data.level_column", panel=READ)],
    "well_column": Annotated[str | None, option("data.well_column", panel=READ)],
    "time_column": Annotated[
        list[str] | None, option("data.time_column", panel=READ, note="May be repeated.")
    ],
    "units": Annotated[str | None, option("data.units", panel=READ)],
    "depth_sign": Annotated[str | None, option("data.depth_sign", panel=READ)],
    "sensor_depth": Annotated[
        list[str] | None, option("data.sensor_depth", panel=READ, note="MW-7=12.5 for one well.")
    ],
    "barometer": Annotated[Path | None, option("data.barometer", panel=READ)],
    "at_step": Annotated[str | None, option("data.at_step", panel=READ)],
    "step": Annotated[str | None, option("data.step", panel=READ)],
    "step_stamp": Annotated[str | None, option("data.step_stamp", panel=READ)],
    "covariate_stamp": Annotated[str | None, option("data.covariate_stamp", panel=READ)],
    "duplicates": Annotated[str | None, option("data.duplicates", panel=READ)],
    "sort": Annotated[bool | None, option("data.sort", "--sort", panel=READ)],
    "missing_values": Annotated[
        list[str] | None,
        option("data.missing_values", "--missing", panel=READ, note="May be repeated."),
    ],
    "decimal": Annotated[str | None, option("data.decimal", panel=READ)],
    "delimiter": Annotated[str | None, option("data.delimiter", panel=READ)],
    "encoding": Annotated[str | None, option("data.encoding", panel=READ)],
    "date_format": Annotated[str | None, option("data.date_format", panel=READ)],
    "sheet": Annotated[str | None, option("data.sheet", panel=READ)],
    "skip_rows": Annotated[int | None, option("data.skip_rows", panel=READ, min=0)],
    "header_row": Annotated[int | None, option("data.header_row", panel=READ, min=1)],
    "covariate_units": Annotated[
        list[str] | None,
        option("data.covariate_units", "--covariate-unit", panel=READ, note="rain=in; repeated."),
    ],
    "grid": Annotated[str | None, option("data.grid", panel=READ)],
}
"""Options of how files are read, by the name of their setting."""


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that also has the options of how files are read.

    They reach the settings by :func:`load`, so the command itself does not see them.
    """

    @functools.wraps(command)
    def extended(*arguments: Any, **given: Any) -> None:
        command(*arguments, **{n: v for n, v in given.items() if n not in READING})

    signature = inspect.signature(command, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in READING.items()
    ]
    whole = signature.replace(parameters=[*signature.parameters.values(), *added])
    cast("Any", extended).__signature__ = whole
    extended.__annotations__ = {p.name: p.annotation for p in whole.parameters.values()}
    return extended


def load(context: typer.Context) -> Settings:
    """Return the settings of a command: its file, and the options that were used.

    Parameters
    ----------
    context : typer.Context
        Of a :class:`Command`, with the parameter ``config``.
    """
    from gwforecast.config import load as settings_file

    command = cast("Command", context.command)
    tables: dict[str, dict[str, object]] = {}
    for name, value in context.params.items():
        if name in command.settings and value not in (None, [], ()):
            table, setting = command.settings[name]
            read = _READ.get(name, _as_it_is)
            tables.setdefault(table, {})[setting] = read(value)
    if context.params.get("shares"):
        tables.setdefault("split", {}).update(_shares(context.params["shares"]))
    file = context.params.get("config")
    return settings_file.load_settings(
        file,
        overrides=tables,
        options={
            place: name
            for place, name in command.names.items()
            if file is None or _given(tables, *place)
        },
    )


def _given(tables: Mapping[str, Mapping[str, object]], table: str, setting: str) -> bool:
    return setting in tables.get(table, {})


def _as_it_is(value: Any) -> object:
    return list(value) if isinstance(value, list | tuple) else value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _heights(items: list[str]) -> object:
    """Return one height, or heights by well; the name of a well may contain an equals sign."""
    try:
        if len(items) == 1 and "=" not in items[0]:
            return float(items[0])
        pairs = [item.rsplit("=", 1) for item in items]
        return {well: float(height) for well, height in pairs}
    except ValueError:
        raise ValueError(
            "--reference-level takes a height in m, or wells and heights. Received "
            f"{' '.join(items)!r}. Write for example --reference-level MW-7=27.1."
        ) from None


def _rules(items: list[str]) -> object:
    if list(items) == ["by_kind"]:
        return "by_kind"
    pairs = [item.partition("=") for item in items]
    for item, (name, _, rule) in zip(items, pairs, strict=True):
        if not (name and rule):
            raise ValueError(
                f"--fill takes by_kind, or a covariate or kind and its rule with = between. "
                f"Received {item!r}. Write for example --fill temperature=interpolate."
            )
    return {name.strip(): rule.strip() for name, _, rule in pairs}


def _shares(text: str) -> dict[str, object]:
    try:
        train, validation = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--split takes the shares of the train and the validation period. Received {text!r}. "
            "Write for example --split 0.6,0.2; the rest is the test period."
        ) from None
    return {"train": train, "validation": validation}


def _one_or_several(items: list[Path]) -> object:
    return items[0] if len(items) == 1 else list(items)


def _depths(items: list[str]) -> object:
    """Return one depth, or depths by well."""
    try:
        return _heights(items)
    except ValueError as error:
        raise ValueError(str(error).replace("--reference-level", "--sensor-depth")) from None


def _codes(items: list[str]) -> object:
    """Return what stands for a missing value: numbers where they are such."""
    return [_number_or_text(item) for item in items]


def _number_or_text(item: str) -> float | str:
    try:
        return float(item)
    except ValueError:
        return item


def _units_by_name(items: list[str]) -> object:
    pairs = [item.partition("=") for item in items]
    for item, (name, _, unit) in zip(items, pairs, strict=True):
        if not (name and unit):
            raise ValueError(
                "--covariate-unit takes a covariate and its unit with = between. Received "
                f"{item!r}. Write for example --covariate-unit rain=in."
            )
    return {name.strip(): unit.strip() for name, _, unit in pairs}


_READ: dict[str, Callable[[Any], object]] = {
    "covariates": _one_or_several,
    "sensor_depth": _depths,
    "missing_values": _codes,
    "covariate_units": _units_by_name,
    "models": _names,
    "fill": _rules,
    "reference_level": _heights,
}
"""How the text of an option is read, where it is not the value itself."""
