"""Checks of observations before modelling: a table of findings, and quality flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.quality.changes import unexplained_changes
from gwforecast.quality.rules import (
    Finding,
    Series,
    covariate_findings,
    coverage_findings,
    level_findings,
    shift_findings,
)
from gwforecast.schema import SchemaError

__all__ = [
    "COLUMNS", "FLAGS", "change_findings", "changes_by_regression", "check_levels",
    "check_observations", "check_series", "explaining", "quality_flags", "series_of",
    "well_findings",
]  # fmt: skip

COLUMNS = ["well", "variable", "check", "severity", "n", "first", "last", "value", "message"]
FLAGS = {"pass": 1, "not_evaluated": 2, "suspect": 3, "fail": 4, "missing": 9}

EARLY = 2 * 365.25  # d before the median end of all wells
MEMORIES = (30.0, 90.0, 365.0)  # d
WINDOWS = (30.0, 90.0, 180.0, 365.0)  # d
EXPLAINING = ("rain", "temperature", "evapotranspiration", "stage", "pumping")
RELATED = 0.3  # correlation; of 61 real wells the lowest is 0.55
_IN_MM = ("rain", "evapotranspiration")
LEAST = 10  # values needed for a check
FEWEST_REGRESSED = 60
ALREADY = {"shift", "unit_change", "sign", "unit", "codes", "constant"}
"""Findings that explain a change of the level."""


def check_observations(
    observations: xr.Dataset, *, now: object = None, changes: bool = True
) -> pd.DataFrame:
    """Check observations and return a table of findings; nothing is changed or filled.

    Raises SchemaError if the observations do not have the required form.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, covariates, static attributes.

    References
    ----------
    Chen and Liu (1993), doi:10.2307/2290724, for spikes and shifts.
    """
    schema.validate_observations(observations)
    today = None if now is None else timeline.to_times([now])[0]
    rows: list[Finding] = []
    for level, covariates in series_of(observations):
        own = well_findings(level, covariates, now=today)
        rows += own
        if changes and not ALREADY & {row.check for row in own}:
            rows += _changes(level, covariates)
    rows += [*_early_ends(observations), *_datum(observations), *_assumed(observations)]
    unnamed = {row.well for row in rows}
    wells = [str(name) for name in observations[schema.WELL].values]
    rows += [
        _about(well, schema.LEVEL, "all", "ok", "All checks passed. Received no finding.")
        for well in wells if well not in unnamed
    ]  # fmt: skip
    order = {well: position for position, well in enumerate(["", *wells])}
    return _table(sorted(rows, key=lambda row: order[row.well]))


def check_series(levels: pd.Series, *, well: str, now: object = None) -> pd.DataFrame:
    """Check the times of one series of levels as read, and return a table of findings.

    Raises TypeError if the levels are not a Series, and SchemaError if the index does not contain
    times, or the values are not numbers.

    Parameters
    ----------
    levels : pandas.Series
        Shape (time,), m: levels by time, in any order.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`check_observations`. Findings are duplicates with equal and with
        conflicting values, unsorted, missing and future times, and infinite values.

    Examples
    --------
    >>> days = pd.DatetimeIndex(["2020-01-02", "2020-01-01", "2020-01-01"])
    >>> check_series(pd.Series([1.0, 2.0, 3.0], days), well="A")["check"].tolist()
    ['duplicates_conflicting', 'unsorted']
    """
    if not isinstance(levels, pd.Series):
        raise TypeError(
            f"Levels of one well must be a pandas Series. Received {type(levels).__name__}. "
            "Pass pandas.Series(values, index=times); check_levels takes several wells."
        )
    if not isinstance(levels.index, pd.DatetimeIndex):
        raise SchemaError(
            f"The index of levels must hold times. Received {type(levels.index).__name__}. Convert "
            "it with pandas.to_datetime."
        )
    numbers = pd.to_numeric(levels, errors="coerce").to_numpy(float)
    text = np.isnan(numbers) & levels.notna().to_numpy()
    if text.any():
        place = int(np.flatnonzero(text)[0])
        raise SchemaError(
            f"Levels must be numbers. Received {levels.iloc[place]!r} of well {well!r} at "
            f"{levels.index[place]}. Convert it, or declare it as a code for missing values "
            "when the file is read."
        )
    times = timeline.to_times(levels.index)
    today = None if now is None else timeline.to_times([now])[0]
    return _table(list(_stamps(Series(well, schema.LEVEL, "level", times, numbers), today)))


def check_levels(levels: pd.Series | pd.DataFrame, *, now: object = None) -> pd.DataFrame:
    """Check the times of the levels of one or more wells as read, and return the findings.

    Raises TypeError if the levels are neither a Series nor a DataFrame, and SchemaError if the
    index does not contain times, or the values are not numbers.

    Parameters
    ----------
    levels : pandas.Series or pandas.DataFrame
        Levels by time, m, in any order. The columns of a DataFrame are wells; the name of a Series
        is the well.
    """
    if not isinstance(levels, pd.Series | pd.DataFrame):
        raise TypeError(
            f"Levels must be a pandas Series or DataFrame. Received {type(levels).__name__}. "
            "Pass pandas.Series(values, index=times)."
        )
    if isinstance(levels, pd.Series):
        return check_series(levels, well=str(levels.name or schema.LEVEL), now=now)
    tables = [check_series(levels[name], well=str(name), now=now) for name in levels.columns]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else _table([])


def quality_flags(observations: xr.Dataset) -> xr.Dataset:
    """Return a quality flag for each value of the level and the covariates.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).

    Returns
    -------
    xarray.Dataset
        ``<name>_flag`` (well, time), int8, as in QARTOD: 1 pass, 2 not evaluated, 3 suspect (a
        warning of :func:`check_observations`), 4 fail (an error), 9 missing. They can be merged
        with the observations; no function of the package uses them.

    References
    ----------
    U.S. Integrated Ocean Observing System (2020), Manual for Real-Time Oceanographic Data Quality
    Control Flags, version 1.2, doi:10.25923/w8y6-d298.
    """
    schema.validate_observations(observations)
    names = [schema.LEVEL, *schema.covariate_names(observations)]
    flagged = {}
    for name in names:
        known = np.isfinite(observations[name].values)
        enough = known.sum(axis=1, keepdims=True) >= LEAST
        flagged[name] = np.where(known, np.where(enough, 1, 2), 9).astype(np.int8)
    for index, (level, covariates) in enumerate(series_of(observations)):
        for row in well_findings(level, covariates):
            if row.severity in ("warning", "error") and row.positions.size:
                flag = flagged[row.variable][index]
                worse = np.int8(4 if row.severity == "error" else 3)
                places = row.positions[flag[row.positions] != 9]
                flag[places] = np.maximum(flag[places], worse)
    attrs = {
        "long_name": "quality flag",
        "flag_values": np.array(list(FLAGS.values()), np.int8),
        "flag_meanings": " ".join(FLAGS),
    }
    return xr.Dataset(
        {f"{name}_flag": (observations[name].dims, flagged[name], attrs) for name in names},
        coords={name: observations[name] for name in (schema.WELL, schema.TIME)},
    )


def series_of(observations: xr.Dataset) -> Iterator[tuple[Series, list[Series]]]:
    """Yield the level and the covariates of each well of observations (well, time)."""
    times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
    names = schema.covariate_names(observations)
    kinds = {name: schema.covariate_kind(name, observations[name].attrs) for name in names}
    values = {
        name: observations[name].transpose(schema.WELL, schema.TIME).values
        for name in (schema.LEVEL, *names)
    }
    axis = Series("", schema.LEVEL, "level", times, np.empty(0))
    seen: dict[tuple[str, bytes], Series] = {}  # wells with one weather station share its series
    for index, well in enumerate(schema.well_names(observations)):
        covariates = []
        for name, kind in kinds.items():
            own = values[name][index]
            key = name, own.tobytes()
            if key not in seen:
                seen[key] = axis.with_values(own, variable=name, kind=kind)
            covariates.append(seen[key].of_well(well))
        yield axis.with_values(values[schema.LEVEL][index], well=well), covariates


def well_findings(
    level: Series, covariates: list[Series], *, now: np.datetime64 | None = None
) -> list[Finding]:
    """Return the findings about the series of one well."""
    rows = list(level_findings(level, now=now))
    known = level.known
    span = slice(int(known[0]), int(known[-1]) + 1) if known.size else slice(0, None)
    frequency = level.once_for_times("step", lambda: timeline.infer_frequency(level.times))
    step = timeline.days_per_step(frequency)
    for one in covariates:
        rows += one.findings("covariate", partial(covariate_findings, one, step=step))
    rows += coverage_findings(covariates, span)
    rows += _crossed(covariates)
    if known.size >= LEAST and np.ptp(level.values[known]) > 0:
        rows += shift_findings(level, lambda: explaining(level, covariates, step))
        rows += _response(level, covariates, step)
    return rows


def change_findings(level: xr.DataArray, predicted: xr.DataArray, *, by: str) -> pd.DataFrame:
    """Return findings of shifts and trends of levels against their prediction.

    Both have the dimensions (well, time), m, on the same axes; NaN where unknown or where the
    prediction was fitted.
    """
    errors = (level - predicted).transpose(schema.WELL, schema.TIME).values
    rows: list[Finding] = []
    for (series, _), own in zip(
        series_of(level.to_dataset(name=schema.LEVEL)), errors, strict=True
    ):
        rows += unexplained_changes(series, own, by=by)
    return _table(rows)


def changes_by_regression(observations: xr.Dataset) -> pd.DataFrame:
    """Return findings of levels that changed against a regression on season and weather."""
    return _table([row for pair in series_of(observations) for row in _changes(*pair)])


def _changes(level: Series, covariates: list[Series]) -> list[Finding]:
    """Return a finding if a level changed against a regression on season and weather."""
    steps = level.clean
    if steps.size < FEWEST_REGRESSED or np.ptp(level.values[steps]) == 0:
        return []
    frequency = level.once_for_times("step", lambda: timeline.infer_frequency(level.times))
    step = 365.25 / timeline.steps_per_year(frequency)
    columns = explaining(level, covariates, step)[steps]
    fitted = columns @ np.linalg.lstsq(columns, level.values[steps], rcond=None)[0]
    errors = np.full(level.values.size, np.nan)
    errors[steps] = level.values[steps] - fitted
    return unexplained_changes(level, errors, by="a regression on season and weather")


def _season(series: Series) -> np.ndarray:
    """Return an intercept and two harmonics of the year, (time, 5)."""
    times = series.times
    return series.once_for_times(
        "season", lambda: np.column_stack([np.ones(times.size), timeline.harmonics(times, 2)])
    )


def explaining(level: Series, covariates: Sequence[Series], step: float) -> np.ndarray:
    """Return the season, and exponential means of weather and pumping, (time, k), finite."""
    columns = [_season(level)]
    for covariate in covariates:
        if covariate.kind in EXPLAINING and covariate.known.size:
            columns.append(covariate.once("means", partial(_means, covariate.values, step)))
    return np.hstack(columns)


def _means(values: np.ndarray, step: float) -> np.ndarray:
    """Return exponential means of values over each memory, (time, memory)."""
    series = pd.Series(values)
    means = [series.ewm(alpha=1 - np.exp(-step / memory)).mean() for memory in MEMORIES]
    # in this regression only, gaps are filled with the last mean
    return np.column_stack([mean.ffill().bfill().to_numpy() for mean in means])


def _response(level: Series, covariates: list[Series], step: float) -> Iterator[Finding]:
    """Yield a finding if the level falls after rain, or does not respond to it."""
    rain = next((c for c in covariates if c.kind == "rain" and c.known.size), None)
    steps = level.clean
    if rain is None or steps.size < 50 or np.ptp(level.days[steps]) < 3 * 365:
        return
    season = _season(level)[steps]
    found = []
    for window in WINDOWS:
        width = max(1, round(window / step))
        recent = rain.once(("past", width), partial(_past, rain.values, width))[steps]
        both = np.isfinite(recent)
        if both.sum() >= 50 and np.ptp(recent[both]) > 0:
            pair = np.column_stack([level.values[steps], recent])[both]
            pair = pair - season[both] @ np.linalg.lstsq(season[both], pair, rcond=None)[0]
            found.append(float(np.corrcoef(pair.T)[0, 1]))
    if not found:
        return
    if max(found) < RELATED and min(found) < -RELATED:
        yield level.finding(
            "sign", "error", value=min(found), n=steps.size,
            rule="A level should rise after wet months.",
            received=f"a correlation of {min(found):.2f} with the rain of up to a year before",
            fix="If this is a depth to water, provide the elevation from which it is measured: "
            "reference_level, --reference-level.",
        )  # fmt: skip
    elif max(found) < RELATED:
        yield level.finding(
            "weak_response", "note", value=max(found), n=steps.size,
            rule="A level that can be modelled from weather responds to the rain of past months.",
            received=f"correlations of at most {max(found):.2f}",
            fix="Check that the weather is that of the well, and whether pumping or a river "
            "controls the level.",
        )  # fmt: skip


def _past(values: np.ndarray, width: int) -> np.ndarray:
    """Return means over the last steps of a fixed number, (time,)."""
    past = pd.Series(values).rolling(width, min_periods=max(1, int(0.8 * width))).mean()
    return past.to_numpy()


def _crossed(covariates: list[Series]) -> Iterator[Finding]:
    by_kind = {covariate.kind: covariate for covariate in covariates}
    low, high = by_kind.get("temperature_min"), by_kind.get("temperature_max")
    if low is None or high is None:
        return
    crossed = np.flatnonzero(low.values > high.values + 0.05)
    if crossed.size:
        yield low.finding(
            "range", "warning", positions=crossed, value=low.values[crossed[0]],
            rule="The minimum temperature can't exceed the maximum.",
            received=f"{crossed.size} such steps, the first {low.values[crossed[0]]:g} above "
            f"{high.values[crossed[0]]:g} of {high.variable!r}",
            fix="Check whether the two columns are swapped.",
        )  # fmt: skip


def _early_ends(observations: xr.Dataset) -> Iterator[Finding]:
    """Yield a note for each well whose levels end long before those of most wells."""
    wells = [level for level, _ in series_of(observations[[schema.LEVEL]]) if level.known.size]
    if not wells:
        return
    ends = np.array([level.days[level.known[-1]] for level in wells])
    for level, early in zip(wells, np.median(ends) - ends, strict=True):
        if early > EARLY:
            yield level.finding(
                "ends_early", "note", positions=level.known[-1:], flagged=False, value=early, n=1,
                rule="The records of a set of wells usually end at about the same time.",
                received=f"the last level {early:.0f} days before most others",
                fix="Add recent records if the well is still monitored.",
            )  # fmt: skip


def _datum(observations: xr.Dataset) -> list[Finding]:
    attrs = observations[schema.LEVEL].attrs
    if attrs.get("vertical_datum") or "height" in str(attrs.get("assumed", "")).split():
        return []
    message = (
        "Levels need a vertical datum to be compared between wells. Received no attribute "
        "'vertical_datum' of 'level'. Set level.attrs['vertical_datum'] or use the option --datum."
    )
    return [_about("", schema.LEVEL, "datum", "note", message)]


def _assumed(observations: xr.Dataset) -> Iterator[Finding]:
    """Yield what the files did not say, and was assumed: of the level a warning, else a note."""
    attrs = observations[schema.LEVEL].attrs
    column = repr(attrs.get("source_name", schema.LEVEL))
    column = "the columns of the wells" if "for each well" in column else column
    assumed = str(attrs.get("assumed", "")).split()
    if "units" in assumed:
        yield _about(
            "", schema.LEVEL, "assumed_units", "warning",
            f"The unit of a level must be known. Received none for {column}; m was assumed. "
            "Give --units (units), e.g. m or ft, or write it into the header.",
        )  # fmt: skip
    if "height" in assumed:
        yield _about(
            "", schema.LEVEL, "assumed_height", "warning",
            "A level must be known to be a height or a depth. Received neither for "
            f"{column}; a height was assumed. If it is one, give --datum (datum); if it is a "
            "depth to water, give --reference-level (reference_level).",
        )  # fmt: skip
    for name in schema.covariate_names(observations):
        kind = schema.covariate_kind(name, observations[name].attrs)
        if kind in _IN_MM and "source_name" in attrs and not observations[name].attrs.get("units"):
            yield _about(
                "", name, "assumed_units", "note",
                f"The unit of {kind} must be known. Received none for {name!r}; mm was assumed. "
                f"Give --covariate-unit {name}=mm (covariate_units), or write it into the header.",
            )  # fmt: skip


def _about(well: str, variable: str, check: str, severity: str, message: str) -> Finding:
    nat = np.datetime64("NaT", "us")
    return Finding(well, variable, check, severity, 0, nat, nat, np.nan, message)


def _stamps(level: Series, now: np.datetime64 | None) -> Iterator[Finding]:
    """Yield findings about the times of one series as read."""
    frame = pd.DataFrame({"time": level.times, "value": level.values})
    frame = frame[frame["value"].notna()]
    lost = frame.index[frame["time"].isna()].to_numpy()
    stamped = frame[frame["time"].notna()]
    infinite = stamped.index[np.isinf(stamped["value"])].to_numpy()
    groups = stamped.groupby("time")["value"]
    count, differing = groups.transform("size"), groups.transform("nunique") > 1
    later = stamped.index[stamped["time"] > now].to_numpy() if now is not None else lost[:0]
    falls = np.flatnonzero(np.diff(stamped["time"].to_numpy()) < np.timedelta64(0, "us")) + 1
    faults: Iterable[tuple[str, str, np.ndarray, str, str, str]] = (
        ("missing_stamp", "error", lost, "Each level needs a time.",
         "levels without one", "Add the dates, or set the order of day and month."),
        ("duplicates_conflicting", "error", stamped.index[(count > 1) & differing].to_numpy(),
         "A time must have one level.", "rows with the same time and different levels",
         "Keep the correct ones, or average them before reading."),
        ("duplicates_equal", "note", stamped.index[(count > 1) & ~differing].to_numpy(),
         "A time must have one row.", "rows that repeat another", "Keep one of them."),
        ("unsorted", "warning", stamped.index[falls].to_numpy(),
         "Times should increase.", "rows earlier than the one before",
         "Sort them by time, and check for a change of date format."),
        ("future", "error", later, "A level can't be observed in the future.", "later rows",
         "Check the order of day and month, and the clock of the logger."),
        ("infinite", "error", infinite, "A level must be finite.", "infinite values",
         "Replace them with the measured value, or remove them."),
    )  # fmt: skip
    for check, severity, places, rule, what, fix in faults:
        if places.size:
            yield level.finding(
                check, severity, positions=places if check != "missing_stamp" else None,
                n=places.size, value=level.values[places[0]],
                rule=rule, received=f"{places.size} {what}", fix=fix,
            )  # fmt: skip


def _table(rows: list[Finding]) -> pd.DataFrame:
    table = pd.DataFrame([[getattr(row, c) for c in COLUMNS] for row in rows], columns=COLUMNS)
    for column in ("first", "last"):
        table[column] = table[column].astype("datetime64[us]")
    return table.astype({"n": "int64", "value": "float64"})
