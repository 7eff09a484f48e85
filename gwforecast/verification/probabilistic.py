"""Metrics of uncertain predictions, intervals and quantiles, and coverage by year.

``observed`` has the shape (time,); predictions may have axes before time, (..., time), for
several series at once: the result is a float, or an array (...). Each value is a mean over the
rows, of which those with a NaN are left out; with no row left it is NaN. Infinite values are
refused. All are free of the datum.

The intervals of :data:`INTERVALS` and the CRPS are entered into
:data:`gwforecast.verification.metrics.METRICS`, and with that are in every table of scores. A
further metric of the predicted quantiles is one call of :func:`register`.

**Coverage by year** has the range that so few errors leave it. Errors of levels last for weeks to
months, so that a well has few independent ones in a year, and the coverage of a reliable interval
varies much from year to year and from well to well: a nominal 95 % of a single well lies between 90
and 98 % over four years in only about half of the cases.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.errors import independent_number
from gwforecast.verification.averages import Metric, Pairs, Values, as_series
from gwforecast.verification.metrics import METRICS

__all__ = [
    "ALL_YEARS", "COLUMNS", "INTERVALS", "coverage", "coverage_by_lead", "coverage_by_year",
    "coverage_note", "coverage_of_blocks", "coverage_range", "crps_quantiles", "interval_score",
    "interval_width", "register",
]  # fmt: skip


INTERVALS: dict[str, tuple[float, float]] = {"95": (0.025, 0.975), "80": (0.1, 0.9)}
"""Central intervals that are scored, as lower and upper quantile, by nominal coverage in %."""


def _mean(row_scores: np.ndarray, missing: np.ndarray) -> Values:
    """Return the mean over the last axis of the rows that are not missing, NaN without any."""
    known = ~missing
    total = np.where(known, row_scores, 0.0).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        mean = total / known.sum(axis=-1)
    return float(mean) if mean.ndim == 0 else mean


def _interval(
    observed: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return checked arrays, and which rows miss any of the three."""
    observed, lower = as_series(observed, lower)
    observed, upper = as_series(observed, upper)
    missing = np.isnan(observed) | np.isnan(lower) | np.isnan(upper)
    crossed = lower > upper
    if crossed.any():
        where = tuple(int(i) for i in np.argwhere(crossed)[0])
        raise ValueError(
            "The lower bound of an interval must not lie above the upper one. Received "
            f"{lower[where]} above {upper[where]} at position {where}. Exchange the bounds, or "
            "sort the quantiles."
        )
    return observed, lower, upper, missing


def _inside(o: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return 1 where a level is inside its interval, 0 where not."""
    return ((o >= low) & (o <= high)).astype(float)


def _interval_scores(o: np.ndarray, low: np.ndarray, high: np.ndarray, alpha: float) -> np.ndarray:
    """Return the interval score of each row."""
    outside = np.maximum(low - o, 0) + np.maximum(o - high, 0)
    return np.asarray(high - low + 2 / alpha * outside)


def coverage(*, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Values:
    """Return the share of observed levels inside the interval, bounds included.

    ``mean(lower <= o <= upper)``, also called PICP (prediction interval coverage probability).
    Units 1; 0 to 1; the nominal coverage is perfect: 0.95 for a 95 % interval.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    lower, upper : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Khosravi et al. (2011), doi:10.1109/TNN.2010.2096824.

    Examples
    --------
    >>> coverage(observed=np.array([1.0, 5.0]), lower=np.zeros(2), upper=np.full(2, 2.0))
    0.5
    """
    o, low, high, missing = _interval(observed, lower, upper)
    return _mean(_inside(o, low, high), missing)


def interval_width(*, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Values:
    """Return the mean width of the interval over the observed rows (closed form).

    ``mean(upper - lower)``. Units m; 0 to inf; the narrower the better, at the same coverage.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m; says which rows count.
    lower, upper : numpy.ndarray
        Shape (..., time), m.
    """
    _, low, high, missing = _interval(observed, lower, upper)
    return _mean(high - low, missing)


def interval_score(
    *, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, alpha: float = 0.05
) -> Values:
    """Return the interval (Winkler) score: width, and ``2 / alpha`` times the distance outside.

    ``mean(upper - lower + 2 / alpha * (max(lower - o, 0) + max(o - upper, 0)))``. Units m; 0 to
    inf; 0 is perfect. Proper for the central interval.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    lower, upper : numpy.ndarray
        Shape (..., time), m.
    alpha : float
        1 - nominal coverage.

    References
    ----------
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 43.
    """
    if not 0 < alpha < 1:
        raise ValueError(
            f"alpha must lie inside (0, 1). Received {alpha}. A 95 % interval has alpha 0.05."
        )
    o, low, high, missing = _interval(observed, lower, upper)
    return _mean(_interval_scores(o, low, high, alpha), missing)


def crps_quantiles(*, observed: np.ndarray, predicted: np.ndarray, quantiles: np.ndarray) -> Values:
    """Return the continuous ranked probability score from quantiles.

    ``mean(integral (F(x) - [x >= o])^2 dx)``, exact for the distribution whose F is linear between
    the quantiles and jumps to 0 and 1 at the outermost ones. Units m; 0 to inf; 0 is perfect; the
    mean absolute error where all quantiles are equal. With the seven quantiles of this package it
    is within 0.3 % of the score of a calibrated or biased normal distribution, and 1.5 % above that
    of one that is twice too wide; the mean of the pinball losses would be up to 24 % too low.
    Quantiles that cross are put in order first (Chernozhukov et al. 2010).

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time, quantile), m.
    quantiles : numpy.ndarray
        Shape (quantile,), increasing, inside (0, 1), in any spacing.

    References
    ----------
    Hersbach (2000), doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2; Gneiting and Ranjan
    (2011), doi:10.1198/jbes.2010.08110; Chernozhukov et al. (2010), doi:10.3982/ECTA7880.

    Examples
    --------
    >>> quantiles = np.array([0.25, 0.75])
    >>> crps_quantiles(observed=np.array([2.0]), predicted=np.array([[0, 1]]), quantiles=quantiles)
    1.27083...
    """
    levels = np.asarray(quantiles, float)
    o, p = as_series(observed, predicted, trailing=1)
    increasing = levels.ndim == 1 and levels.size > 0 and bool((np.diff(levels) > 0).all())
    inside = increasing and levels[0] > 0 and levels[-1] < 1
    if not inside or levels.size != p.shape[-1]:
        raise ValueError(
            "Quantiles must increase inside (0, 1), one for each value of the last axis. Received "
            f"{np.array2string(levels, threshold=9)} for {p.shape[-1]} values. Sort them, and the "
            "predictions with them."
        )
    missing = np.isnan(o) | np.isnan(p).any(axis=-1)
    return _mean(crps_of_rows(o, np.sort(p, axis=-1), levels), missing)


def crps_of_rows(o: np.ndarray, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the score of each row: (F(x) - [x >= o])^2 over each segment, below and above o.

    Levels are (time,), predictions (..., time, quantile), in order, both without NaN.
    """
    start, end, s, t = p[..., :-1], p[..., 1:], levels[:-1], levels[1:]
    cut = np.clip(o[:, None], start, end)
    width = end - start
    share = np.divide(cut - start, width, out=np.zeros_like(width), where=width > 0)
    u = s + (t - s) * share  # F at the cut
    below = (cut - start) * (s**2 + s * u + u**2)
    above = (end - cut) * ((1 - u) ** 2 + (1 - u) * (1 - t) + (1 - t) ** 2)
    outside = np.maximum(p[..., 0] - o, 0) + np.maximum(o - p[..., -1], 0)
    return np.asarray((below + above).sum(axis=-1) / 3 + outside)


def register(
    name: str,
    statistics: Callable[[Pairs], np.ndarray],
    *,
    label: str,
    definition: str,
    units: str = "m",
    perfect: float = 0.0,
    larger_is_better: bool | None = None,
    needs: tuple[float, ...] = (),
    doc: str | None = None,
) -> None:
    """Enter a metric of the predicted quantiles, a mean over pairs, into the registry.

    The function takes :class:`~gwforecast.verification.averages.Pairs` and returns the statistic of
    each; its docstring is that of the metric if none is given. The others are as in
    :class:`~gwforecast.verification.averages.Metric`.
    """

    def function(*, observed: np.ndarray, predicted: np.ndarray, quantiles: np.ndarray) -> Values:
        o, p = as_series(observed, predicted, trailing=1)
        found = Pairs(o, p, np.asarray(quantiles, float), np.ones(o.shape, dtype=bool))
        values = statistics(found)
        return _mean(values, np.isnan(o) | np.isnan(p).any(axis=-1) | np.isnan(values))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc or statistics.__doc__
    METRICS[name] = Metric(
        function, label, units, perfect, definition, larger_is_better=larger_is_better,
        kind="distribution", needs=needs, statistics=statistics,
    )  # fmt: skip


def crps_of_pairs(pairs: Pairs) -> np.ndarray:
    """Return the CRPS of each pair, m, and the absolute error where there is only a median."""
    result = pairs.absolute_error.copy()
    observed = np.broadcast_to(pairs.observed, result.shape)
    scored = pairs.complete & np.isfinite(observed)
    result[scored] = crps_of_rows(observed[scored], pairs.ordered[scored], pairs.quantiles)
    return result


def _inside_of_pairs(pairs: Pairs, *, lower: float, upper: float) -> np.ndarray:
    low, high = pairs.quantile(lower), pairs.quantile(upper)
    return np.where(pairs.complete, _inside(pairs.observed, low, high), np.nan)


def _width_of_pairs(pairs: Pairs, *, lower: float, upper: float) -> np.ndarray:
    return np.asarray(pairs.quantile(upper) - pairs.quantile(lower))


def _interval_score_of_pairs(pairs: Pairs, *, lower: float, upper: float) -> np.ndarray:
    low, high = pairs.quantile(lower), pairs.quantile(upper)
    return _interval_scores(pairs.observed, low, high, 1 - (upper - lower))


for _level, (_lower, _upper) in INTERVALS.items():
    register(
        f"coverage_{_level}", partial(_inside_of_pairs, lower=_lower, upper=_upper),
        label=f"coverage of the {_level} % interval", units="1", perfect=round(_upper - _lower, 9),
        definition=f"share of levels inside the {_level} % interval",
        needs=(_lower, _upper), doc=coverage.__doc__,
    )  # fmt: skip
    register(
        f"width_{_level}", partial(_width_of_pairs, lower=_lower, upper=_upper),
        label=f"width of the {_level} % interval", larger_is_better=False,
        definition=f"mean width of the {_level} % interval",
        needs=(_lower, _upper), doc=interval_width.__doc__,
    )  # fmt: skip
    register(
        f"interval_score_{_level}", partial(_interval_score_of_pairs, lower=_lower, upper=_upper),
        label=f"interval score of the {_level} % interval", larger_is_better=False,
        definition=f"width of the {_level} % interval, and a penalty for levels outside",
        needs=(_lower, _upper), doc=interval_score.__doc__,
    )  # fmt: skip

register(
    "crps", crps_of_pairs, label="CRPS", larger_is_better=False,
    definition="continuous ranked probability score from the quantiles; the MAE of a median alone",
    doc=crps_quantiles.__doc__,
)  # fmt: skip


COLUMNS = ["model", "well", "nominal", "year", "value", "lower", "upper", "independent", "n"]
ALL_YEARS = "all"


def coverage_range(
    value: float | np.ndarray, independent: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % confidence interval of a coverage, lower and upper.

    ``independent`` is the number of independent outcomes, which need not be whole; the interval is
    that of the binomial distribution (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404).

    Examples
    --------
    >>> [round(float(bound), 2) for bound in coverage_range(0.95, 20.0)]
    [0.75, 1.0]
    """
    from scipy.special import betaincinv  # a scheduled forecast needs no scipy

    inside = np.asarray(value) * np.asarray(independent)
    outside = np.asarray(independent) - inside

    lower = np.where(inside > 0, betaincinv(np.maximum(inside, 1e-9), outside + 1, 0.025), 0.0)
    upper = np.where(outside > 0, betaincinv(inside + 1, np.maximum(outside, 1e-9), 0.975), 1.0)
    return lower, upper


def coverage_by_year(predictions: xr.DataArray, observed: xr.DataArray) -> pd.DataFrame:
    """Return the coverage of each central interval, model and well by calendar year.

    Predictions are (model, well, time, quantile), m; observed levels (well, time), m, are those of
    the period that is judged, NaN elsewhere. Columns are model, well, nominal (of the interval, in
    %), year (``"all"`` for the whole period), value (share of the levels inside), lower and upper
    (its 95 % range), independent (number of independent errors that the range rests on) and n
    (levels).
    """
    quantiles = predictions[schema.QUANTILE].values
    levels = predictions.transpose(schema.MODEL, schema.WELL, schema.TIME, schema.QUANTILE)
    of_wells = observed.sel({schema.WELL: levels[schema.WELL].values})
    truth = of_wells.transpose(schema.WELL, schema.TIME).values
    years = pd.DatetimeIndex(observed[schema.TIME].values).year.to_numpy()
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    parts = []
    for model, level in zip(levels[schema.MODEL].values, levels.values, strict=True):
        errors = truth - level[..., middle]
        size = independent_number(errors[..., None], sizes=True)[:, 0]
        for low in np.flatnonzero(quantiles < 0.5 - 1e-9):
            high = int(np.argmin(np.abs(quantiles - (1 - quantiles[low]))))
            known = np.isfinite(errors) & np.isfinite(level[..., [low, high]]).all(axis=-1)
            inside = known & (truth >= level[..., low]) & (truth <= level[..., high])
            nominal = round(100 * (quantiles[high] - quantiles[low]), 6)
            table = _by_year(known, inside, years, size)
            table[schema.WELL] = levels[schema.WELL].values[table[schema.WELL].to_numpy()]
            parts.append(table.assign(model=str(model), nominal=nominal))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def coverage_by_lead(hindcasts: xr.Dataset, observed: xr.DataArray) -> pd.DataFrame:
    """Return :func:`coverage_by_year` of some lead times, with the column lead.

    Hindcasts have ``level`` (model, well, issue_time, lead_time, quantile), m, and observed levels
    are those at each valid time. Lead times are the first and the last one, and those after a tenth
    and a third of the horizon; years are those of the issue times.
    """
    horizon = hindcasts.sizes[schema.LEAD_TIME]
    tables = []
    for lead in sorted({1, *(max(1, round(horizon * part)) for part in (0.1, 0.3, 1.0))}):
        at = {schema.LEAD_TIME: lead - 1}
        level, truth = (
            part.isel(at, drop=True)
            .drop_vars(schema.VALID_TIME, errors="ignore")
            .rename({schema.ISSUE_TIME: schema.TIME})
            for part in (hindcasts[schema.LEVEL], observed)
        )
        table = coverage_by_year(level, truth)
        table.insert(2, "lead", lead)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def coverage_note(table: pd.DataFrame) -> str:
    """Return what the coverage of a single well can say, in one sentence; "" without intervals."""
    if table.empty:
        return ""
    whole = table[(table["year"].astype(str) == ALL_YEARS) & (table["nominal"] == 95.0)]
    if whole.empty:
        return ""
    lower, upper = (100 * whole[name].median() for name in ("lower", "upper"))
    return (
        "Coverage at one well is uncertain, because errors persist: its 95 % confidence interval "
        f"is {lower:.0f} to {upper:.0f} % (median of wells and models); by year in coverage.csv."
    )


def coverage_of_blocks(
    table: pd.DataFrame, *, by: str = "model", nominal: float = 95.0, most: int = 6
) -> pd.DataFrame:
    """Return the coverage of one interval by blocks of years, as tables and figures show it.

    Of a table as of :func:`coverage_by_year` models are compared, or of :func:`coverage_by_lead`
    lead times, ``by="lead"``. The interval is nominal in %; with more than ``most`` years,
    neighbouring ones are joined. Columns are ``by``, years (as ``"2014"``, ``"2014-16"``, and
    ``"all"``), value, lower, upper (medians over wells) and n (levels of all wells), in the order
    of the table.
    """
    chosen = table[table["nominal"] == nominal]
    years = sorted({int(year) for year in chosen["year"] if str(year) != ALL_YEARS})
    length = -(-len(years) // most) or 1
    names = {ALL_YEARS: ALL_YEARS}
    for first in range(0, len(years), length):
        block = years[first : first + length]
        label = str(block[0]) if len(block) == 1 else f"{block[0]}-{block[-1] % 100:02d}"
        names |= {str(year): label for year in block}
    parts = chosen.assign(
        years=chosen["year"].astype(str).map(names), inside=chosen["value"] * chosen["n"]
    )
    of_wells = parts.groupby([by, "well", "years"], sort=False)[["inside", "n", "independent"]]
    sums = of_wells.sum().reset_index()
    sums["value"] = sums["inside"] / sums["n"]
    sums["lower"], sums["upper"] = coverage_range(
        sums["value"].to_numpy(), sums["independent"].to_numpy()
    )
    summed = sums.groupby([by, "years"], sort=False)
    found = summed[["value", "lower", "upper"]].median().assign(n=summed["n"].sum()).reset_index()
    years_last = [*list(names.values())[1:], ALL_YEARS]
    return found.sort_values("years", key=lambda one: one.map(years_last.index), kind="stable")


def _by_year(
    known: np.ndarray, inside: np.ndarray, years: np.ndarray, independent: np.ndarray
) -> pd.DataFrame:
    """Return the coverage of each well (by its number) in each year and in all of them."""
    count = np.maximum(known.sum(axis=1), 1)
    rows = []
    for year in (*np.unique(years[known.any(axis=0)]), ALL_YEARS):
        of_year = np.ones(years.size, bool) if year == ALL_YEARS else years == year
        n = (known & of_year).sum(axis=1)
        wells = np.flatnonzero(n)
        value = (inside & of_year).sum(axis=1)[wells] / n[wells]
        size = np.maximum(independent[wells] * n[wells] / count[wells], 1.0)
        lower, upper = coverage_range(value, size)
        rows.append(
            pd.DataFrame(
                {
                    schema.WELL: wells, "year": str(year), "value": value, "lower": lower,
                    "upper": upper, "independent": size.round(1), "n": n[wells],
                }
            )
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)
