"""The tables of a configuration, with the meaning and the bounds of each setting.

The tables of the models are derived from their classes, see :mod:`gwforecast.config.models`. The
description of a setting is also the help of its option on the command line.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from gwforecast.models.state import LONGEST_HORIZON
from gwforecast.runs.catalogue import DEFAULT_BACKTEST, DEFAULT_MODELS, DEFAULT_SCHEDULE, MODELS

__all__ = [
    "CHAMPIONS", "AlertSettings", "BacktestSettings", "BulletinSettings", "ClusterSettings",
    "DataSettings", "ModelsSettings", "OutputSettings", "QuestionSettings", "ScheduleSettings",
    "Section", "SplitSettings", "TuneSettings",
]  # fmt: skip


if TYPE_CHECKING:
    ModelName = str
else:
    ModelName = Literal[tuple(MODELS)]


CHAMPIONS = "champions.json"  # table of the champions in the folder of the setting 'bundles'
_DURATION = re.compile(r"\d+(\.\d+)? ?(min|h|d|days?)")


def _to_path(value: object, info: ValidationInfo) -> object:
    """Return text as a path; where the settings are of a file, relative to its folder.

    The data of a database are names of tables, not of files.
    """
    if not (isinstance(value, str) and value):
        return value
    folder = None if info.data.get("database") else info.context
    return Path(value) if folder is None else folder / value


def _to_paths(value: object, info: ValidationInfo) -> object:
    if isinstance(value, list):
        return [_to_path(item, info) for item in value]
    return _to_path(value, info)


def _to_date(value: object) -> object:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value).isoformat()
        except ValueError:
            raise ValueError("a date like 2016-01-31") from None
    return value


def _to_heights(value: object) -> object:
    by_well = isinstance(value, dict) and all(map(_is_height, value.values()))
    if not (value is None or _is_height(value) or by_well):
        raise ValueError("a height in m, or a table of heights by well")
    return value


def _is_height(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _to_limits(value: object) -> object:
    pairs = isinstance(value, dict) and all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(map(_is_height, pair))
        and pair[0] < pair[1]
        for pair in value.values()
    )
    if not (value is None or pairs):
        raise ValueError("a table of [bottom, top] by well, m, e.g. MW1 = [12.5, 48.0]")
    return value


def _to_rules(value: object) -> object:
    named = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if not (value is None or value == "by_kind" or named):
        raise ValueError("'by_kind', or a table of rules by covariate or kind")
    return value


def _to_years(value: object) -> object:
    found = re.fullmatch(r"(\d{4})-(\d{4})", value) if isinstance(value, str) else None
    if found is None or found[1] > found[2]:
        raise ValueError("the first and the last year of a period, like 1981-2010")
    return value


def _to_duration(value: object) -> object:
    if not (isinstance(value, str) and _DURATION.fullmatch(value)):
        raise ValueError("a number and a unit, like 48h or 8d")
    return value


FilePath = Annotated[Path, BeforeValidator(_to_path)]
Date = Annotated[str, BeforeValidator(_to_date)]
Duration = Annotated[str, BeforeValidator(_to_duration)]
Years = Annotated[str, BeforeValidator(_to_years)]
Positive = Annotated[int, Field(ge=1)]
MemberCount = Annotated[int, Field(ge=1, le=1000)]
Horizon = Annotated[int, Field(ge=1, le=LONGEST_HORIZON)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A table of the file; a setting that is left out takes its default."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    def given(self) -> dict[str, Any]:
        """Return the settings that the user gave, by name."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


def _say(description: str, default: Any = None) -> Any:
    """Return a setting with its meaning and its default."""
    return Field(default, description=description)


class DataSettings(Section):
    """Where the data are and how their files are written."""

    database: str | None = _say(
        "URL of an SQL database, in the form of SQLAlchemy; 'levels', 'covariates' and "
        "'attributes' are then names of tables."
    )
    levels: FilePath = Field(description="File of levels, or folder with one file per well.")
    covariates: Annotated[Path | list[Path] | None, BeforeValidator(_to_paths)] = _say(
        "File or folder of the weather and other covariates, or several files; gridded NetCDF is "
        "read at the wells' coordinates."
    )
    attributes: FilePath | None = _say(
        "File of static attributes, a row for each well. If the weather is given by station, a "
        "column names the station of each well."
    )
    wells: list[str] | None = _say("Use only these wells.")
    well: str | None = _say("Name of the well, if the file has none.")
    level_column: str | None = _say("Column of the levels, if several columns could be it.")
    well_column: str | None = _say("Column of the well names, if several columns could be it.")
    time_column: str | list[str] | None = _say(
        "Column of the times, or the columns of date and time of day."
    )
    reference_level: Annotated[Any, BeforeValidator(_to_heights)] = _say(
        "Height from which depths to water are measured, m above the datum: one height, or heights "
        "by well."
    )
    depth_sign: Literal["positive_down", "negative_down"] | None = _say(
        "Sign of depths to water, if the data do not show it."
    )
    sensor_depth: Annotated[Any, BeforeValidator(_to_heights)] = _say(
        "Depth of a logger's sensor below the measuring point, m, to convert its pressure to a "
        "level: one depth, or depths by well."
    )
    barometer: FilePath | None = _say(
        "File of air pressure, for loggers that record absolute pressure."
    )
    datum: str | None = _say("Vertical datum of the levels, e.g. NAP.")
    units: Literal["m", "cm", "mm", "dm", "ft", "in"] | None = _say(
        "Unit of the levels, if the file does not state it."
    )
    covariate_units: dict[str, str] | None = _say("Unit of each covariate, by name.")
    day_first: bool | None = _say("Dates like 03/04/2020 start with the day.")
    decimal: Literal[".", ","] | None = _say("Decimal mark of text files.")
    delimiter: str | None = _say("Column separator of text files.")
    encoding: str | None = _say("Encoding of text files, e.g. cp1252.")
    date_format: str | None = _say("Format of the dates in strftime codes, e.g. %d.%m.%Y %H:%M.")
    sheet: str | None = _say("Worksheet to read from a workbook.")
    skip_rows: Annotated[int, Field(ge=0)] | None = _say(
        "Number of lines to skip above the header."
    )
    header_row: Positive | None = _say("Line number of the header, counted from 1.")
    at_step: Literal["mean", "last", "first", "nearest"] | None = _say(
        "Which level represents a time step: the mean, last or first of the step, or the nearest "
        "to its time stamp."
    )
    step: str | None = _say(
        "Time step of the data: D, W-SUN, MS, ME, QS or QE. Covariates with shorter steps are "
        "aggregated: rain by its sum, temperature by its mean."
    )
    step_stamp: Literal["begin", "end"] | None = _say(
        "Whether a time stamp marks the beginning or the end of its step."
    )
    covariate_stamp: Literal["begin", "end"] | None = _say(
        "Whether the time stamps of covariates with shorter steps, e.g. hourly rain, mark the "
        "beginning (default) or the end of these steps."
    )
    grid: Literal["nearest", "bilinear"] | None = _say(
        "How gridded weather is read at a well; by default from the nearest cell."
    )
    duplicates: Literal["first", "last", "mean"] | None = _say(
        "Which value to keep if a time occurs with different values; by default this is an error."
    )
    sort: bool = _say("Sort times that are out of order; by default this is an error.", False)
    missing_values: list[float | str] = Field(
        default_factory=list,
        description="Numbers and texts that mark a missing value, e.g. -9999 or 'defekt'.",
    )
    fill: Annotated[Any, BeforeValidator(_to_rules)] = _say(
        "How to fill gaps in covariates: 'by_kind', or rules by covariate or kind, e.g. "
        "temperature = 'interpolate'."
    )
    derive: list[str] = Field(
        default_factory=list,
        description="Covariates to derive from the others, for all models, after gaps are filled: "
        "names of gwforecast.data.covariates.FEATURES, e.g. 'snow'.",
    )

    def reading(self) -> dict[str, Any]:
        """Return the settings that the user gave for the reader, by name."""
        left_out = ("database", "levels", "covariates", "fill", "derive")
        return {n: v for n, v in self.given().items() if n not in left_out and v is not None}

    def files(self) -> list[Path]:
        """Return the files and folders of the data; none for a database."""
        if self.database is not None:
            return []
        covariates = self.covariates if isinstance(self.covariates, list) else [self.covariates]
        listed = [self.levels, *covariates, self.attributes, self.barometer]
        return [path for path in listed if path is not None]


class SplitSettings(Section):
    """The train, validation and test periods, by shares of the observed levels or by dates."""

    train: Annotated[float, Field(gt=0, lt=1)] = _say("Share of the train period.", 0.6)
    validation: Share = _say("Share of the validation period; the rest is the test period.", 0.2)
    validation_start: Date | None = _say("First day of the validation period.")
    test_start: Date | None = _say("First day of the test period.")
    test_end: Date | None = _say("Last day of the test period; by default that of the data.")
    gap: Annotated[int, Field(ge=0)] = _say("Steps left out between the periods.", 0)


class ModelsSettings(Section):
    """Which models are evaluated, and what they share."""

    use: Annotated[list[ModelName], Field(min_length=1)] = _say(
        "Models by name; those of the default that do not suit the data are left out.",
        list(DEFAULT_MODELS),
    )
    baseline: ModelName = _say("Model that skill is measured against.", "climatology")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = _say("Seed of all random numbers.", 0)
    members: MemberCount | None = _say("Members of each ensemble of networks.")
    workers: Positive | None = _say(
        "Number of networks trained at the same time, and of processes that fit other models "
        "(Linux only); by default the number of cores."
    )
    without_weather: bool = _say(
        "Allow weather-driven models to be fitted on the season alone if there are no weather "
        "data.",
        False,
    )
    leave_wells_out: Annotated[int, Field(ge=2)] | None = _say(
        "Cross-validate global models over wells, in this many groups."
    )
    cross_validate: Annotated[int, Field(ge=2)] | None = _say(
        "Cross-validate models over this many blocks of years; each block is simulated by models "
        "fitted on the others."
    )


class BacktestSettings(Section):
    """Rolling origins: when forecasts are issued, how far, and with what weather."""

    models: Annotated[list[ModelName], Field(min_length=1)] = _say(
        "Models by name.", list(DEFAULT_BACKTEST)
    )
    forcing: Literal["observed", "climatology"] = _say(
        "Weather after the issue time: observed or climatology.", "observed"
    )
    horizon: Horizon | None = _say("Number of lead times, in steps; by default 3 months.")
    stride: Positive | None = _say(
        "Steps from one issue time to the next; by default a week (8 days if daily) or one step."
    )
    start: Date | None = _say("First issue time, e.g. 2015-01-01.")
    end: Date | None = _say("Last issue time.")
    refit_every: Positive | None = _say(
        "Number of issue times from one refit to the next; by default models are not refitted."
    )
    sliding: bool = _say(
        "Refit on a window of constant length instead of all earlier levels.", False
    )
    threshold: Annotated[Any, BeforeValidator(_to_heights)] = _say(
        "Verify forecasts of a level below this threshold, m; by default below the lower tercile "
        "of each well and month."
    )
    folder: FilePath = _say("Folder of the results.", Path("backtest"))


class QuestionSettings(Section):
    """The questions of the commands fill, extend, simulate, whatif, explain and trend."""

    blocks: Annotated[int, Field(ge=2)] = _say(
        "Blocks of years; each is simulated by models that have not seen its levels.", 5
    )
    longest: Positive | None = _say(
        "Longest gap to fill, in time steps; by default all gaps are filled."
    )
    changes: list[str] = Field(
        default_factory=list,
        description="Changes of covariates: rain=*0.8, temperature=+2, pumping=0, rain=*0.8@6-8.",
    )
    name: str = _say("Name of the scenario in tables and figures.", "scenario")
    projections: list[FilePath] = Field(
        default_factory=list,
        description="NetCDF files of climate projections: covariates over time, and any of well, "
        "member, model.",
    )
    reference: Years = _say("Reference period of projections.", "1981-2010")
    periods: Annotated[list[Years], Field(min_length=1)] = _say(
        "Periods of projections that are compared with the reference.", ["2071-2100"]
    )
    folder: FilePath | None = _say(
        "Folder of the results; by default one named after the command, such as filled."
    )


class ScheduleSettings(Section):
    """Scheduled forecasts: by which models, how far, with what weather, and where they are kept."""

    models: Annotated[list[ModelName], Field(min_length=1)] = _say(
        "Models by name; their forecasts are averaged.", list(DEFAULT_SCHEDULE)
    )
    horizon: Horizon | None = _say("Number of lead times, in steps; by default 3 months.")
    forcing: Literal["climatology", "observed"] = _say(
        "Weather after the issue time.", "climatology"
    )
    weather_forecast: FilePath | None = _say(
        "NetCDF file of a weather forecast; climatology continues it."
    )
    oldest: NotNegative = _say(
        "Greatest age of the weather forecast at the issue time, days; then climatology.", 10.0
    )
    limits: Annotated[Any, BeforeValidator(_to_limits)] = _say(
        "Bottom and top of wells, m above the datum, a table of [bottom, top] by well: no level or "
        "forecast may pass them. By default the attributes well_bottom and ground_level."
    )
    bundles: FilePath = _say("Folder of the trained models.", Path("models"))
    archive: FilePath = _say("Folder of the published forecasts.", Path("archive"))
    level_age: NotNegative = _say("Greatest age of the last level of a well, days.", 45.0)
    weather_age: NotNegative = _say("Greatest age of the last covariates, days.", 45.0)
    failed_share: Annotated[float, Field(ge=0, le=1)] = _say(
        "Share of wells that may fail before a run ends with an error.", 0.1
    )
    group: Positive = _say("Wells that are trained together.", 50)
    sql: str | None = _say("Address of a database that forecasts are also written to.")
    head: FilePath | None = _say(
        "File, on another disk, with the head of the archive: an old copy of the archive is then "
        "noticed before anything is published."
    )


class BulletinSettings(Section):
    """The bulletin: its heading, whom to ask, and when it is old."""

    title: str = _say("Heading of the page.", "Groundwater levels")
    contact: str | None = _say("Contact, e.g. 'Groundwater desk, gw@office.example, +49 30 1234'.")
    max_age: Duration | None = _say(
        "Age of a forecast above which the page shows a banner, e.g. '48h' or '8d'."
    )
    cards: Annotated[int, Field(ge=0)] = _say(
        "Largest number of wells with a figure and a table on the page itself.", 40
    )


class AlertSettings(Section):
    """Alert levels by well, and whom to notify of crossings and changes of status."""

    below: Annotated[Any, BeforeValidator(_to_heights)] = _say(
        "A level below this is an event, m: one for all wells, or a table by well."
    )
    above: Annotated[Any, BeforeValidator(_to_heights)] = _say(
        "A level above this is an event, m: one for all wells, or a table by well."
    )
    probability: Annotated[float, Field(gt=0, lt=1)] = _say(
        "Probability of a crossing within the horizon from which it is reported.", 0.5
    )
    status: bool = _say("Report changes of the status of a well.", True)
    webhook: str | None = _say(
        "URL to which events are posted as JSON, http(s)://...; signed if the environment has "
        "GWFORECAST_WEBHOOK_SECRET."
    )
    mail_to: list[str] = Field(default_factory=list, description="Recipients of the mail.")
    mail_from: str | None = _say("Sender of the mail.")
    smtp: str | None = _say(
        "Mail server, smtp://host:25, smtp+starttls://user@host:587 or smtps://user@host:465; its "
        "password is GWFORECAST_SMTP_PASSWORD in the environment."
    )
    timeout: Annotated[float, Field(gt=0)] = _say("Seconds to wait for a server.", 20.0)


SHARD = 50  # wells, by default


class ClusterSettings(Section):
    """Runs with many wells: shards, and the Dask workers that compute them."""

    dask: Annotated[str, Field(pattern=r"^(local|(tcp|tls|ws|wss)://.+)$")] | None = _say(
        "Dask workers: 'local', or the address of a scheduler, tcp://..."
    )
    shard: Positive | None = _say("Number of wells in a shard; 50 by default in a run with shards.")
    workers: Positive | None = _say("Dask workers of a local cluster.")
    retries: Annotated[int, Field(ge=0)] = _say("Number of times a failed shard is tried again.", 2)
    timeout: Annotated[float, Field(gt=0)] = _say(
        "Seconds to wait for the scheduler of a cluster.", 30.0
    )

    @property
    def asked(self) -> bool:
        """Whether the run is divided into shards."""
        return self.dask is not None or self.shard is not None

    @property
    def size(self) -> int:
        """Wells in a shard."""
        return self.shard or SHARD


class OutputSettings(Section):
    """Where the results go, and for how many wells figures are drawn."""

    folder: FilePath = _say("Folder of the results.", Path("results"))
    figures: Annotated[int, Field(ge=0)] = _say("Number of wells to draw figures for.", 12)


class TuneSettings(Section):
    """The hyperparameter search of one model."""

    model: ModelName = _say("Model by name.", "lstm")
    trials: Positive = _say("Trials in all.", 30)
    metric: str = _say("Metric that is optimised in the validation period.", "nse")
    timeout: Annotated[float, Field(gt=0)] | None = _say(
        "Seconds after which no further trial is started."
    )
    folder: FilePath = _say("Folder of the search.", Path("tuning"))
    space: dict[str, list[Any]] | None = _say(
        'Range of each setting to search, e.g. dropout = ["float", 0.0, 0.5]; by default that of '
        "the model."
    )
