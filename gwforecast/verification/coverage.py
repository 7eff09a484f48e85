"""Coverage of prediction intervals by year, with the range that so few errors leave it.

Errors of levels last for weeks to months, so that a well has few independent ones in a year, and
the coverage of a reliable interval varies much from year to year and from well to well: a nominal
95 % of a single well lies between 90 and 98 % over four years in only about half of the cases.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import betaincinv

from gwforecast import schema
from gwforecast.calibration.errors import independent_number

__all__ = [
    "ALL_YEARS", "COLUMNS", "coverage_by_lead", "coverage_by_year", "coverage_note",
    "coverage_of_blocks", "coverage_range",
]  # fmt: skip


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
    inside = np.asarray(value) * np.asarray(independent)
    outside = np.asarray(independent) - inside
    lower = np.where(inside > 0, betaincinv(np.maximum(inside, 1e-9), outside + 1, 0.025), 0.0)
    upper = np.where(outside > 0, betaincinv(inside + 1, np.maximum(outside, 1e-9), 0.975), 1.0)
    return lower, upper


def coverage_by_year(predictions: xr.DataArray, observed: xr.DataArray) -> pd.DataFrame:
    """Return the coverage of each central interval, model and well by calendar year.

    Parameters
    ----------
    predictions : xarray.DataArray
        Dimensions (model, well, time, quantile), m.
    observed : xarray.DataArray
        Dimensions (well, time), m: the levels of the period that is judged, NaN elsewhere.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, nominal (of the interval, in %), year (``"all"`` for the whole period),
        value (share of the levels inside), lower and upper (its 95 % range), independent (number of
        independent errors that the range rests on) and n (levels).
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

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observed : xarray.DataArray
        Level at each valid time, dims (well, issue_time, lead_time), m.

    Returns
    -------
    pandas.DataFrame
        Of the first and last lead time, and of those after a tenth and a third of the horizon;
        years are those of the issue times.
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


def coverage_note(table: pd.DataFrame, *, nominal: float = 95.0) -> str:
    """Return what the coverage of a single well can say, in one sentence; "" without intervals."""
    if table.empty:
        return ""
    whole = table[(table["year"].astype(str) == ALL_YEARS) & (table["nominal"] == nominal)]
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

    Parameters
    ----------
    table : pandas.DataFrame
        As of :func:`coverage_by_year` or, for ``by="lead"``, :func:`coverage_by_lead`.
    by : {"model", "lead"}
        What is compared.
    nominal : float
        Of the interval, in %.
    most : int
        Largest number of blocks; neighbouring years are joined where there are more.

    Returns
    -------
    pandas.DataFrame
        Columns ``by``, years (as ``"2014"``, ``"2014-16"``, and ``"all"``), value, lower, upper
        (medians over wells) and n (levels of all wells), in the order of the table.
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
