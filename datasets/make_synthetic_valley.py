"""Make the synthetic valley: weather, groundwater levels and the truth behind them.

Nothing here was measured. Rain, temperature and pumping are drawn from a seeded generator, and the
levels follow from them by snow, soil and linear reservoirs, so that the true level of each day is
known. ``python datasets/make_synthetic_valley.py`` writes the files again, byte for byte; the
equations and parameters stand in ``datasets/README.md``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 20220913
START, END = "1998-01-01", "2019-12-31"
LAST_LEVEL = "2018-12-31"  # after it the record holds weather only, and the truth goes on
SPIN_UP_YEARS = 10  # stores forget how they started before the first day that is written
LATITUDE = 48.5  # degrees north, of the southern edge and of the weather stations
DEGREE = 111_195.0  # m of one degree of latitude
STATIONS = {"valley": (0.0, 1.0), "upland": (-5.2, 1.3)}
"""Difference in temperature (degC) and factor of the rain against the valley, by station."""

FILES = {
    "levels.csv": "Levels as observed, m: with sensor noise, rounding and gaps; to 2018.",
    "weather.csv": "Daily weather of the two stations; to 2019.",
    "pumping.csv": "Abstraction, m3/d: each row holds until the next one; to 2019.",
    "attributes.csv": "Static attributes of the wells.",
    "truth.csv": "The true level of each day, m: no noise, no gaps; to 2019.",
}


@dataclass(frozen=True)
class Well:
    """A well of the valley: where it stands, what feeds it and how it is observed.

    Parameters
    ----------
    station, aquifer : str
        Weather station, and category of the aquifer.
    x, y, ground_level, depth : float
        Position, height of the ground and depth of the well, m.
    base : float
        Level without recharge and pumping, m above the synthetic datum.
    memories : tuple of float
        Time constants of the linear reservoirs in series, d.
    specific_yield, soil_capacity : float
        Drainable share of the aquifer's volume; water that the soil can hold, mm.
    drawdown : float
        Final drawdown by pumping of 1 m3/d, m.
    first, every, gaps : str, tuple of int, tuple of (str, str)
        First day of the record; shortest and longest time between observations, d; first and last
        day of each time without any.
    noise, decimals : float, int
        Standard deviation of the sensor's error, m; resolution of the record.
    """

    station: str
    aquifer: str
    x: float
    y: float
    ground_level: float
    depth: float
    base: float
    memories: tuple[float, ...]
    specific_yield: float
    soil_capacity: float
    drawdown: float = 0.0
    first: str = "2002-01-01"
    every: tuple[int, int] = (1, 1)
    noise: float = 0.004
    decimals: int = 3
    gaps: tuple[tuple[str, str], ...] = ()


WELLS = {
    "scarp": Well("valley", "chalk", 4.1e3, 2.3e3, 187.6, 42.0, 158.0, (60.0, 400.0), 0.05, 140.0),
    "fen": Well(
        "valley", "sand", 1250.0, 3900.0, 98.4, 6.0, 95.1, (30.0,), 0.06, 90.0,
        first="2003-03-18",
        gaps=(
            ("2006-11-02", "2007-07-23"), ("2010-02-11", "2010-02-26"),
            ("2013-05-30", "2014-09-08"), ("2017-01-09", "2017-04-02"),
        ),
    ),
    "ridge": Well(
        "upland", "fractured rock", 7.8e3, 9.4e3, 812.3, 35.0, 786.5, (90.0,), 0.04, 60.0
    ),
    "terrace": Well(
        "valley", "gravel", 2600.0, 3150.0, 109.8, 14.0, 101.2, (120.0,), 0.12, 110.0,
        first="2002-01-05", every=(5, 9), noise=0.008, decimals=2,
    ),
    "works": Well(
        "valley", "gravel", 3050.0, 1700.0, 112.5, 22.0, 104.9, (120.0,), 0.10, 110.0,
        drawdown=0.0012, first="2003-06-01",
        gaps=(("2011-08-15", "2011-09-20"), ("2015-12-24", "2016-01-11")),
    ),
}  # fmt: skip
PUMPED = "works"
PUMPING_MEMORY = 45.0  # d


def seasonal(day_of_year: np.ndarray, mean: float, amplitude: float, peak: float) -> np.ndarray:
    """Return a cosine of one year's period around a mean, highest at day ``peak``."""
    return mean + amplitude * np.cos(2 * np.pi * (day_of_year - peak) / 365.25)


def autoregressive(shocks: np.ndarray, memory: float) -> np.ndarray:
    """Return a stationary AR(1) series of standard deviation 1 from standard normal shocks (day,).

    ``memory`` is the time in which the autocorrelation falls to 1/e, d.
    """
    keep = np.exp(-1 / memory)
    values = np.empty_like(shocks)
    state = shocks[0]
    for day, shock in enumerate(shocks):
        state = keep * state + np.sqrt(1 - keep**2) * shock if day else state
        values[day] = state
    return values


def make_rain(day_of_year: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Draw daily rain, mm/d: wet and dry days by a Markov chain, amounts by a gamma distribution.

    The chance of a wet day and the mean amount drift over years, as climate does; without that
    drift the level would be the same every year.

    References
    ----------
    Richardson (1981), Water Resour. Res. 17, doi:10.1029/WR017i001p00182.
    """
    size = day_of_year.size
    drift = autoregressive(random.standard_normal(size), 150.0)
    after_dry = seasonal(day_of_year, 0.27, 0.04, 350) + 0.06 * drift
    after_wet = seasonal(day_of_year, 0.62, 0.05, 350) + 0.06 * drift
    draws = random.random_sample(size)
    wet = np.zeros(size, bool)
    for day in range(1, size):
        wet[day] = draws[day] < (after_wet if wet[day - 1] else after_dry)[day]
    mean = seasonal(day_of_year, 5.2, 1.0, 200) * np.exp(0.12 * drift)
    shape = 0.75
    return np.where(wet, random.standard_gamma(shape, size) * mean / shape, 0.0)


def make_temperature(day_of_year: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Draw daily mean temperature, degC: a season, and weather that lasts for some days."""
    weather = autoregressive(random.standard_normal(day_of_year.size), 5.0)
    winter = seasonal(day_of_year, 3.2, 0.8, 15)  # weather varies more in winter
    return seasonal(day_of_year, 9.4, 9.2, 203) + winter * weather


def extraterrestrial_radiation(day_of_year: np.ndarray, latitude: float) -> np.ndarray:
    """Return radiation above the atmosphere, MJ/m2/d, by FAO 56 equation 21 (Allen et al. 1998)."""
    angle = 2 * np.pi * day_of_year / 365
    declination = 0.409 * np.sin(angle - 1.39)
    phi = np.radians(latitude)
    sunset = np.arccos(-np.tan(phi) * np.tan(declination))
    daylight = sunset * np.sin(phi) * np.sin(declination)
    daylight = daylight + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return 24 * 60 / np.pi * 0.0820 * (1 + 0.033 * np.cos(angle)) * daylight


def oudin_evapotranspiration(
    temperature: np.ndarray, day_of_year: np.ndarray, latitude: float
) -> np.ndarray:
    """Return potential evapotranspiration, mm/d, from temperature, degC.

    References
    ----------
    Oudin et al. (2005), J. Hydrol. 303, doi:10.1016/j.jhydrol.2004.08.026.
    """
    radiation = extraterrestrial_radiation(day_of_year, latitude)
    return radiation / 2.45 * np.maximum(temperature + 5.0, 0.0) / 100.0


def snow_store(
    rain: np.ndarray, temperature: np.ndarray, *, melt_factor: float = 3.0, threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Return the water that reaches the soil (mm/d) and the snow at the end of each day (mm).

    Precipitation is snow below the threshold (degC) and rain above it; snow melts by
    ``melt_factor`` mm for each degree and day above the threshold.

    References
    ----------
    Hock (2003), J. Hydrol. 282, doi:10.1016/S0022-1694(03)00257-9.
    """
    snowfall = np.where(temperature < threshold, rain, 0.0)
    limit = melt_factor * np.maximum(temperature - threshold, 0.0)
    water, snow = np.empty_like(rain), np.empty_like(rain)
    held = 0.0
    for day in range(rain.size):
        held += snowfall[day]
        melt = min(held, limit[day])
        held -= melt
        water[day], snow[day] = rain[day] - snowfall[day] + melt, held
    return water, snow


def soil_store(
    water: np.ndarray, potential: np.ndarray, capacity: float, *, shape: float = 2.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return recharge (mm/d), actual evapotranspiration (mm/d) and soil water at day's end (mm).

    A share (soil water / capacity) ** shape of the water passes to the aquifer, and what exceeds
    the capacity; evapotranspiration is potential above 60 % of the capacity and falls in
    proportion below. The soil starts half full.

    References
    ----------
    The soil routine of HBV: Lindstroem et al. (1997), J. Hydrol. 201,
    doi:10.1016/S0022-1694(97)00041-3.
    """
    recharge, actual, soil = (np.empty_like(water) for _ in range(3))
    held = capacity / 2
    for day in range(water.size):
        passing = water[day] * (held / capacity) ** shape
        held += water[day] - passing
        passing += max(held - capacity, 0.0)
        held = min(held, capacity)
        actual[day] = min(held, potential[day] * min(1.0, held / (0.6 * capacity)))
        held -= actual[day]
        recharge[day], soil[day] = passing, held
    return recharge, actual, soil


def linear_reservoir(inflow: np.ndarray, memory: float, *, start: float = 0.0) -> np.ndarray:
    """Return the outflow of a linear reservoir at the end of each day, in the units of the inflow.

    Exact for an inflow that is constant within each day: a step of 1 gives 1 - exp(-t / memory).
    ``memory`` is the time constant, d; ``start`` is the outflow before the first day.
    """
    keep = np.exp(-1 / memory)
    outflow = np.empty_like(inflow)
    state = start
    for day in range(inflow.size):
        state = keep * state + (1 - keep) * inflow[day]
        outflow[day] = state
    return outflow


def true_level(well: Well, recharge: np.ndarray, pumping: np.ndarray) -> np.ndarray:
    """Return the level of each day, m above the synthetic datum, without any error of observation.

    Parameters
    ----------
    recharge, pumping : numpy.ndarray
        Shape (day,), mm/d and m3/d.
    """
    outflow = recharge
    for memory in well.memories:
        outflow = linear_reservoir(outflow, memory, start=float(recharge.mean()))
    mound = outflow / 1000 * well.memories[-1] / well.specific_yield
    return well.base + mound - well.drawdown * linear_reservoir(pumping, PUMPING_MEMORY)


def make_pumping(days: pd.DatetimeIndex, random: np.random.RandomState) -> pd.Series:
    """Draw the abstraction of each month, m3/d, by its first day: stepped supply, and irrigation.

    The supply keeps one of three rates for one to three years; irrigation runs May to September.
    """
    months = pd.date_range(days[0], days[-1], freq="MS")
    rates: list[float] = []
    while len(rates) < months.size:
        rate = (150.0, 450.0, 800.0)[int(random.random_sample() * 3)]
        rates += [rate] * (12 + int(random.random_sample() * 24))
    season = np.clip(np.cos(2 * np.pi * (months.month.to_numpy() - 7) / 12), 0.0, 1.0)
    demand = 350.0 * season * (0.7 + 0.6 * random.random_sample(months.size))
    return pd.Series(np.round(np.array(rates[: months.size]) + demand, -1), index=months)


def observe(truth: pd.Series, well: Well, random: np.random.RandomState) -> pd.Series:
    """Return the record of a well: observed days only, with the sensor's error, rounded."""
    noise = well.noise * random.standard_normal(truth.size)
    shortest, longest = well.every
    waits = shortest + (random.random_sample(truth.size) * (longest - shortest + 1)).astype(int)
    visits = np.concatenate([[0], np.cumsum(waits)])
    first = int(truth.index.get_loc(pd.Timestamp(well.first)))
    visits = first + visits[visits < truth.size - first]
    record = (truth + noise).iloc[visits].round(well.decimals)[:LAST_LEVEL]
    for begin, end in well.gaps:
        record = record[(record.index < begin) | (record.index > end)]
    return record


def make_weather(random: np.random.RandomState) -> dict[str, pd.DataFrame]:
    """Draw rain, temperature and evapotranspiration of each station, with the years of spin-up.

    Values are rounded as they are written, so that the files hold what the levels were made from.
    """
    begin = pd.Timestamp(START) - pd.DateOffset(years=SPIN_UP_YEARS)
    days = pd.date_range(begin, END, freq="D")
    day_of_year = days.day_of_year.to_numpy().astype(float)
    rain, temperature = make_rain(day_of_year, random), make_temperature(day_of_year, random)
    weather = {}
    for station, (colder, wetter) in STATIONS.items():
        own = np.exp(0.25 * random.standard_normal(days.size) - 0.03) if colder else 1.0
        drift = 0.8 * autoregressive(random.standard_normal(days.size), 3.0) if colder else 0.0
        here = np.round(temperature + colder + drift, 1)
        potential = oudin_evapotranspiration(here, day_of_year, LATITUDE)
        weather[station] = pd.DataFrame(
            {
                "rain": np.round(rain * wetter * own, 1),
                "temperature": here,
                "evapotranspiration": np.round(potential, 2),
            },
            index=days,
        )
    return weather


def make_valley(seed: int = SEED) -> dict[str, pd.DataFrame]:
    """Return the tables of the synthetic valley by the names of their files."""
    # RandomState, as NEP 19 promises that its stream of numbers never changes.
    random = np.random.RandomState(seed)
    weather = make_weather(random)
    days = weather["valley"].index
    monthly = make_pumping(days, random)
    pumping = monthly.reindex(days, method="ffill").to_numpy()
    truths, records = {}, []
    for name, well in WELLS.items():
        station = weather[well.station]
        water, _ = snow_store(station["rain"].to_numpy(), station["temperature"].to_numpy())
        recharge, _, _ = soil_store(
            water, station["evapotranspiration"].to_numpy(), well.soil_capacity
        )
        truth = pd.Series(true_level(well, recharge, pumping), index=days)[START:]
        record = observe(truth, well, random)
        texts = record.map(f"{{:.{well.decimals}f}}".format)
        records.append(pd.DataFrame({"date": record.index, "well": name, "level": texts}))
        truths[name] = truth["2002":].round(3)
    long = pd.concat({k: v[START:] for k, v in weather.items()}, names=["station", "date"])
    columns = ["station", "aquifer", "x", "y", "ground_level", "depth"]
    attributes = pd.DataFrame(
        [[name, *(getattr(well, c) for c in columns)] for name, well in WELLS.items()],
        columns=["well", *columns],
    )
    attributes.insert(5, "latitude", (LATITUDE + attributes["y"] / DEGREE).round(4))
    return {
        "levels.csv": pd.concat(records),
        "weather.csv": long.reset_index().sort_values(["station", "date"], ascending=[False, True]),
        "pumping.csv": pd.DataFrame(
            {"date": monthly[START:].index, "well": PUMPED, "pumping": monthly[START:].to_numpy()}
        ),
        "attributes.csv": attributes,
        "truth.csv": pd.DataFrame(truths).rename_axis("date").reset_index(),
    }


FORMATS = {"levels.csv": "%.3f", "weather.csv": "%.2f", "pumping.csv": "%.0f", "truth.csv": "%.3f"}


def write_valley(folder: Path, tables: dict[str, pd.DataFrame]) -> dict[str, dict[str, object]]:
    """Write the tables into a folder; return size and sha256 of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, dict[str, object]] = {}
    for name in FILES:
        table = tables[name]
        if name == "weather.csv":
            one_decimal = {c: table[c].map("{:.1f}".format) for c in ("rain", "temperature")}
            table = table.assign(**one_decimal)
        text = table.to_csv(
            index=False, date_format="%Y-%m-%d", float_format=FORMATS.get(name), lineterminator="\n"
        )
        content = text.encode()
        (folder / name).write_bytes(content)
        checksum = hashlib.sha256(content).hexdigest()
        written[name] = {"sha256": checksum, "bytes": len(content), "description": FILES[name]}
    return written


def main(root: Path) -> None:
    """Write ``synthetic_valley/`` and ``registry.json`` below a folder."""
    files = write_valley(root / "synthetic_valley", make_valley())
    entry = {
        "folder": "synthetic_valley",
        "synthetic": True,
        "title": "Synthetic valley: five wells, daily weather 1998 to 2019. Nothing was measured",
        "description": (
            "Synthetic. Stochastic weather, snow, soil, linear reservoirs and pumping; levels to "
            "2018 with sensor noise and gaps, and the true level of each day to 2019."
        ),
        "source": f"datasets/make_synthetic_valley.py, seed {SEED}",
        "licence": "CC0-1.0",
        "files": files,
    }
    text = json.dumps({"synthetic_valley": entry}, indent=2) + "\n"
    (root / "registry.json").write_bytes(text.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
