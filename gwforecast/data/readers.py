"""Observations from files: text, workbooks, Parquet, XML, loggers, NetCDF, Zarr, and folders.

How files are known and read is in ``gwforecast.data.layouts``; here their tables become levels,
covariates and attributes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.assemble import (
    AtStep,
    DepthSign,
    Duplicates,
    StepStamp,
    observations_from_frames,
)
from gwforecast.data.columns import Levels, series_by_well
from gwforecast.data.layouts.base import Dialect, RawTable
from gwforecast.data.layouts.files import READABLE, read_file, read_named_rows
from gwforecast.data.layouts.grids import is_grid, read_grids
from gwforecast.data.layouts.loggers import levels_from_pressure
from gwforecast.data.layouts.records import levels_of_series, side_by_side
from gwforecast.data.roles import find_roles, is_numeric
from gwforecast.data.stores import is_store, known_wells, list_store, read_store
from gwforecast.data.text.delimited import check_exists
from gwforecast.data.time_axis import hour_of
from gwforecast.data.understood import ATTRIBUTE, Understood, describe
from gwforecast.data.weather import of_each_well, table_of_covariates
from gwforecast.schema import SchemaError

__all__ = ["list_wells", "read_levels", "read_observations"]

_WEATHER = ("rain", "temperature", "temperature_min", "temperature_max", "evapotranspiration")
_OTHERS = ("level", "depth", "value", "unknown", "well")
GENERIC_STEMS = ("heads", "head", "levels", "level", "gw", "gwl", "data", "groundwater",
                 "observations", "heads_full")  # fmt: skip
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_observations(
    levels: str | os.PathLike[str],
    covariates: Paths | None = None,
    *,
    attributes: str | os.PathLike[str] | None = None,
    wells: Sequence[str] | None = None,
    well: str | None = None,
    level_column: str | None = None,
    well_column: str | None = None,
    time_column: str | Sequence[str] | None = None,
    reference_level: float | Mapping[str, float] | None = None,
    depth_sign: DepthSign | None = None,
    sensor_depth: float | Mapping[str, float] | None = None,
    barometer: str | os.PathLike[str] | None = None,
    datum: str | None = None,
    units: str | None = None,
    covariate_units: Mapping[str, str] | None = None,
    day_first: bool | None = None,
    date_format: str | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    skip_rows: int | None = None,
    header_row: int | None = None,
    at_step: AtStep | None = None,
    step: str | None = None,
    step_stamp: StepStamp | None = None,
    covariate_stamp: StepStamp | None = None,
    duplicates: Duplicates | None = None,
    sort: bool = False,
    missing_values: Iterable[float | str] | float | str = (),
    grid: Literal["nearest", "bilinear"] = "nearest",
) -> xr.Dataset:
    """Read levels, weather and static attributes from files.

    What was understood is in the attribute ``understood`` of the result; read it as a table with
    ``gwforecast.understood``.

    Parameters
    ----------
    levels : path
        CSV or other text, workbook, Parquet, PI-XML or the file of a logger, of one well, or wide
        or long of several; a folder with one file for each well; or NetCDF or a Zarr store with
        levels and covariates.
    covariates : path or sequence of paths, optional
        Files that all wells share, or a folder with one file for each well. Files of two
        folders belong together by their names without what all names of a folder end with.
        Several files are joined. Gridded NetCDF (E-OBS, ERA5-Land, HYRAS) is read at the wells'
        coordinates. Without it, weather beside the levels is used where there is rain.
    attributes : path, optional
        Table with a row for each well, its name first. Where the covariates are given by station
        or region, a column of it names that of each well.
    wells : sequence of str, optional
        Only these wells.
    time_column : str or sequence of str, optional
        Column of the times, or those of date and clock.
    sensor_depth : float or mapping of str to float, optional
        Depth of a logger's sensor below the measuring point, m: its pressure becomes a depth to
        water.
    barometer : path, optional
        Air pressure of the same period, for loggers that measure the absolute pressure.
    day_first, date_format, decimal, delimiter, encoding, sheet, skip_rows, header_row
        How text is written; found out where the file says it, an error where it does not.
        ``header_row`` is the line of the header, from 1; ``skip_rows`` the lines above it.
    missing_values : float, str or iterable of these
        Numbers and texts that stand for a missing value, besides the common ones.
    grid : {"nearest", "bilinear"}
        How gridded weather is read at a well.
    well, level_column, well_column, reference_level, depth_sign, datum, units, covariate_units, \
at_step, step, step_stamp, covariate_stamp, duplicates, sort
        As in :func:`gwforecast.data.assemble.observations_from_frames`.

    Returns
    -------
    xarray.Dataset
        Observations, dims (well, time): ``level``, m, NaN where nothing was observed, covariates,
        and static attributes (well,).

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist.
    SchemaError
        If a file can't be read as such data; names file, line, column, well or time.
    """
    path = Path(levels)
    if isinstance(wells, str):
        raise ValueError(f"wells must be a list of names. Received {wells!r}. Write [{wells!r}].")
    if is_store(path):
        idle = (covariates, attributes, well, level_column, reference_level, datum, units)
        return _of_store(path, wells, [value for value in idle if value is not None])
    single = isinstance(missing_values, int | float | str)
    codes: list[Any] = [missing_values] if single else list(missing_values)  # type: ignore[arg-type]
    dialect = _dialect(well_column, {
        "delimiter": delimiter, "decimal": decimal, "day_first": day_first, "encoding": encoding,
        "skip_rows": skip_rows, "header_row": header_row, "date_format": date_format,
        "sheet": sheet, "time_column": time_column, "missing_values": codes,
    })  # fmt: skip
    weather = _paths(covariates)
    pressure = (sensor_depth, barometer)
    reader = _Reader(path, weather, dialect, level_column, well_column, pressure)
    found = reader.levels(wells=wells, well=well)
    static = None if attributes is None else read_named_rows(Path(attributes), dialect)
    return observations_from_frames(
        found,
        reader.covariates(found, static, grid),
        attributes=static,
        reference_level=reference_level,
        depth_sign=depth_sign,
        datum=datum,
        units=units,
        covariate_units=covariate_units,
        at_step=at_step,
        step=step,
        step_stamp=step_stamp,
        covariate_stamp=covariate_stamp,
        duplicates=duplicates,
        sort=sort,
        missing_values=codes,
    )


def _of_store(path: Path, wells: Sequence[str] | None, idle: list[object]) -> xr.Dataset:
    """Return the observations of a store with what was understood, unless it came with them."""
    if idle:
        raise ValueError(
            "A NetCDF file or Zarr store holds levels, covariates and attributes with their names "
            f"and units. Received {idle[0]!r} beside {path}, which would change nothing. Leave it "
            "out, or set it in the Dataset."
        )
    observations = read_store(path, wells=wells)
    if ATTRIBUTE in observations.attrs:
        return observations
    said = Understood()
    said.say("layout", "NetCDF or Zarr store with wells and times")
    said.say("files", str(path))
    datum = observations[schema.LEVEL].attrs.get("vertical_datum", "not stated")
    said.say("read as", f"height in m; vertical datum {datum}")
    describe(observations, said)
    return observations.assign_attrs({ATTRIBUTE: said.to_json()})


def read_levels(
    levels: str | os.PathLike[str],
    *,
    well: str | None = None,
    level_column: str | None = None,
    well_column: str | None = None,
    **writing: Any,
) -> dict[str, pd.Series]:
    """Return the levels of each well as a file holds them: in its order, with all duplicates.

    Raises FileNotFoundError if the file or folder does not exist, and SchemaError if a file can't
    be read as levels.
    """
    path = Path(levels)
    if is_store(path):
        return {}
    pressure = (writing.get("sensor_depth"), writing.get("barometer"))
    dialect = _dialect(well_column, writing)
    reader = _Reader(path, [], dialect, level_column, well_column, pressure)
    return reader.levels(wells=None, well=well).series


def _dialect(well_column: str | None, writing: Mapping[str, Any]) -> Dialect:
    """Return how text is written, of the settings of a reader; others are left out."""
    names = ("delimiter", "decimal", "day_first", "encoding", "skip_rows", "header_row",
             "date_format", "sheet")  # fmt: skip
    given = {name: writing[name] for name in names if writing.get(name) is not None}
    times = writing.get("time_column") or ()
    missing = writing.get("missing_values") or ()
    missing = [missing] if isinstance(missing, int | float | str) else missing
    return Dialect(
        **given,
        time_column=(times,) if isinstance(times, str) else tuple(times),
        text_columns=(well_column,) if well_column else (),
        missing=tuple(value for value in missing if isinstance(value, str)),
    )


def list_wells(
    levels: str | os.PathLike[str],
    covariates: Paths | None = None,
    *,
    well: str | None = None,
    level_column: str | None = None,
    well_column: str | None = None,
    **writing: Any,
) -> list[str]:
    """Return the names of the wells; of a folder its files are not opened.

    Raises FileNotFoundError if the file or folder does not exist, and SchemaError if a table
    cannot be read as levels.
    """
    path = Path(levels)
    if is_store(path):
        return list_store(path)
    if path.is_dir():
        folder = next((p for p in _paths(covariates) if p.is_dir()), None)
        return list(_files(path)[0] if folder is None else _paired(path, folder)[0])
    columns = {"level_column": level_column, "well_column": well_column}
    return list(read_levels(path, well=well, **columns, **writing))


def _paths(given: Paths | None) -> list[Path]:
    if given is None:
        return []
    return [Path(item) for item in ([given] if isinstance(given, str | os.PathLike) else given)]


@dataclass
class _Reader:
    """The files of levels and covariates, each read once."""

    path: Path
    weather: list[Path]
    dialect: Dialect
    level_column: str | None
    well_column: str | None
    pressure: tuple[Any, Any]  # depth of the sensor, and file of the barometer
    tables: Any = None
    sheets: list[RawTable] = field(default_factory=list)

    def levels(self, *, wells: Sequence[str] | None, well: str | None) -> Levels:
        """Return the levels by well, only those that are wanted."""
        self.tables, notes = self._tables(wells)
        found = series_by_well(
            self._compensated(self.tables, well), well=well, default=_well_name(self.path),
            level_column=self.level_column, well_column=self.well_column,
        )  # fmt: skip
        if wells is not None:
            known = known_wells(wells, list(found.series), self.path)
            found = replace(found, series={name: found.series[name] for name in known})
        return replace(found, notes=(f"files: {self.path}", *found.notes, *notes))

    def _tables(self, wells: Sequence[str] | None) -> tuple[Any, list[str]]:
        """Return the table of a file, or tables by well; and what was not read."""
        if not self.path.is_dir():
            parts = read_file(self.path, self.dialect)
            self.sheets = _sheets_of_weather(parts)
            names = ", ".join(repr(raw.part) for raw in self.sheets)
            notes = [f"covariates: sheets {names} of the workbook"] if names else []
            levels = [raw for raw in parts if all(raw is not other for other in self.sheets)]
            return _levels_of_parts(levels, self.level_column), notes
        files, left, ending = _files(self.path)
        folder = next((p for p in self.weather if p.is_dir()), None)
        files = files if folder is None else _paired(self.path, folder)[0]
        wanted = list(files) if wells is None else known_wells(wells, list(files), self.path)
        notes = [f"left out: file {name!r} ({why})" for name, why in left.items()]
        notes.append(f"wells: {len(wanted)} files of the folder, by their names{ending}")
        return {
            name: _levels_of_parts(read_file(files[name], self.dialect), self.level_column)
            for name in wanted
        }, notes

    def _compensated(self, tables: Any, well: str | None) -> Any:
        """Return tables whose pressures are depths, where the depth of the sensor is given."""
        depth, barometer = self.pressure
        if depth is None and barometer is None:
            return tables
        if depth is None:
            raise SchemaError(
                "A pressure becomes a level with the depth of the sensor. Received barometer= "
                f"{str(barometer)!r} without it. Give sensor_depth= (--sensor-depth), m below the "
                "measuring point, and reference_level=."
            )
        air = None
        if barometer is not None:
            air = read_file(Path(barometer), Dialect(encoding=self.dialect.encoding))[0]
        by_well = tables if isinstance(tables, dict) else {None: tables}
        made = {
            name: levels_from_pressure(
                raw, barometer=air, sensor_depth=depth,
                well=well or name or raw.facts.get("well") or _well_name(self.path),
            )
            for name, raw in by_well.items()
        }  # fmt: skip
        return made if isinstance(tables, dict) else made[None]

    def covariates(self, found: Levels, static: pd.DataFrame | None, grid: str) -> Any:
        """Return the covariates for the wells: of their files, or those beside the levels."""
        wells = list(found.series)
        if not self.weather:
            sheets = self.sheets
            return _covariates_of_sheets(sheets, wells) if sheets else _beside(self.tables, found)
        joined: Any = None
        for path in self.weather:
            part = self._of_path(path, found, wells, static, grid)
            joined = part if joined is None else _joined(joined, part, wells, static)
        return joined

    def _other_sheets(self) -> list[RawTable]:
        """Return the sheets of the workbook of the levels that hold weather."""
        if self.dialect.sheet is None:
            return self.sheets
        parts = read_file(self.path, replace(self.dialect, sheet=None))
        return [raw for raw in _sheets_of_weather(parts) if raw.part != self.dialect.sheet]

    def _of_path(
        self, path: Path, found: Levels, wells: list[str], static: pd.DataFrame | None, grid: str
    ) -> Any:
        check_exists(path)
        if is_grid(path):
            return read_grids(path, wells, static, method=grid)
        if path.resolve() == self.path.resolve() and (sheets := self._other_sheets()):
            return _covariates_of_sheets(sheets, wells)
        same = path.resolve() == self.path.resolve()  # its columns of levels are no covariates
        drop = (found.source, *found.left, *found.columns) if same else ()
        plain = replace(self.dialect, time_column=(), text_columns=(), header_row=None,
                        skip_rows=None) if not drop else self.dialect  # fmt: skip
        plain = plain if path.suffix.lower() in (".xlsx", ".xlsm") else replace(plain, sheet=None)
        if not path.is_dir():
            parts = read_file(path, plain)
            if not drop:
                parts[0].notes.insert(0, f"weather file: {path}")
            return _covariates_of_parts(parts, wells, drop)
        paired = self.path.is_dir()
        files = _paired(self.path, path)[1] if paired else _files(path)[0]
        notes: list[str] = []
        files = of_each_well(files, wells, static, notes)
        raws = {file: read_file(file, plain)[0] for file in dict.fromkeys(files.values())}
        raws[files[wells[0]]].notes.extend(notes)
        tables = {file: table_of_covariates(raw, drop=drop) for file, raw in raws.items()}
        return {name: tables[files[name]] for name in wells}


def _levels_of_parts(parts: list[RawTable], level_column: str | None) -> Any:
    """Return the one table of a file, or its sheets or series by well."""
    if len(parts) == 1:
        return parts[0]
    if parts[0].layout == "Delft-FEWS PI-XML":
        return levels_of_series(parts, level_column)
    tables = {}
    for raw in parts:
        try:
            find_roles(raw, level_column=level_column)
        except SchemaError as error:
            raise SchemaError(
                "Each sheet of a workbook with several must hold the levels of a well. Received "
                f"the sheet {raw.part!r} of {raw.path}, which has none ({error}). Choose one with "
                "sheet=, or write each well into its own file."
            ) from None
        tables[str(raw.part)] = raw
    return tables


def _covariates_of_parts(parts: list[RawTable], wells: list[str], drop: tuple[str, ...]) -> Any:
    """Return the covariates of a file: its table, or its series joined."""
    if len(parts) == 1 and parts[0].layout != "Delft-FEWS PI-XML":
        return table_of_covariates(parts[0], drop=drop, wells=wells)
    if parts[0].layout != "Delft-FEWS PI-XML":
        return _covariates_of_sheets(parts, wells, drop)
    parts = [raw for raw in parts if raw.header(raw.facts["parameter"]).meaning not in (
        "level", "depth")]  # fmt: skip
    if not parts:
        raise SchemaError(
            "A file of covariates must hold covariates. Received levels only. Give the file of "
            "the weather."
        )
    places = list(dict.fromkeys(raw.facts["well"] for raw in parts))
    if set(wells) <= set(places):
        return {w: side_by_side([r for r in parts if r.facts["well"] == w], False) for w in wells}
    return side_by_side(parts, len(places) > 1)


def _sheets_of_weather(parts: list[RawTable]) -> list[RawTable]:
    """Return the sheets of a workbook that hold weather and no level, where others hold levels."""
    found = [
        raw for raw in parts
        if raw.part is not None and raw.layout != "Delft-FEWS PI-XML"
        and any(raw.header(c).kind in _WEATHER for c in raw.frame)
        and not any(raw.header(c).meaning in _OTHERS for c in raw.frame if is_numeric(raw.frame[c]))
    ]  # fmt: skip
    return found if len(found) < len(parts) else []


def _covariates_of_sheets(
    parts: list[RawTable], wells: list[str], drop: tuple[str, ...] = ()
) -> Any:
    """Return the covariates of sheets: named as the wells, or for all wells and joined.

    Raises SchemaError if some sheets are named as wells and other wells have none.
    """
    tables = {str(raw.part): table_of_covariates(raw, drop=drop, wells=wells) for raw in parts}
    if set(wells) <= set(tables):
        return tables
    if set(wells) & set(tables):
        without = next(name for name in wells if name not in tables)
        raise SchemaError(
            "Sheets of covariates must be named as the wells, or be for all. Received the sheets "
            f"{list(tables)[:6]} in {parts[0].path}, and none for {without!r}. Add it, or choose "
            "one with sheet=."
        )
    joined: Any = None
    for part in tables.values():
        joined = part if joined is None else _joined(joined, part, wells)
    return joined


def _joined(
    first: Any, second: Any, wells: list[str], attributes: pd.DataFrame | None = None
) -> Any:
    """Return covariates of two files together."""
    if isinstance(first, dict) or isinstance(second, dict):
        notes: list[str] = []
        left, right = (
            of_each_well(side, wells, attributes, notes)
            if isinstance(side, dict)
            else dict.fromkeys(wells, side)
            for side in (first, second)
        )
        made: dict[tuple[int, int], RawTable] = {}
        joined = {}
        for name in wells:
            key = (id(left[name]), id(right[name]))
            if key not in made:
                made[key] = _joined_tables(left[name], right[name])
            joined[name] = made[key]
        joined[wells[0]].notes.extend(notes)
        return joined
    return _joined_tables(first, second)


def _of_days(raw: RawTable) -> RawTable:
    """Return a table stamped with its days instead of an hour of them."""
    if not hour_of(raw.frame.index):
        return raw
    days = pd.DatetimeIndex(raw.frame.index).normalize()
    raw.notes.append(f"time: stamps of {raw.path and raw.path.name} at one hour are taken as days")
    return raw.changed(frame=raw.frame.set_axis(days, axis=0), times=days)


def _joined_tables(first: RawTable, second: RawTable) -> RawTable:
    clash = [c for c in second.frame.columns if c in first.frame.columns]
    if clash:
        raise SchemaError(
            f"Covariates must have names of their own. Received {str(clash[0])!r} in "
            f"{first.path} and in {second.path}. Rename one."
        )
    for raw in (first, second):
        if raw.frame.index.has_duplicates:
            time = raw.frame.index[raw.frame.index.duplicated()][0]
            raise SchemaError(
                "Files of covariates that are joined must have each time once. Received "
                f"{timeline.format_time(time)} twice in {raw.path}. Remove one."
            )
    hours = {hour_of(raw.frame.index) for raw in (first, second)}
    if len(hours) > 1 and None not in hours:  # rain of a date, and a stage of its noon
        first, second = (_of_days(raw) for raw in (first, second))
    frame = first.frame.join(second.frame, how="outer")
    notes = list(dict.fromkeys([*first.notes, *second.notes]))
    return first.changed(
        frame=frame, headers={**first.headers, **second.headers}, notes=notes,
        times=pd.DatetimeIndex(frame.index),
    )  # fmt: skip


def _beside(tables: Any, found: Levels) -> Any:
    """Return the weather beside the levels, where there is rain and its steps are regular."""
    rain = [c for c in found.covariates if _kind(tables, c) == "rain"]
    if not rain:
        return None
    by_well = tables if isinstance(tables, dict) else {"": tables}
    if any(raw.frame.index.has_duplicates for raw in by_well.values()):
        return None
    made = {}
    for name, raw in by_well.items():
        kept = [c for c in found.covariates if c in raw.frame]
        if timeline.frequency_of(raw.frame.sort_index().index.to_numpy()) is None:
            return None
        made[name] = raw.changed(frame=raw.frame[kept], notes=[
            "covariates: the columns beside the levels, in the same file"])  # fmt: skip
    return made if isinstance(tables, dict) else made[""]


def _kind(tables: Any, column: str) -> str | None:
    first = next(iter(tables.values())) if isinstance(tables, dict) else tables
    return first.header(column).kind if column in first.frame else None


def _files(folder: Path) -> tuple[dict[str, Path], dict[str, str], str]:
    """Return the tables of a folder by well, what is not read, and what all names end with."""
    there = sorted(f for f in folder.iterdir() if f.is_file())
    files = [f for f in there if f.suffix.lower() in READABLE and not f.name.startswith((".", "~"))]
    left = {f.name: "no table" for f in there if f not in files}
    left |= {f.name: "a folder" for f in sorted(folder.iterdir()) if f.is_dir()}
    notes = [f for f in files if re.match(r"(?i)^(?:read_?me|licen[cs]e|metadata)", f.stem)]
    left |= {f.name: "not data, by its name" for f in notes}
    files = [f for f in files if f not in notes]
    if not files:
        raise SchemaError(
            f"A folder of wells must hold tables ({', '.join(READABLE[:6])}, ...). Received none "
            f"in {folder}. Check the path."
        )
    stems = pd.Index([file.stem for file in files], dtype=object)  # of any bytes
    if stems.has_duplicates:
        first = stems[stems.duplicated()][0]
        raise SchemaError(
            f"A folder must hold one file for each well. Received several named {first!r} in "
            f"{folder}. Leave only one."
        )
    suffix = _common_ending(list(stems))
    named = {stem.removesuffix(suffix) or stem: f for stem, f in zip(stems, files, strict=True)}
    return named, left, f" without {suffix!r}" if suffix else ""


def _paired(levels: Path, weather: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files of two folders by names of wells that both share, where there are such.

    What all stems of a folder end with is not known where it holds one file, or wells whose own
    names end alike; the beginnings that stems of both folders share show it.
    """
    files, others = _files(levels)[0], _files(weather)[0]
    if set(files) <= set(others):
        return files, others
    if len(files) == len(others) == 1:
        file, other = next(iter(files.values())), next(iter(others.values()))
        words = [re.split(r"([_\-. ])", stem.stem) for stem in (file, other)]
        same = takewhile(lambda pair: pair[0] == pair[1], zip(*words, strict=False))
        name = "".join(word for word, _ in same).rstrip("_-. ")
        return ({name: file}, {name: other}) if name else (files, others)
    named = {}
    for name, file in files.items():
        starts = [o for o in others if re.match(rf"{re.escape(o)}(?:[_\-. ]|$)", file.stem)]
        named[max(starts, key=len, default=name)] = file
    return (named if len(named) == len(files) else files), others


def _common_ending(stems: list[str]) -> str:
    """Return what all stems end with, from a mark on: wells 10 and 20 do not end with 0."""
    shortest = min(stems, key=len)
    candidates = [shortest[k:] for k, mark in enumerate(shortest) if mark in "_-. " and k > 0]
    if len(stems) == 1:
        return ""
    return next((end for end in candidates if all(s.endswith(end) for s in stems)), "")


def _well_name(path: Path) -> str:
    stem = Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
    return path.resolve().parent.name if stem.lower() in GENERIC_STEMS else stem
