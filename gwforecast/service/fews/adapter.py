"""A run for Delft-FEWS: read the run file and its series, forecast, write series and messages.

Series are read by the same reader as in a training on an export of Delft-FEWS, so that names, units
and steps are those that the models know. Events up to time0 are observations; covariates after it
are a weather forecast, of one member or an ensemble.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from gwforecast import __version__, schema, timeline
from gwforecast.config.load import Settings, load_settings
from gwforecast.data.layouts.records import parse_xml, strip
from gwforecast.runs.forecast import default_horizon
from gwforecast.runs.inputs import read_data
from gwforecast.schema import BY_MODEL, SchemaError
from gwforecast.service.archive import Archive
from gwforecast.service.fews.run_file import (
    ERROR,
    FATAL,
    INFO,
    WARNING,
    Diagnostics,
    RunFile,
    diagnostics_of,
    read_run_file,
    write_state,
)
from gwforecast.service.fews.series import PiSeries, read_netcdf, read_pi, write_netcdf, write_pi
from gwforecast.service.inputs import read_wells, require_observations
from gwforecast.service.issue import make_product
from gwforecast.timeline import format_time
from gwforecast.writing import write_text

__all__ = ["run"]


MEMBERS = 21
DIGITS = 4  # of levels that are written, m
HISTORY = np.timedelta64(400, "D")  # of observations that are read beside each weather member
STATE = "gwforecast_state.json"
DOUBTFUL = 3
"""Flag of a forecast that is not by a champion from recent data."""


def run(path: Path, *, describe: Callable[[Exception], str] = str) -> tuple[int, Diagnostics]:
    """Run a forecast as the run file says.

    ``describe``: returns the message of an error.

    Returns
    -------
    int
        0 if the forecast was written, also where some wells have none; 1 if the run failed, and the
        diagnostics say why.
    Diagnostics
        Messages; they have been written where the run file says, if it says where.
    """
    messages = Diagnostics()
    place = diagnostics_of(path)
    try:
        with messages.warnings():
            _run(read_run_file(path), messages)
    except (SchemaError, ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
        messages.report(ERROR, describe(error))
    except Exception as error:  # any other failure is reported to Delft-FEWS too
        messages.report(FATAL, f"an internal error of gwforecast, {type(error).__name__}: {error}")
    finally:
        if place is not None:
            messages.write(place)
    return int(messages.failed), messages


def _run(asked: RunFile, messages: Diagnostics) -> None:
    messages.report(INFO, f"gwforecast {__version__}: {asked.path}")
    _report_state(asked, messages)
    series = _renamed(_read(asked), asked)
    with tempfile.TemporaryDirectory(prefix="gwforecast-") as folder:
        settings = _settings(asked, Path(folder), series)
        inputs = read_wells(settings.data)
        observations = require_observations(inputs, "A forecast")
        issue_time = timeline.step_at_or_before(observations[schema.TIME].values, asked.now)
        horizon = _horizon(asked, settings, observations, issue_time, messages)
        level = _level_parameter(asked, settings)
        weather = _weather(asked, series, settings, issue_time, level)
        settings = _with_weather(settings, weather, Path(folder), horizon)
        messages.report(INFO, _about(observations, issue_time, horizon, weather))
        product = make_product(
            inputs, settings, issue_time, now=pd.Timestamp(asked.now) + pd.Timedelta(days=1)
        )
        if asked.properties.get("archive"):
            Archive(settings.schedule.archive).publish(product)
    _report_wells(product, messages)
    _write(asked, product, [one for one in series if one.parameter == level], messages)


def _read(asked: RunFile) -> list[PiSeries]:
    found = [one for path in asked.series for one in read_pi(path, zone=asked.zone)]
    found += [one for path in asked.netcdf for one in read_netcdf(path, zone=asked.zone)]
    return found


def _renamed(series: Sequence[PiSeries], asked: RunFile) -> list[PiSeries]:
    """Return series whose parameters have the names that the models were trained on."""
    given = asked.properties.get("rename", "")
    pairs = [item.partition("=") for item in given.split(",") if item.strip()]
    if any(not (old.strip() and new.strip()) for old, _, new in pairs):
        raise ValueError(
            "The property 'rename' has pairs like P.obs=rain, separated by commas. Received "
            f"{given!r} in {asked.path}. Correct it in the configuration of the General Adapter."
        )
    names = {old.strip(): new.strip() for old, _, new in pairs}
    return [replace(one, parameter=names.get(one.parameter, one.parameter)) for one in series]


def _settings(asked: RunFile, folder: Path, series: Sequence[PiSeries]) -> Settings:
    """Return the settings of the run; the data are the observed part of its series."""
    observed = [one.between(last=asked.now) for one in series if one.member is None]
    observed = [one for one in observed if one.times.size]
    path = write_pi(folder / "observed.xml", observed, zone=asked.zone)
    return _with_data(_configured(asked, folder), path, observed, asked)


def _configured(asked: RunFile, folder: Path) -> Settings:
    schedule = {"archive": str(asked.folder("archive") or folder / "archive")}
    config = asked.folder("config")
    if config is None or asked.properties.get("models"):
        schedule["bundles"] = str(asked.folder("models") or asked.work / "models")
    return load_settings(
        config, overrides={"schedule": dict(schedule), "data": {"levels": Path("observed.xml")}}
    )


def _with_data(
    settings: Settings, path: Path, series: Iterable[PiSeries], asked: RunFile
) -> Settings:
    """Return settings that read the levels and covariates of a file of series."""
    level = asked.properties.get("level_parameter", settings.data.level_column)
    weather = {one.parameter for one in series} - {level} if level else None
    several = len({one.parameter for one in series}) > 1 if weather is None else bool(weather)
    update = {
        "levels": path,
        "covariates": path if several else None,
        "database": None,
        "level_column": level,
    }
    given = {n: v for n, v in settings.data.given().items() if n not in update}
    data = type(settings.data).model_validate(
        given | {n: v for n, v in update.items() if v is not None}
    )
    return settings.model_copy(update={"data": data})


def _horizon(
    asked: RunFile,
    settings: Settings,
    observations: xr.Dataset,
    issue_time: np.datetime64,
    messages: Diagnostics,
) -> int:
    """Return the number of steps: up to the end of the run, and no more than was trained for."""
    most = settings.schedule.horizon or default_horizon(observations)
    given = asked.number("horizon")
    if given is not None or asked.end <= issue_time:
        return given or most
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    ahead = timeline.regular_times(issue_time, asked.end, frequency)
    steps = int((ahead > issue_time).sum())
    if steps > most:
        messages.report(
            WARNING,
            f"the run ends {steps} steps after time0; forecasts have {most}. Set 'horizon' in the "
            "table [schedule] of the configuration, and train again.",
        )
    return max(1, min(steps, most))


@dataclass(frozen=True, eq=False)
class _Future:
    """Weather after the issue time as the run gives it."""

    data: xr.Dataset
    members: int


def _weather(
    asked: RunFile,
    series: Sequence[PiSeries],
    settings: Settings,
    issue_time: np.datetime64,
    level: str,
) -> _Future | None:
    """Return the covariates after the issue time by member; None if the run has none.

    Each member is read with the observations before it, by the reader of the observations.
    """
    futures = [
        one for one in series
        if one.parameter != level and one.between(first=asked.now).times.size
    ]  # fmt: skip
    if not futures:
        return None
    numbers = sorted({one.member for one in futures if one.member is not None})
    members: list[int | None] = [*numbers] or [None]
    past = [one.between(asked.now - HISTORY, asked.now) for one in series if one.member is None]
    read: list[xr.Dataset] = []
    with tempfile.TemporaryDirectory(prefix="gwforecast-") as folder:
        for member in members:
            joined = _joined(past, _of_member(futures, member), asked.now)
            path = write_pi(Path(folder) / "weather.xml", joined, zone=asked.zone)
            one = read_data(_with_data(settings, path, joined, asked).data)
            names = schema.covariate_names(one)
            read.append(one[names].sel({schema.TIME: one[schema.TIME] > issue_time}))
    stacked = xr.concat(read, pd.Index([str(m or 0) for m in members], name=schema.MEMBER))
    stacked = stacked if len(members) > 1 else stacked.isel({schema.MEMBER: 0}, drop=True)
    return _Future(stacked.expand_dims(vintage=[issue_time]), len(members))


def _level_parameter(asked: RunFile, settings: Settings) -> str:
    """Return the parameter of the levels, as the reader finds it."""
    given = asked.properties.get("level_parameter", settings.data.level_column)
    if given:
        return given
    from gwforecast.data.layouts.records import levels_of_series, read_pi_xml

    path = Path(settings.data.levels)
    found = levels_of_series(read_pi_xml(path, parse_xml(path)), None)
    return str(next(iter(found.values())).facts["parameter"])


def _of_member(futures: Sequence[PiSeries], member: int | None) -> list[PiSeries]:
    """Return the series of a member, and those without members where it has none of its own."""
    own = [one for one in futures if one.member == member and member is not None]
    there = {(one.location, one.parameter) for one in own}
    shared = [
        one for one in futures
        if one.member is None and (one.location, one.parameter) not in there
    ]  # fmt: skip
    return own + shared


def _joined(
    past: Sequence[PiSeries], futures: Sequence[PiSeries], now: np.datetime64
) -> list[PiSeries]:
    """Return observed series continued by those of a member."""
    ahead = {
        (one.location, one.parameter): one.between(first=now)
        for one in sorted(futures, key=lambda one: one.issued or np.datetime64(0, "s"))
    }
    joined = []
    for one in past:
        later = ahead.pop((one.location, one.parameter), None)
        if later is not None:
            one = replace(
                one,
                times=np.concatenate([one.times, later.times]),
                values=np.concatenate([one.values, later.values]),
            )
        joined.append(one)
    joined += [replace(one, member=None, ensemble=None) for one in ahead.values()]
    return [one for one in joined if one.times.size]


def _with_weather(
    settings: Settings, weather: _Future | None, folder: Path, horizon: int
) -> Settings:
    changes: dict[str, object] = {"horizon": horizon}
    if weather is not None:
        path = folder / "weather.nc"
        weather.data.to_netcdf(path, engine="h5netcdf")
        changes["weather_forecast"] = path
    schedule = settings.schedule.model_copy(update=changes)
    return settings.model_copy(update={"schedule": schedule})


def _about(
    observations: xr.Dataset, issue_time: np.datetime64, horizon: int, weather: _Future | None
) -> str:
    members = "climatology" if weather is None else f"{weather.members} member(s) of the run"
    return (
        f"{observations.sizes[schema.WELL]} wells, issue time {format_time(issue_time)}, {horizon} "
        f"steps, weather after it: {members}"
    )


def _report_wells(product: xr.Dataset, messages: Diagnostics) -> None:
    """Report wells that have less than a forecast by their champion, and a run without any."""
    for well, status, reason in zip(
        product[schema.WELL].values, product["status"].values, product["reason"].values, strict=True
    ):
        if status != "ok":
            messages.report(WARNING, f"{well}: {status.replace('_', ' ')}: {reason}")
    known = np.isfinite(product[schema.LEVEL].values).all(axis=(1, 2, 3))
    by_model = np.isin(product["status"].values, BY_MODEL)
    messages.report(INFO, f"{by_model.sum()} of {known.size} wells are forecast by a model")
    if not known.any():
        messages.report(ERROR, "no well has a forecast; see the warnings")


def _write(
    asked: RunFile, product: xr.Dataset, series: Sequence[PiSeries], messages: Diagnostics
) -> None:
    if messages.failed:
        return
    made = _forecast_series(asked, product, series)
    for path in asked.out_series:
        messages.report(INFO, f"wrote {write_pi(path, made, zone=asked.zone)}")
    for path in asked.out_netcdf:
        ensemble = _forecast_series(asked, product, series, output="ensemble")
        messages.report(INFO, f"wrote {write_netcdf(path, ensemble, zone=asked.zone)}")
    if not asked.out_series and not asked.out_netcdf:
        messages.report(
            WARNING, "the run file names no outputTimeSeriesFile: no forecast is written"
        )
    if asked.out_state is not None:
        _write_state(asked, product)


def _forecast_series(
    asked: RunFile, product: xr.Dataset, series: Sequence[PiSeries], *, output: str | None = None
) -> list[PiSeries]:
    """Return the forecast as series, by well and by quantile or member.

    ``series`` are those of the levels; coordinates and names of stations are taken from them.
    """
    as_ensemble = (output or asked.output) == "ensemble"
    about = {one.location: one.about for one in reversed(series)}
    parameter = asked.properties.get("output_parameter", series[0].parameter)
    issue_time = product[schema.ISSUE_TIME].values[0].astype("datetime64[s]")
    times = product[schema.VALID_TIME].values[0].astype("datetime64[s]")
    quantiles = product[schema.QUANTILE].values
    count = asked.number("members") or MEMBERS
    made = []
    for number, well in enumerate(product[schema.WELL].values.tolist()):
        values = product[schema.LEVEL].values[number, 0].round(DIGITS)
        if not np.isfinite(values).all():
            continue
        flag = 0 if product["status"].values[number] == "ok" else DOUBTFUL
        common = PiSeries(
            well, parameter, times, values[:, 0], issued=issue_time,
            about={**about.get(well, {}), "units": "m"}, flag=flag,
        )  # fmt: skip
        if as_ensemble:
            name = asked.properties.get("ensemble_id", "gwforecast")
            columns = members_of(values, quantiles, count).round(DIGITS)
            made += [
                replace(common, values=columns[:, k], ensemble=name, member=k) for k in range(count)
            ]
        else:
            made += [
                replace(common, values=values[:, k], qualifiers=(f"q{quantile:g}",))
                for k, quantile in enumerate(quantiles)
            ]
    return made


def members_of(level: np.ndarray, quantiles: np.ndarray, count: int) -> np.ndarray:
    """Return equally likely members, each of which is one quantile at all lead times.

    ``level``: shape (lead_time, quantile), m; ``quantiles``: shape (quantile,); ``count``: number
    of members; member k is the quantile (k + 0.5) / count, interpolated linearly in normal scores,
    and extrapolated beyond the outermost quantiles.

    Examples
    --------
    >>> members_of(np.array([[9.0, 10.0, 11.0]]), np.array([0.1, 0.5, 0.9]), 5).round(2)
    array([[ 9.  ,  9.59, 10.  , 10.41, 11.  ]])
    """
    scores, wanted = ndtri(quantiles), ndtri((np.arange(count) + 0.5) / count)
    place = np.clip(np.searchsorted(scores, wanted) - 1, 0, scores.size - 2)
    share = (wanted - scores[place]) / (scores[place + 1] - scores[place])
    return np.asarray(level[:, place] + share * (level[:, place + 1] - level[:, place]))


def _report_state(asked: RunFile, messages: Diagnostics) -> None:
    """Say which state was read; forecasts follow from the records alone."""
    if asked.state is None:
        return
    if not asked.state.is_file():
        messages.report(WARNING, f"the state {asked.state} is not there; none is needed")
        return
    time = next((e for e in parse_xml(asked.state) if strip(e.tag) == "dateTime"), None)
    stamp = "unknown time" if time is None else f"{time.get('date')} {time.get('time')}"
    messages.report(INFO, f"state of {stamp}; forecasts follow from the series alone")


def _write_state(asked: RunFile, product: xr.Dataset) -> None:
    """Write what the forecast was made of, as the state of the module, and its description."""
    assert asked.out_state is not None  # noqa: S101 - the caller requests it
    values = {
        "issue_time": format_time(product[schema.ISSUE_TIME].values[0]),
        "source": str(product.attrs.get("source", "")),
        "inputs_sha256": str(product.attrs.get("inputs_sha256", "")),
        "bundles": dict(
            zip(product[schema.WELL].values.tolist(), product["bundle"].values.tolist(),
                strict=True)
        ),
    }  # fmt: skip
    write_text(asked.out_state.with_name(STATE), json.dumps(values, indent=1) + "\n")
    write_state(
        asked.out_state,
        time=product[schema.ISSUE_TIME].values[0],
        zone=asked.zone,
        files=(STATE, STATE),
    )
