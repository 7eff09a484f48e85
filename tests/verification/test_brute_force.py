"""Scores, intervals and indices against plain loops over their definitions, on random cases.

The cases have gaps, ties, quantiles that cross, models without a forecast and thresholds at the
quantiles themselves. Nothing of the package is used but what is tested.
"""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from gwforecast import schema
from gwforecast.questions.trend import drought_table, gxg_table
from gwforecast.verification.archived import LEVEL, coverage_limit
from gwforecast.verification.distribution import crossing_table, event_probability, pit_values
from gwforecast.verification.events import (
    brier_scores,
    reliability_table,
    tercile_limits,
    tercile_scores,
)
from gwforecast.verification.lead_scoring import lead_scores
from gwforecast.verification.probabilistic import coverage_by_year
from gwforecast.verification.significance import compare, skill_range
from gwforecast.verification.status import LevelStatus, monthly_means

Q = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]
NORMAL = NormalDist()
MODELS, WELLS, ISSUES, LEADS = ["m", "median", "persistence", "climatology"], ["a", "b"], 40, 3
DIMS = ("model", "well", "issue_time", "lead_time", "quantile")


def cdf(x: float, quantiles: np.ndarray) -> tuple[float, float]:
    """Return P(X < x) and P(X <= x) of one forecast."""
    if math.isnan(quantiles[3]) or math.isnan(x):
        return math.nan, math.nan
    if np.isnan(quantiles).any():
        return float(quantiles[3] < x), float(quantiles[3] <= x)
    v = sorted(float(one) for one in quantiles)
    at = [q for q, one in zip(Q, v, strict=True) if one == x]
    if at:
        lowest, highest = v[1] == x == v[0], v[-2] == x == v[-1]
        return (0.0 if lowest else at[0]), (1.0 if highest else at[-1])
    for one, other in ((0, 1), (-1, -2)):
        if (x < v[0]) if one == 0 else (x > v[-1]):
            if v[one] == v[other]:
                return (0.0, 0.0) if one == 0 else (1.0, 1.0)
            z, y = NORMAL.inv_cdf(Q[one]), NORMAL.inv_cdf(Q[other])
            p = NORMAL.cdf(z + (y - z) * (x - v[one]) / (v[other] - v[one]))
            return p, p
    k = max(k for k in range(7) if v[k] < x)
    p = Q[k] + (Q[k + 1] - Q[k]) * (x - v[k]) / (v[k + 1] - v[k])
    return p, p


def crps(o: float, quantiles: np.ndarray) -> float:
    """Return the integral of the squared difference, segment by segment, by Gauss' rule."""
    if np.isnan(quantiles).any():
        return abs(quantiles[3] - o)
    v = sorted(float(one) for one in quantiles)
    total, nodes = max(v[0] - o, 0) + max(o - v[-1], 0), np.polynomial.legendre.leggauss(3)
    for k in range(6):
        cuts = sorted({v[k], v[k + 1], min(max(o, v[k]), v[k + 1])})
        for a, b in itertools.pairwise(cuts):
            for node, weight in zip(*nodes, strict=True):
                x = (a + b) / 2 + (b - a) / 2 * node
                p = Q[k] + (Q[k + 1] - Q[k]) * (x - v[k]) / (v[k + 1] - v[k])
                total += weight * (b - a) / 2 * (p - (x >= o)) ** 2
    return total


def case(seed: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Return hindcasts and observations with gaps and ties."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-01-01", periods=ISSUES + LEADS, freq="W-MON")
    observed = rng.normal(size=(2, time.size)).cumsum(axis=1).round(1)
    observed[rng.random(observed.shape) < 0.15] = np.nan
    frame = schema.label_forecast(
        np.zeros((2, ISSUES, LEADS)), wells=WELLS, issue_times=time[:ISSUES].to_numpy(),
        frequency="W-MON",
    ).drop_vars("level")  # fmt: skip
    centre = rng.normal(size=(4, 2, ISSUES, LEADS)) + np.nanmean(observed)
    spread = np.sort(rng.normal(scale=2, size=(4, 2, ISSUES, LEADS, 7)).round(1), axis=-1)
    level = (centre[..., None] + spread).round(1)
    crossed = rng.random(level.shape[:-1]) < 0.1
    level[crossed] = level[crossed][:, ::-1]
    level[1, ..., [0, 1, 2, 4, 5, 6]] = np.nan
    level[rng.random(level.shape[:-1]) < 0.1] = np.nan
    level[seed % 4, seed % 2, :, seed % 3] = np.nan  # a model without forecasts here
    coords = {"model": MODELS, "quantile": Q}
    data = {"level": (("well", "time"), observed)}
    return (frame.assign_coords(coords).assign(level=(DIMS, level)),
            xr.Dataset(data, {"well": WELLS, "time": time}))  # fmt: skip


def pairs(hindcasts: xr.Dataset, observations: xr.Dataset, well: int, lead: int) -> tuple:
    """Return outcomes, quantiles (model, pair, quantile), models scored, and the issue numbers."""
    level = hindcasts["level"].values[:, well, :, lead]
    outcome = observations["level"].values[well, lead + 1 : lead + 1 + ISSUES]
    some = [m for m in range(4) if (~np.isnan(level[m, :, 3]) & ~np.isnan(outcome)).any()]
    rows = [t for t in range(ISSUES) if not np.isnan(outcome[t])
            and all(not np.isnan(level[m, t, 3]) for m in some)]  # fmt: skip
    return outcome[rows], level[:, rows], some, rows


def expect(table: pd.DataFrame, expected: dict[tuple, float]) -> int:
    """Compare a long table of scores with expected values; return how many were compared."""
    columns = ["model", "well", "lead", "metric"]
    found = table[table["metric"].isin({key[3] for key in expected})].set_index(columns)["value"]
    assert set(found.index) == set(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), key
    return len(expected)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def ratio(score: float, reference: float) -> float:
    return 1 - score / reference if reference > 0 else math.nan


@pytest.mark.parametrize("seed", range(12))
def test_probabilities_of_events(seed: int) -> None:
    hindcasts, observations = case(seed)
    limits = xr.DataArray(np.array([0.1, -0.4]) + seed % 3, {"well": WELLS}, "well")
    expected: dict[tuple, float] = {}
    for well, lead in np.ndindex(2, LEADS):
        outcome, level, some, _ = pairs(hindcasts, observations, well, lead)
        limit = float(limits[well])
        event = [float(o > limit) for o in outcome]
        for m in some:
            chance = [1 - cdf(limit, one)[1] for one in level[m]]
            brier = mean([(p - e) ** 2 for p, e in zip(chance, event, strict=True)])
            share = mean(event)
            parts: dict[int, list[tuple[float, float]]] = {}
            for p, e in zip(chance, event, strict=True):
                parts.setdefault(min(int(round(10 * p, 9)), 9), []).append((p, e))
            reliability = resolution = within = covariance = 0.0
            for part in parts.values():
                p, e = mean([one[0] for one in part]), mean([one[1] for one in part])
                reliability += len(part) * (p - e) ** 2 / len(event)
                resolution += len(part) * (e - share) ** 2 / len(event)
                within += sum((one[0] - p) ** 2 for one in part) / len(event)
                covariance += sum((a - p) * (b - e) for a, b in part) / len(event)
            key = (MODELS[m], WELLS[well], lead + 1)
            uncertainty = share * (1 - share)
            expected |= {
                (*key, "brier"): brier, (*key, "reliability"): reliability,
                (*key, "resolution"): resolution - within + 2 * covariance,
                (*key, "uncertainty"): uncertainty, (*key, "frequency"): share,
                (*key, "skill_brier"): ratio(brier, uncertainty),
            }  # fmt: skip
    assert expect(brier_scores(hindcasts, observations, limits, above=True), expected) >= 120
    below = event_probability(hindcasts, limits).values
    above = event_probability(hindcasts, limits, above=True).values
    middles = pit_values(hindcasts, observations).values
    for place in np.ndindex(below.shape):
        one, outcome = hindcasts["level"].values[place], observations["level"].values[place[1]]
        left, through = cdf(float(limits[place[1]]), one)
        np.testing.assert_allclose([below[place], above[place]], [left, 1 - through], atol=1e-12)
        pit = mean(list(cdf(outcome[place[2] + place[3] + 1], one)))
        pit = math.nan if np.isnan(one).any() else pit
        np.testing.assert_allclose(middles[place], pit, atol=1e-12)
    table = reliability_table(hindcasts, observations, limits, above=True, draws=20)
    for number, m in enumerate(MODELS):
        cells: dict[int, list[tuple[float, float]]] = {}
        for well, lead in np.ndindex(2, LEADS):
            outcome, level, some, _ = pairs(hindcasts, observations, well, lead)
            for o, one in zip(outcome, level[number], strict=True) if number in some else ():
                p = 1 - cdf(float(limits[well]), one)[1]
                cells.setdefault(min(int(round(10 * p, 9)), 9), []).append(
                    (p, float(o > limits[well]))
                )
        rows = table[table["model"] == m]
        assert rows["bin"].tolist() == sorted(cells)
        for row in rows.itertuples():
            found = [row.n, row.probability, row.frequency]
            part = cells[row.bin]
            expected_row = [len(part), mean([p for p, _ in part]), mean([e for _, e in part])]
            np.testing.assert_allclose(found, expected_row)


@pytest.mark.parametrize("seed", range(6))
def test_terciles(seed: int) -> None:
    hindcasts, observations = case(seed)
    rows = observations["time"] < observations["time"].values[30]
    rows = rows & xr.ones_like(observations["level"], dtype=bool)
    limits = tercile_limits(observations, hindcasts, rows=rows, by="all")
    thirds = [np.quantile(one[:30][~np.isnan(one[:30])], [1 / 3, 2 / 3])
              for one in observations["level"].values]  # fmt: skip
    expected = {}
    for well, lead in np.ndindex(2, LEADS):
        low, high = thirds[well]
        np.testing.assert_allclose(limits.values[:, well, 0, lead], [low, high])
        outcome, level, some, _ = pairs(hindcasts, observations, well, lead)
        classes = [int(o >= low) + int(o > high) for o in outcome]
        for m in some:
            scores, climate = [], []
            for c, one in zip(classes, level[m], strict=True):
                p = [cdf(low, one)[0], 0.0, 1 - cdf(high, one)[1]]
                p[1] = 1 - p[0] - p[2]
                for found, probabilities in ((scores, p), (climate, [1 / 3] * 3)):
                    found.append(
                        sum((sum(probabilities[: k + 1]) - (c <= k)) ** 2 for k in (0, 1)) / 2
                    )
            key = (MODELS[m], WELLS[well], lead + 1)
            expected[(*key, "rps")] = mean(scores)
            expected[(*key, "skill_rps")] = ratio(mean(scores), mean(climate))
    assert expect(tercile_scores(hindcasts, observations, limits), expected) >= 40


@pytest.mark.parametrize("seed", range(6))
def test_scores_by_lead(seed: int) -> None:
    hindcasts, observations = case(seed)
    expected = {}
    for well, lead in np.ndindex(2, LEADS):
        outcome, level, some, _ = pairs(hindcasts, observations, well, lead)
        o, error_of = outcome, {}
        for m in some:
            p = level[m, :, 3]
            e, so, sp = p - o, np.std(o), np.std(p)
            r = mean((o - o.mean()) * (p - p.mean())) / so / sp
            # hydroeval's ranks of equal levels, and curves sorted after the division
            spearman = stats.pearsonr(*(one.argsort().argsort() for one in (o, p)))[0]
            curve = 1 - 0.5 * sum(abs(np.sort(p / p.sum()) - np.sort(o / o.sum())))
            beta = p.mean() / o.mean()
            values = {
                "rmse": math.sqrt(mean(e**2)), "mae": mean(abs(e)), "bias": mean(e),
                "nse": 1 - sum(e**2) / sum((o - o.mean()) ** 2), "r2": r**2,
                "kge": 1 - math.dist([r, sp / so, beta], [1, 1, 1]),
                "kgeprime": 1 - math.dist([r, sp / so / beta, beta], [1, 1, 1]),
                "kgenp": 1 - math.dist([spearman, curve, beta], [1, 1, 1]),
                "kge_anomaly": 1 - math.dist([r, sp / so, (p.mean() - o.mean()) / so], [1, 1, 0]),
                "persistency_index": 1 - sum(e[1:] ** 2) / sum(np.diff(o) ** 2),
                "pbias": -100 * sum(e) / sum(o), "mare": sum(abs(e)) / sum(o),
                "mae_low": mean(abs(e)[o <= np.quantile(o, 0.2)]),
                "mae_high": mean(abs(e)[o >= np.quantile(o, 0.8)]),
                "crps": mean([crps(a, b) for a, b in zip(o, level[m], strict=True)]),
            }  # fmt: skip
            for name, (low, high), alpha in (("95", (0, 6), 0.05), ("80", (1, 5), 0.2)):
                inside = width = score = math.nan
                if m != 1:
                    v = np.sort(level[m], axis=1)
                    below, above = np.maximum(v[:, low] - o, 0), np.maximum(o - v[:, high], 0)
                    inside = mean((below == 0) & (above == 0))
                    width = mean(v[:, high] - v[:, low])
                    score = width + 2 / alpha * mean(below + above)
                values |= {f"coverage_{name}": inside, f"width_{name}": width,
                           f"interval_score_{name}": score}  # fmt: skip
            error_of[m] = values
        for m, values in error_of.items():
            for b in (2, 3):
                for name in ("rmse", "crps"):
                    reference = error_of[b][name] if b in error_of else math.nan
                    values[f"skill_{name}_{MODELS[b]}"] = (
                        ratio(values[name], reference) if b in error_of else math.nan
                    )
            for name, value in values.items():
                expected[(MODELS[m], WELLS[well], lead + 1, name)] = value
    assert expect(lead_scores(hindcasts, observations), expected) >= 500


@pytest.mark.parametrize("seed", range(4))
def test_coverage_of_years(seed: int) -> None:
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-03-01", periods=200, freq="W-MON")
    observed = rng.normal(size=(2, 200)).round(1)
    observed[rng.random(observed.shape) < 0.2] = np.nan
    level = np.sort(rng.normal(size=(2, 2, 200, 7)).round(1), axis=-1)
    level[0, 0, :20, 0] = np.nan
    coords = {"model": ["m", "k"], "well": WELLS, "time": time, "quantile": Q}
    predictions = xr.DataArray(level, coords, ("model", "well", "time", "quantile"))
    truth = xr.DataArray(observed, {"well": WELLS, "time": time}, ("well", "time"))
    for row in coverage_by_year(predictions, truth).itertuples():
        m, w = ["m", "k"].index(row.model), WELLS.index(row.well)
        low, high = {95: (0, 6), 80: (1, 5), 50: (2, 4)}[round(row.nominal)]
        inside = [level[m, w, t, low] <= observed[w, t] <= level[m, w, t, high]
                  for t in range(200) if not np.isnan(observed[w, t])
                  and not np.isnan(level[m, w, t, [low, high]]).any()
                  and row.year in ("all", str(time[t].year))]  # fmt: skip
        assert (row.n, row.value) == (len(inside), pytest.approx(mean(inside)))
        k = row.value * row.independent
        lower = stats.beta.ppf(0.025, k, row.independent - k + 1) if k else 0.0
        upper = stats.beta.ppf(0.975, k + 1, row.independent - k) if row.value < 1 else 1.0
        assert (row.lower, row.upper) == (pytest.approx(lower, abs=0.02),
                                          pytest.approx(upper, abs=0.02))  # fmt: skip


def record(seed: int, *, freq: str = "D") -> xr.Dataset:
    """Return a record of 12 to 24 years with gaps of days and months, and ties."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("1995-02-10", periods=365 * int(rng.integers(12, 24)))
    level = (10 + rng.normal(size=time.size).cumsum() / 40).round(2)
    level[rng.random(time.size) < 0.2] = np.nan
    for start in rng.integers(0, time.size, 6):
        level[start : start + 50] = np.nan
    found = xr.Dataset({"level": (("well", "time"), level[None])}, {"well": ["a"], "time": time})
    return found if freq == "D" else found.isel(time=slice(None, None, 7))


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_classes_and_indices_of_months(seed: int) -> None:
    data = record(seed)
    status = LevelStatus().fit(data, rows=xr.ones_like(data["level"], dtype=bool))
    series = data["level"].to_series().droplevel("well").dropna()
    groups = series.groupby([series.index.year, series.index.month])
    usual = np.median([len(one) for _, one in groups])
    means = {key: one.mean() for key, one in groups if len(one) >= usual / 2}
    assert int(monthly_means(data["level"]).notnull().sum()) == len(means)
    table = status.table(data).set_index("time")
    assert len(table) == len(means)
    names = ["exceptionally low", "notably low", "below normal", "normal", "above normal",
             "notably high", "exceptionally high"]  # fmt: skip
    for (year, month), value in means.items():
        same = [v for (_, m), v in means.items() if m == month]
        rank = sum(v < value for v in same) + (sum(v == value for v in same) + 1) / 2
        row = table.loc[pd.Timestamp(year, month, 1)]
        percentile = 100 * rank / (len(same) + 1)
        assert row["level"] == pytest.approx(value)
        assert row["percentile"] == pytest.approx(percentile)
        assert row["index"] == pytest.approx(NORMAL.inv_cdf((rank - 0.5) / len(same)))
        assert row["class"] == names[sum(percentile > k for k in (5, 13, 28, 72, 87, 95))]
        third = int(percentile > 100 / 3) + int(percentile > 200 / 3)
        assert row["tercile"] == ["below", "near", "above"][third]


@pytest.mark.parametrize("seed", range(3))
def test_droughts(seed: int) -> None:
    data = record(seed)
    status = LevelStatus().fit(data, rows=xr.ones_like(data["level"], dtype=bool))
    index = status.table(data).set_index("time")["index"].to_dict()
    expected, run = [], []
    for month in [*pd.date_range(min(index), max(index), freq="MS"), None]:
        if month is not None and index.get(month, 0) <= -1:
            run.append(month)
        elif run:
            values = [index[m] for m in run]
            expected.append((run[0], run[-1], len(run), -sum(values), min(values),
                             run[-1] == max(index)))  # fmt: skip
            run = []
    found = drought_table(data["level"]).drop(columns="well")
    assert len(found) == len(expected)
    for row, other in zip(found.itertuples(index=False), expected, strict=True):
        assert row[:3] == other[:3]
        assert row[3:5] == pytest.approx(other[3:5])
        assert row[5] == other[5]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("freq", ["D", "W"])
def test_mean_highest_lowest_and_spring_levels(seed: int, freq: str) -> None:
    data = record(seed, freq=freq)
    series = data["level"].to_series().droplevel("well").dropna()
    dates = [pd.Timestamp(y, m, d) for y in range(1995, 2020) for m in range(1, 13)
             for d in (14, 28)]  # fmt: skip
    nearest: dict[pd.Timestamp, tuple[int, float]] = {}
    ordinals = np.array([date.toordinal() for date in dates])
    for time, value in series.items():  # each level stands for one date
        away = np.abs(ordinals - time.toordinal())
        date = dates[len(dates) - 1 - int(np.argmin(away[::-1]))]
        if away.min() <= 7 and away.min() < nearest.get(date, (99, 0))[0]:
            nearest[date] = int(away.min()), value
    years: dict[int, list[float]] = {}
    springs: dict[int, list[float]] = {}
    for date, (_, value) in sorted(nearest.items()):
        years.setdefault(date.year - (date.month < 4), []).append(value)
        if (date.month, date.day) in ((3, 14), (3, 28), (4, 14)):
            springs.setdefault(date.year, []).append(value)
    whole = [one for one in years.values() if len(one) >= 16]
    found = gxg_table(data["level"]).iloc[0]
    assert found["years"] == len(whole)
    assert found["ghg"] == pytest.approx(mean([mean(sorted(one)[-3:]) for one in whole]))
    assert found["glg"] == pytest.approx(mean([mean(sorted(one)[:3]) for one in whole]))
    assert found["gvg"] == pytest.approx(mean([mean(one) for one in springs.values()
                                               if len(one) >= 2]))  # fmt: skip


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [  # whole years: of incomplete ones pastas takes fewer levels
        ("ghg", "1995-04-01", "2006-03-31"),
        ("glg", "1995-04-01", "2006-03-31"),
        ("gvg", "1996-01-01", "2005-12-31"),
    ],
)
def test_pastas_has_the_same_mean_highest_lowest_and_spring_levels(
    name: str, first: str, last: str
) -> None:
    dutch = pytest.importorskip("pastas.stats.dutch")
    level = record(0)["level"].sel(time=slice(first, last))
    series = level.to_series().droplevel("well").ffill().bfill()
    found = gxg_table(level.copy(data=series.to_numpy()[None])).iloc[0]
    assert found[name] == pytest.approx(getattr(dutch, name)(series))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dim", ["member", "quantile"])
def test_crossings(seed: int, dim: str) -> None:
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(2, 1, 5, 7)).round(1)
    level = np.sort(level, axis=-1) if dim == "quantile" else level
    time = np.array(["2001-01-01"], "datetime64[us]")
    frame = schema.label_forecast(level[..., 0], wells=WELLS, issue_times=time, frequency="D")
    labels = Q if dim == "quantile" else range(7)
    forecast = frame.assign_coords({dim: labels}).assign(level=((*frame["level"].dims, dim), level))
    above, limit = bool(seed % 2), round(float(rng.normal()), 1)
    table = crossing_table(forecast, limit, above=above)
    for w, row in enumerate(table.itertuples()):
        chances = []
        for lead in range(5):
            seen = level[w, 0, : lead + 1]
            if dim == "member":
                beyond = [any(v > limit if above else v < limit for v in seen[:, k])
                          for k in range(7)]  # fmt: skip
                chances.append(mean(beyond))
            else:
                each = [cdf(limit, one) for one in seen]
                chances.append(max(1 - b if above else a for a, b in each))
        assert row.probability == pytest.approx(chances[-1])
        for name, least in (("first_10", 0.1), ("first_50", 0.5), ("first_90", 0.9)):
            reached = [k for k in range(5) if chances[k] >= least]
            time_of = frame["valid_time"].values[0, reached[0]] if reached else np.datetime64("NaT")
            assert getattr(row, name) == pd.Timestamp(time_of) or not reached


@pytest.mark.parametrize("seed", range(8))
def test_the_range_of_skill_is_that_of_ratios_not_rejected(seed: int) -> None:
    hindcasts, observations = case(seed + 20)
    level = hindcasts["level"].values
    table = compare(hindcasts, observations, model="m", baseline="climatology", loss="absolute")
    for row in table.itertuples():
        w, lead = WELLS.index(row.well), row.lead - 1
        outcome = observations["level"].values[w, row.lead : row.lead + ISSUES]
        losses = np.abs(level[[0, 3], w, :, lead, 3] - outcome)
        known = np.flatnonzero(np.isfinite(losses).all(axis=0))
        assert row.n == known.size
        ours, theirs = losses[:, known]
        assert row.difference == pytest.approx(mean(ours) - mean(theirs))
        assert row.skill == pytest.approx(1 - mean(ours) / mean(theirs))
        waves = min(max(round(known.size / (2 * row.lead)), 4), 8)
        length = known[-1] - known[0] + 1

        def p_value(r: float, ours=ours, theirs=theirs, known=known, n=waves, length=length):
            d = ours - r * theirs
            parts = [
                math.sqrt(2) * mean((d - d.mean())
                                    * np.cos(math.pi * j * (known - known[0] + 0.5) / length))
                for j in range(1, n + 1)
            ]  # fmt: skip
            t = d.mean() / math.sqrt(mean([part**2 for part in parts]))
            return 2 * stats.t.sf(abs(t), n)

        assert row.p_value == pytest.approx(p_value(1.0))
        if math.isfinite(row.lower):
            assert p_value(1 - row.lower) == pytest.approx(0.05)
            assert p_value(1 - row.upper) == pytest.approx(0.05)
            assert row.lower < row.skill < row.upper
    assert np.isnan(skill_range(np.ones(9), np.arange(9.0), span=1)).all()


@pytest.mark.parametrize("n", [20, 53, 104])
def test_the_limit_of_coverage_is_the_binomial_one(n: int) -> None:
    counts = [k for k in range(n + 1) if stats.binom.cdf(k, n, 0.8) < LEVEL]
    limit = coverage_limit(float(n))
    assert counts[-1] / n <= limit + 1e-3 < (counts[-1] + 1) / n + 1e-3
