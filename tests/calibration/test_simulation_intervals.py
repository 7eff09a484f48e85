"""Intervals cover what they should, and keep to the forecaster's median."""

import numpy as np
import pytest
import xarray as xr

from gwforecast.calibration.intervals import QUANTILES, SimulationInterval
from gwforecast.schema import SchemaError, validate_simulation


def dataset(values: np.ndarray, **extra: object) -> xr.Dataset:
    dims = ("well", "time", "member")[: values.ndim]
    time = np.datetime64("1990-01-01", "us") + np.arange(values.shape[1]) * np.timedelta64(1, "D")
    wells = [f"w{i}" for i in range(values.shape[0])]
    return xr.Dataset({"level": (dims, values)}, {"well": wells, "time": time})


def half_years(days: int) -> np.ndarray:
    """Return errors of one size, above and below in turn for half a year each, (1, day)."""
    return np.where(np.arange(days) // 182 % 2, 1.0, -1.0)[None]


@pytest.mark.parametrize("kind", ["normal", "laplace"])
def test_coverage_is_near_nominal_on_new_rows(kind: str) -> None:
    rng = np.random.default_rng(0)
    errors = getattr(rng, kind)(size=(1, 40_000))
    observations = dataset(5 + errors)
    simulation = dataset(np.full((1, 40_000), 5.0))
    rows = xr.zeros_like(observations["level"], dtype=bool)
    rows[:, :24_000] = True
    made = SimulationInterval().fit(simulation, observations, rows=rows).apply(simulation)
    later = observations["level"][:, 24_000:]
    for low, high in ((0.025, 0.975), (0.1, 0.9), (0.25, 0.75)):
        level = made["level"][:, 24_000:]
        inside = (later >= level.sel(quantile=low)) & (later <= level.sel(quantile=high))
        assert float(inside.mean()) == pytest.approx(high - low, abs=0.03)


def test_quantiles_are_sorted_around_the_median_of_the_members() -> None:
    rng = np.random.default_rng(1)
    members = rng.normal(size=(2, 500, 5))
    observations = dataset(rng.normal(size=(2, 500)))
    rows = xr.ones_like(observations["level"], dtype=bool)
    simulation = dataset(members)
    made = SimulationInterval().fit(simulation, observations, rows=rows).apply(simulation)
    validate_simulation(made)
    assert made["quantile"].values.tolist() == list(QUANTILES)
    assert (made["level"].diff("quantile") >= 0).all()
    np.testing.assert_array_equal(made["level"].sel(quantile=0.5), np.median(members, axis=-1))


def test_intervals_are_wider_where_members_disagree_and_where_years_are_few() -> None:
    rng = np.random.default_rng(2)
    members = rng.normal(size=(1, 1461, 5)) * np.where(np.arange(1461) < 700, 0.1, 3)[:, None]
    observations = dataset(rng.normal(size=(1, 1461)))
    simulation = dataset(members)
    every = xr.ones_like(observations["level"], dtype=bool)

    def width(rows: xr.DataArray) -> xr.DataArray:
        level = (
            SimulationInterval().fit(simulation, observations, rows=rows).apply(simulation)["level"]
        )
        return level.sel(quantile=0.975) - level.sel(quantile=0.025)

    wide = width(every)
    assert float(wide[:, 700:].mean()) > 1.5 * float(wide[:, :700].mean())
    constant = dataset(np.zeros((1, 1461)))
    noise = dataset(half_years(1461))
    short = every & (every["time"] < np.datetime64("1991-01-01"))
    widths = [
        SimulationInterval().fit(constant, noise, rows=r).widths_.sel(quantile=0.975).item()
        for r in (short, every)
    ]
    assert widths[0] / widths[1] == pytest.approx(2.0 / 1.25, rel=0.15)


@pytest.mark.parametrize("years", [2, 8])
def test_few_years_widen_an_interval_by_more_the_farther_out_it_ends(years: int) -> None:
    signs = half_years(years * 365)
    observations, simulation = dataset(signs), dataset(np.zeros(signs.shape))
    rows = xr.ones_like(observations["level"], dtype=bool)
    widths = SimulationInterval().fit(simulation, observations, rows=rows).widths_.isel(well=0)
    added = widths.sel(quantile=[0.75, 0.9, 0.975]).values - 1
    # with the square of the quantiles of a normal distribution, from those of the 50 % interval on
    square = np.square([0.6745, 1.2816, 1.9600])
    expected = (square - square[0]) / (square[-1] - square[0])
    np.testing.assert_allclose(added / added[-1], expected, rtol=1e-3, atol=1e-9)
    assert added[-1] == pytest.approx(1 / years + 0.3 / (2 * years), rel=0.1)  # two errors a year


def test_errors_that_do_not_last_need_hardly_wider_intervals() -> None:
    signs = np.where(np.arange(2 * 365) % 2, 1.0, -1.0)[None]
    observations, simulation = dataset(signs), dataset(np.zeros(signs.shape))
    rows = xr.ones_like(observations["level"], dtype=bool)
    widths = SimulationInterval().fit(simulation, observations, rows=rows).widths_.isel(well=0)
    assert widths.sel(quantile=0.975).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("memory", "years", "within"), [(4, 3, 4), (26, 3, 4), (13, 8, 2)])
def test_coverage_with_errors_that_last(memory: int, years: int, within: float) -> None:
    wells, n, later = 300, 52 * years, 52 * 6
    rng, share = np.random.default_rng(3), np.exp(-1 / memory)
    steps = rng.normal(size=(n + later, wells)) * np.sqrt(1 - share**2)
    steps[0] = rng.normal(size=wells)
    for step in range(1, len(steps)):
        steps[step] += share * steps[step - 1]
    time = np.datetime64("1980-01-06", "us") + np.arange(n + later) * np.timedelta64(7, "D")
    observations = dataset(steps.T).assign_coords(time=time)
    rows = xr.ones_like(observations["level"], dtype=bool) & (observations["time"] < time[n])
    simulation = xr.zeros_like(observations)
    made = SimulationInterval().fit(simulation, observations, rows=rows).apply(simulation)
    new = {"time": slice(n, None)}
    level, observed = made["level"].isel(new), observations["level"].isel(new)
    for low, high in ((0.25, 0.75), (0.1, 0.9), (0.025, 0.975)):
        inside = (observed >= level.sel(quantile=low)) & (observed <= level.sel(quantile=high))
        assert 100 * float(inside.mean()) == pytest.approx(100 * (high - low), abs=within)


def test_intervals_are_wider_where_errors_have_been_larger() -> None:
    rng = np.random.default_rng(5)
    days = np.arange(20 * 365)
    season = np.sin(2 * np.pi * days / 365.25)
    simulation = dataset(np.zeros((1, days.size)))
    observations = dataset((rng.normal(size=days.size) * np.exp(0.5 * season))[None])
    rows = xr.ones_like(observations["level"], dtype=bool)
    rows[:, 15 * 365 :] = False
    made = SimulationInterval().fit(simulation, observations, rows=rows).apply(simulation)
    low, high = (made["level"].sel(quantile=q)[0, 15 * 365 :] for q in (0.025, 0.975))
    inside = (observations["level"][0, 15 * 365 :] <= high) & (
        observations["level"][0, 15 * 365 :] >= low
    )
    later = season[15 * 365 :]
    assert float((high - low)[later > 0.9].mean()) > 1.8 * float((high - low)[later < -0.9].mean())
    for part in (later > 0.9, later < -0.9):
        assert float(inside[part].mean()) == pytest.approx(0.95, abs=0.05)


def test_recent_errors_count_more_and_many_old_ones_are_not_forgotten() -> None:
    days = 30 * 365
    errors = np.random.default_rng(6).normal(size=days) * np.where(np.arange(days) < days / 2, 2, 1)
    simulation = dataset(np.zeros((1, days)))
    rows = xr.ones_like(simulation["level"], dtype=bool)
    fitted = [
        SimulationInterval().fit(simulation, dataset(made[None]), rows=rows)
        for made in (errors, errors[::-1])
    ]
    falling, rising = (
        interval.apply(simulation)["level"].sel(quantile=0.975).mean().item() for interval in fitted
    )
    assert 2.2 < falling < 0.97 * rising
    assert rising < 4.4


def test_errors_to_come_of_half_the_size_halve_the_scale() -> None:
    observations = dataset(np.random.default_rng(6).normal(size=(1, 4000)))
    level = xr.zeros_like(observations["level"])
    simulation, calm = (xr.Dataset({"level": level, "spread": level + s}) for s in (0.5, 0.25))
    rows = xr.ones_like(level, dtype=bool)
    as_known = SimulationInterval().fit(simulation, observations, rows=rows)
    half = SimulationInterval().fit(simulation, observations, rows=rows, reduction=level + 0.5)
    xr.testing.assert_allclose(half.widths_, as_known.widths_)
    xr.testing.assert_allclose(half.apply(calm), 0.5 * as_known.apply(simulation))


def test_a_well_with_too_few_errors_has_a_median_only() -> None:
    observations = dataset(np.random.default_rng(3).normal(size=(2, 50)))
    observations["level"][1, 5:] = np.nan
    simulation = dataset(np.zeros((2, 50)))
    rows = xr.ones_like(observations["level"], dtype=bool)
    level = SimulationInterval().fit(simulation, observations, rows=rows).apply(simulation)["level"]
    assert level[0].notnull().all()
    assert (level[1].sel(quantile=0.5) == 0).all()
    assert level[1].drop_sel(quantile=0.5).isnull().all()


def test_rows_that_are_not_learnt_from_change_nothing() -> None:
    rng = np.random.default_rng(4)
    observations = dataset(rng.normal(size=(1, 400)))
    simulation = dataset(np.zeros((1, 400)))
    rows = xr.zeros_like(observations["level"], dtype=bool)
    rows[:, 100:200] = True
    first = SimulationInterval().fit(simulation, observations, rows=rows)
    for other in (np.nan, 1e6):
        changed = observations.copy(deep=True)
        changed["level"].values[~rows.values] = other
        again = SimulationInterval().fit(simulation, changed, rows=rows)
        assert again.widths_.identical(first.widths_)


def test_other_times_are_refused() -> None:
    observations = dataset(np.zeros((1, 50)))
    rows = xr.ones_like(observations["level"], dtype=bool)
    with pytest.raises(SchemaError, match="same wells and times"):
        SimulationInterval().fit(dataset(np.zeros((1, 40))), observations, rows=rows)
