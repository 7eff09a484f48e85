"""Options that several commands share, and the settings that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Attributes",
    "Config",
    "Covariates",
    "Dask",
    "Datum",
    "DayFirst",
    "Figures",
    "Fill",
    "Gap",
    "Height",
    "LeaveOut",
    "Levels",
    "Members",
    "Models",
    "Out",
    "Seed",
    "Shares",
    "Size",
    "Start",
    "Well",
    "Workers",
    "overrides",
]

Config = Annotated[Path | None, typer.Argument(help="TOML file; options go before its settings.")]
Levels = Annotated[Path | None, typer.Option(help="File of levels, or folder with one per well.")]
Covariates = Annotated[Path | None, typer.Option(help="File or folder of the weather.")]
Attributes = Annotated[Path | None, typer.Option(help="File of static attributes of the wells.")]
Well = Annotated[list[str] | None, typer.Option(help="Only this well; may be repeated.")]
DayFirst = Annotated[
    bool | None,
    typer.Option("--day-first/--month-first", help="Order in dates like 03/04/2020."),
]
Datum = Annotated[str | None, typer.Option(help="Vertical datum of the levels, e.g. NAP.")]
Height = Annotated[
    list[str] | None,
    typer.Option(
        help="Height that a depth to water is measured from, m above the datum; of one well among "
        "several MW-7=27.1, repeated."
    ),
]
Fill = Annotated[
    list[str] | None,
    typer.Option(help="Fill gaps: by_kind, or temperature=interpolate; may be repeated."),
]
Out = Annotated[Path | None, typer.Option(help="Folder of the results; 'results' by default.")]
Models = Annotated[str | None, typer.Option(help="Models by name, with commas: lstm,mlp,linear.")]
Members = Annotated[int | None, typer.Option(min=1, help="Networks in each ensemble.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of all that is random.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Networks trained at once.")]
Dask = Annotated[
    str | None, typer.Option(help="Workers: 'local', or a scheduler's address tcp://...")
]
Size = Annotated[int | None, typer.Option("--shard", min=1, help="Wells in a shard.")]
LeaveOut = Annotated[
    int | None, typer.Option(min=2, help="Groups of wells that global models leave out in turn.")
]
Shares = Annotated[
    str | None, typer.Option("--split", help="Shares of train and validation: 0.6,0.2.")
]
Start = Annotated[str | None, typer.Option(help="First day of the period, e.g. 2012-01-01.")]
Gap = Annotated[int | None, typer.Option(min=0, help="Steps left out between the periods.")]
Figures = Annotated[int | None, typer.Option(min=0, help="Number of wells that are drawn.")]


SETTINGS = {
    "levels": ("data", "levels"),
    "covariates": ("data", "covariates"),
    "attributes": ("data", "attributes"),
    "well": ("data", "wells"),
    "day_first": ("data", "day_first"),
    "datum": ("data", "datum"),
    "reference_level": ("data", "reference_level"),
    "fill": ("data", "fill"),
    "validation_start": ("split", "validation_start"),
    "test_start": ("split", "test_start"),
    "gap": ("split", "gap"),
    "models": ("models", "use"),
    "members": ("models", "members"),
    "seed": ("models", "seed"),
    "workers": ("models", "workers"),
    "leave_wells_out": ("models", "leave_wells_out"),
    "dask": ("cluster", "dask"),
    "shard": ("cluster", "shard"),
    "out": ("output", "folder"),
    "figures": ("output", "figures"),
}
"""Table and setting of the configuration that each option goes before."""


def overrides(given: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    """Return the options that were given as settings by table and name."""
    tables: dict[str, dict[str, object]] = {}
    for option, value in given.items():
        if option in SETTINGS and value not in (None, [], ()):
            table, name = SETTINGS[option]
            several = isinstance(value, list | tuple)
            tables.setdefault(table, {})[name] = list(value) if several else value
    if isinstance(given.get("models"), str):
        tables["models"]["use"] = [name.strip() for name in given["models"].split(",")]
    if given.get("fill"):
        tables["data"]["fill"] = _rules(list(given["fill"]))
    if given.get("reference_level"):
        tables["data"]["reference_level"] = _heights(list(given["reference_level"]))
    if given.get("shares"):
        tables.setdefault("split", {}).update(_shares(given["shares"]))
    return tables


def _heights(items: list[str]) -> object:
    """Return one height, or heights by well; the name of a well may hold an equals sign."""
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
    if items == ["by_kind"]:
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
