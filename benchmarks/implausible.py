"""Kinds of implausible input, none of which may be forecast from with the status ``ok``.

Each kind changes the files of a place that :func:`make_place` has written: the levels of the well
``w1``, the weather of all wells, or the weather forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

ISSUED = "2010-03-01"
CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 8
"""
WELLS = 3
Change = Callable[[Path], None]


def make_place(folder: Path, *, freq: str = "W-MON") -> None:
    """Write wells with a known response to the weather, and their configuration."""
    times = pd.date_range("2000-01-03", "2010-12-27", freq=freq, name="date")
    days = (times[1] - times[0]).days
    rng = np.random.default_rng(0)
    season = np.sin(2 * np.pi * (times.day_of_year.to_numpy() - 110) / 365.25)
    rain = rng.gamma(0.4 * days, 5.0, times.size).round(2)
    temperature = (9 + 9 * season + rng.normal(0, 1.5, times.size)).round(2)
    evaporation = (days * (1.6 + 1.4 * season) * rng.uniform(0.7, 1.3, times.size)).round(2)
    weather = {"rain": rain, "temperature": temperature, "evapotranspiration": evaporation}
    pd.DataFrame(weather, index=times).to_csv(folder / "weather.csv")
    (folder / "wells").mkdir(parents=True)
    for number in range(WELLS):
        surplus = pd.Series(rain - 0.8 * evaporation)
        level = surplus.ewm(halflife=(60 + 40 * number) / days).mean() * 7 / days / 8
        noisy = 48.0 + 1.7 * number + level + rng.normal(scale=0.01, size=times.size)
        frame = pd.DataFrame({"level": noisy.to_numpy().round(3)}, index=times)
        frame.to_csv(folder / "wells" / f"w{number}.csv")
    (folder / "run.toml").write_text(CONFIG, "utf-8")


def _level(edit: Callable[[pd.Series], pd.Series | float], *, last: int | None = None) -> Change:
    """Change the levels of w1 up to the issue time, all of them or the last ones."""

    def change(place: Path) -> None:
        path = place / "wells" / "w1.csv"
        table = pd.read_csv(path, index_col="date")
        known = table.index <= ISSUED
        at = np.flatnonzero(known)[-last:] if last else np.arange(len(table))
        part = table["level"].iloc[at]
        table.iloc[at, table.columns.get_loc("level")] = edit(part)
        table.to_csv(path)

    return change


def _other(last: int | None = None) -> Change:
    def change(place: Path) -> None:
        other = pd.read_csv(place / "wells" / "w2.csv", index_col="date")["level"]
        _level(lambda part: other.loc[part.index], last=last)(place)

    return change


def _weather(
    name: str, edit: Callable[[pd.Series], pd.Series | float], *, last: int | None = None
) -> Change:
    def change(place: Path) -> None:
        path = place / "weather.csv"
        table = pd.read_csv(path, index_col="date")
        at = np.flatnonzero(table.index <= ISSUED)[-last:] if last else np.arange(len(table))
        table[name] = table[name].astype(float)
        table.iloc[at, table.columns.get_loc(name)] = edit(table[name].iloc[at])
        table.to_csv(path)

    return change


def _swapped(one: str, other: str) -> Change:
    def change(place: Path) -> None:
        path = place / "weather.csv"
        table = pd.read_csv(path, index_col="date")
        table.rename(columns={one: other, other: one}).to_csv(path)

    return change


def _until(days: int) -> Change:
    def change(place: Path) -> None:
        path = place / "wells" / "w1.csv"
        table = pd.read_csv(path, index_col="date")
        end = str((pd.Timestamp(ISSUED) - pd.Timedelta(days, "D")).date())
        table[table.index <= end].to_csv(path)

    return change


def weather_forecast(
    place: Path,
    edit: Callable[[xr.Dataset], xr.Dataset] = lambda made: made,
    *,
    age: int = 0,
    members: int = 3,
) -> None:
    """Write a weather forecast of the observed weather, changed, and name it in the settings."""
    table = pd.read_csv(place / "weather.csv", index_col="date", parse_dates=True)
    after = table[table.index > ISSUED].iloc[:6]
    vintage = pd.Timestamp(ISSUED) - pd.Timedelta(age, "D")
    made = xr.Dataset(
        {n: (("member", "time"), np.tile(after[n].to_numpy(float), (members, 1))) for n in after},
        {"time": after.index.to_numpy(), "member": np.arange(members)},
    ).expand_dims(vintage=[vintage.to_datetime64()])
    edit(made).to_netcdf(place / "ahead.nc", engine="h5netcdf")
    text = CONFIG + 'weather_forecast = "ahead.nc"\n'
    (place / "run.toml").write_text(text, "utf-8")


def _ahead(edit: Callable[[xr.Dataset], xr.Dataset], *, age: int = 0) -> Change:
    return lambda place: weather_forecast(place, edit, age=age)


def _ahead_swapped(one: str, other: str) -> Change:
    return _ahead(lambda made: made.rename({one: other, other: one}))


def _file(edit: Callable[[Path], None]) -> Change:
    def change(place: Path) -> None:
        weather_forecast(place)
        edit(place / "ahead.nc")

    return change


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _noise(scale: float) -> Callable[[pd.Series], pd.Series]:
    rng = np.random.default_rng(5)
    return lambda part: part + rng.normal(scale=scale, size=len(part))


def _all(value: float) -> Callable[[pd.Series], float]:
    return lambda _: value


def _ramp(step: float) -> Callable[[pd.Series], pd.Series]:
    return lambda part: part + step * np.arange(1, len(part) + 1)


def _flicker(part: pd.Series) -> pd.Series:
    return part.iloc[0] + 0.001 * (np.arange(len(part)) % 2) + 0 * part


def _saw(part: pd.Series) -> pd.Series:
    return part - 1.5 * (np.arange(len(part)) % 2)


def _highest(last: int) -> Change:
    def change(place: Path) -> None:
        table = pd.read_csv(place / "wells" / "w1.csv", index_col="date")
        most = table["level"][table.index <= ISSUED].max()
        _level(_all(float(most)), last=last)(place)

    return change


def _stamps(what: str, days: int) -> Change:
    """Move the stamps of a whole file, and cut what is then before the other file."""

    def change(place: Path) -> None:
        path = place / ("wells/w1.csv" if what == "level" else "weather.csv")
        table = pd.read_csv(path, index_col="date", parse_dates=True)
        table.index = table.index + pd.Timedelta(days, "D")
        table.to_csv(path)

    return change


def _late_stamps(place: Path) -> None:
    """Write the last 20 levels under the stamps of the year before, and none since then."""
    path = place / "wells" / "w1.csv"
    table = pd.read_csv(path, index_col="date", parse_dates=True)
    known = table[table.index <= ISSUED]
    late = known.iloc[-20:].set_axis(known.index[-20:] - pd.Timedelta(364, "D"))
    kept = known.iloc[:-20]
    pd.concat([kept[~kept.index.isin(late.index)], late]).sort_index().to_csv(path)


def _text(name: str, old: str, new: str) -> Change:
    def change(place: Path) -> None:
        path = place / name if name == "weather.csv" else place / "wells" / name
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")

    return change


def _commas(place: Path) -> None:
    path = place / "wells" / "w1.csv"
    lines = path.read_text("utf-8").splitlines()
    lines[-60:] = [line.replace(".", ";") for line in lines[-60:]]
    path.write_text("\n".join(lines), "utf-8")


def _repeat_year(place: Path) -> None:
    path = place / "weather.csv"
    table = pd.read_csv(path, index_col="date")
    last = int(np.flatnonzero(table.index <= ISSUED)[-1])
    table.iloc[last - 30 : last + 1] = table.iloc[last - 82 : last - 51].to_numpy()
    table.to_csv(path)


def _ahead_of_past(place: Path) -> None:
    table = pd.read_csv(place / "weather.csv", index_col="date")
    past = table[table.index <= ISSUED].iloc[-6:]
    weather_forecast(
        place,
        lambda made: made.assign(
            {n: (made[n].dims, np.broadcast_to(past[n], made[n].shape).copy()) for n in past}
        ),
    )


LEVELS: dict[str, Change] = {
    "last level 999.9": _level(_all(999.9), last=1),
    "last level 9999": _level(_all(9999.0), last=1),
    "last level -9999": _level(_all(-9999.0), last=1),
    "last level 0": _level(_all(0.0), last=1),
    "last level 99.99": _level(_all(99.99), last=1),
    "last level -99.9": _level(_all(-99.9), last=1),
    "last level 32767": _level(_all(32767.0), last=1),
    "last level 1e6": _level(_all(1e6), last=1),
    "last level 1e300": _level(_all(1e300), last=1),
    "last level times 10": _level(lambda part: part * 10, last=1),
    "last three levels times 100": _level(lambda part: part * 100, last=3),
    "last level over 10": _level(lambda part: part / 10, last=1),
    "last level with another sign": _level(lambda part: -part, last=1),
    "last five levels with another sign": _level(lambda part: -part, last=5),
    "last level in feet": _level(lambda part: part / 0.3048, last=1),
    "last ten levels in feet": _level(lambda part: part / 0.3048, last=10),
    "last ten levels in cm": _level(lambda part: part * 100, last=10),
    "all levels in cm": _level(lambda part: part * 100),
    "all levels in mm": _level(lambda part: part * 1000),
    "all levels in feet": _level(lambda part: part / 0.3048),
    "datum moved by 50 m, all": _level(lambda part: part + 50),
    "datum moved by 50 m, last ten": _level(lambda part: part + 50, last=10),
    "datum moved by 2 m, all": _level(lambda part: part + 2),
    "datum moved by 2 m, last ten": _level(lambda part: part + 2, last=10),
    "datum moved by 2 m, a year ago": _level(lambda part: part + 2, last=52),
    "datum moved by -0.5 m, all": _level(lambda part: part - 0.5),
    "levels of another well, all": _other(),
    "levels of another well, last ten": _other(last=10),
    "conductivity, all": _level(lambda part: 650 + 100 * (part - part.mean())),
    "conductivity, last five": _level(lambda part: part * 0 + 652.0, last=5),
    "air pressure, all": _level(lambda part: 1013 + 10 * (part - part.mean())),
    "water temperature, all": _level(lambda part: 10 + 0.1 * (part - part.mean())),
    "depth to water, all": _level(lambda part: 52.0 - part),
    "depth to water, last ten": _level(lambda part: 52.0 - part, last=10),
    "stuck sensor": _level(lambda part: part.iloc[0], last=30),
    "noisy sensor": _level(_noise(5.0), last=10),
    "noise of 10 cm": _level(_noise(0.1), last=10),
    "levels in random order": _level(np.random.default_rng(7).permutation, last=30),
    "mirrored levels": _level(lambda part: 2 * part.mean() - part, last=30),
    "doubled levels": _level(lambda part: 2 * part - part.mean(), last=30),
    "drifting sensor": _level(_ramp(0.5), last=12),
    "record in reverse": _level(lambda part: part.to_numpy()[::-1]),
    "levels of the year before": _level(lambda part: np.roll(part.to_numpy(), 26)),
    "stuck sensor, 12 weeks": _level(lambda part: part.iloc[0], last=12),
    "stuck sensor, 8 weeks": _level(lambda part: part.iloc[0], last=8),
    "frozen at the highest level": _highest(12),
    "stuck sensor with the last digit flickering": _level(_flicker, last=26),
    "slow drift of 3 cm a week": _level(_ramp(0.03), last=40),
    "slow drift of -5 cm a week": _level(_ramp(-0.05), last=30),
    "stamps of the levels a month late": _stamps("level", 28),
    "stamps of the levels half a year late": _stamps("level", 182),
    "stamps of the last levels a year late": _late_stamps,
    "saw-tooth of a pump": _level(_saw, last=12),
    "levels over and over": _level(lambda part: np.tile(part.iloc[:4], 20)[: len(part)], last=40),
    "two sensors in turn": _level(lambda part: part + np.arange(len(part)) % 2, last=20),
    "interpolated levels": _level(
        lambda part: np.linspace(part.iloc[0], part.iloc[-1], len(part)).round(3), last=26
    ),
    "only missing codes of late": _level(_all(-999.0), last=6),
    "levels rounded to m": _level(lambda part: part.round(0), last=20),
    "a leap day in 2009": _text("w1.csv", "2010-02-22", "2009-02-29"),
    "decimal commas in part": _commas,
    "levels end 80 days ago": _until(80),
    "levels end 44 days ago": _until(44),
}
WEATHER: dict[str, Change] = {
    "rain of 1,000,000 mm": _weather("rain", _all(1e6), last=1),
    "rain of 10,000 mm": _weather("rain", _all(1e4), last=1),
    "rain of 700 mm in each of four weeks": _weather("rain", _all(700.0), last=4),
    "rain of -50 mm": _weather("rain", _all(-50.0), last=1),
    "rain of 1e20": _weather("rain", _all(1e20), last=1),
    "rain of -9999": _weather("rain", _all(-9999.0), last=2),
    "rain times 10": _weather("rain", lambda part: part * 10, last=20),
    "rain doubled": _weather("rain", lambda part: part * 2, last=40),
    "rain halved": _weather("rain", lambda part: part / 2, last=40),
    "rain in m": _weather("rain", lambda part: part / 1000, last=60),
    "rain in inches": _weather("rain", lambda part: part / 25.4, last=60),
    "no rain for a year": _weather("rain", _all(0.0), last=60),
    "cumulated rain": _weather("rain", lambda part: part.cumsum(), last=104),
    "stuck gauge": _weather("rain", _all(7.3), last=10),
    "temperature in kelvin, last": _weather("temperature", lambda part: part + 273.15, last=2),
    "temperature in Fahrenheit": _weather("temperature", lambda part: part * 1.8 + 32, last=12),
    "temperature times 10": _weather("temperature", lambda part: part * 10, last=60),
    "temperature of -9999": _weather("temperature", _all(-9999.0), last=1),
    "temperature of -99.9": _weather("temperature", _all(-99.9), last=1),
    "stuck thermometer": _weather("temperature", _all(4.2), last=30),
    "temperature of the other hemisphere": _weather("temperature", lambda part: 18 - part, last=60),
    "evapotranspiration times 10": _weather("evapotranspiration", lambda p: p * 10, last=60),
    "evapotranspiration with another sign": _weather(
        "evapotranspiration", lambda part: -5 - part, last=10
    ),
    "evapotranspiration of 500 mm": _weather("evapotranspiration", _all(500.0), last=1),
    "temperature of 0": _weather("temperature", _all(0.0), last=20),
    "temperature of 0 for years": _weather("temperature", _all(0.0)),
    "evapotranspiration of 0": _weather("evapotranspiration", _all(0.0), last=40),
    "rain of -0.3 mm": _weather("rain", _all(-0.3), last=3),
    "rain in tenths of mm": _weather("rain", lambda part: part * 10, last=5),
    "rain for a month only": _weather("rain", lambda part: part.where(part.index < "2009", 0.0)),
    "rain of each day for a week": _weather("rain", lambda part: part / 7, last=60),
    "weather repeats the year before": _repeat_year,
    "weather half a year late": _stamps("weather", 182),
    "weather a month late": _stamps("weather", 28),
    "rain in reverse": _weather("rain", lambda part: part.to_numpy()[::-1]),
    "rain that hardly varies": _weather(
        "rain", lambda part: 10 + 0.05 * (part - part.mean()), last=30
    ),
    "same rain in all weeks": _weather("rain", lambda part: part * 0 + part.mean(), last=52),
    "a wrong leap day in the weather": _text("weather.csv", "2010-02-22", "2009-02-29"),
    "rain and temperature swapped": _swapped("rain", "temperature"),
    "temperature and evapotranspiration swapped": _swapped("temperature", "evapotranspiration"),
}
AHEAD: dict[str, Change] = {
    "forecast of -9999": _ahead(lambda made: made * 0 - 9999.0),
    "forecast rain of 1,000,000 mm": _ahead(lambda made: made.assign(rain=made["rain"] * 0 + 1e6)),
    "one member of 5,000 mm": _ahead(
        lambda made: made.assign(rain=made["rain"].where(made["member"] != 1, 5e3))
    ),
    "forecast rain times 10": _ahead(lambda made: made.assign(rain=made["rain"] * 10)),
    "forecast temperature of a warmer climate": _ahead(
        lambda made: made.assign(temperature=made["temperature"] + 12)
    ),
    "forecast rain of -50 mm": _ahead(lambda made: made.assign(rain=made["rain"] * 0 - 50)),
    "forecast temperature in kelvin": _ahead(
        lambda made: made.assign(temperature=made["temperature"] + 273.15)
    ),
    "forecast evapotranspiration of -300 mm": _ahead(
        lambda made: made.assign(evapotranspiration=made["evapotranspiration"] * 0 - 300)
    ),
    "forecast of NaN": _ahead(lambda made: made * np.nan),
    "forecast of infinity": _ahead(lambda made: made * np.inf),
    "forecast of 30 days ago": _ahead(lambda made: made, age=30),
    "forecast of tomorrow only": _ahead(lambda made: made, age=-7),
    "one member missing": _ahead(lambda made: made.where(made["member"] != 1)),
    "members of NaN at the end": _ahead(
        lambda made: made.where((made["member"] == 0) | (made["time"] < made["time"][3]))
    ),
    "forecast repeats the weeks before": _ahead_of_past,
    "forecast rain of 0 and temperature of 0": _ahead(
        lambda made: made.assign(rain=made["rain"] * 0, temperature=made["temperature"] * 0)
    ),
    "forecast rain in m": _ahead(lambda made: made.assign(rain=made["rain"] / 1000)),
    "forecast rain and temperature swapped": _ahead_swapped("rain", "temperature"),
    "forecast rain and evapotranspiration swapped": _ahead_swapped("rain", "evapotranspiration"),
    "forecast without temperature": _ahead(lambda made: made.drop_vars("temperature")),
    "forecast without time": _ahead(lambda made: made.rename(time="hour")),
    "forecast file missing": _file(lambda path: path.unlink()),
    "forecast file empty": _file(lambda path: path.write_bytes(b"") and None),
    "forecast file half written": _file(_half),
    "forecast file of text": _file(lambda path: path.write_text("rain\n1\n") and None),
    "forecast file a folder": _file(_folder),
}
KINDS: dict[str, Change] = {**LEVELS, **WEATHER, **AHEAD}
