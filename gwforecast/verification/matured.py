"""Scores of forecasts whose levels have been observed since, added up issue by issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.naive import DayOfYearClimatology
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.probabilistic import crps_of_rows

__all__ = ["COLUMNS", "Matured", "matured", "matured_scores"]

COLUMNS = [
    "well", "model", "bundle", "lead", "n", "rmse", "mae", "bias", "crps", "coverage_80",
    "coverage_95", "width_95", "skill_rmse_persistence", "skill_rmse_climatology",
]  # fmt: skip
_SUMS = ("n", "squared", "absolute", "error", "crps", "inside_80", "inside_95", "width",
         "persistence", "climatology")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Matured:
    """The part of a forecast of one well that has been observed.

    Parameters
    ----------
    well, model, bundle : str
        Whose it is, and what made it.
    issue_time : numpy.datetime64
        When it was issued.
    lead : numpy.ndarray
        Shape (pair,): lead times in steps.
    observed : numpy.ndarray
        Shape (pair,), m.
    level : numpy.ndarray
        Shape (pair, quantile), m.
    persistence, climatology : numpy.ndarray
        Shape (pair,), m: the last level at the issue time, and the mean of the time of the year in
        the years before the first issue; NaN where there is none.
    """

    well: str
    model: str
    bundle: str
    issue_time: np.datetime64
    lead: np.ndarray
    observed: np.ndarray
    level: np.ndarray
    persistence: np.ndarray
    climatology: np.ndarray


@dataclass
class _Sums:
    total: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, lead: np.ndarray, parts: dict[str, np.ndarray]) -> None:
        size = int(lead.max()) if lead.size else 0
        for name in _SUMS:
            held = self.total.get(name, np.zeros(0))
            grown = np.zeros(max(held.size, size))
            grown[: held.size] = held
            np.add.at(grown, lead - 1, parts[name])
            self.total[name] = grown


def matured(forecasts: Iterable[xr.Dataset], observations: xr.Dataset) -> Iterator[Matured]:
    """Yield what has been observed of each forecast and well.

    Forecasts that are not fair are left out: those by a model that was trained on levels after the
    issue time, as a backfill makes them.

    Parameters
    ----------
    forecasts : iterable of xarray.Dataset
        Products in the order of their issue times, each of one issue time; one is held at a time.
    observations : xarray.Dataset
        Dimensions (well, time), up to now.
    """
    usual: xr.DataArray | None = None
    levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    for forecast in forecasts:
        issue_time = forecast[schema.ISSUE_TIME].values[0]
        if usual is None:
            usual = _climatology(observations, issue_time)
        wells = [w for w in forecast[schema.WELL].values if w in levels[schema.WELL].values]
        part = forecast.sel({schema.WELL: wells})
        outcome = observed_at(levels, part).values[:, 0]
        reference = observed_at(usual, part).values[:, 0]
        for number, well in enumerate(wells):
            level = part[schema.LEVEL].values[number, 0]
            fair = not part["trained_through"].values[number] > issue_time
            known = np.isfinite(outcome[number]) & np.isfinite(level).all(axis=-1)
            if fair and known.any():
                yield Matured(
                    well=str(well),
                    model=str(part["model"].values[number]),
                    bundle=str(part["bundle"].values[number]),
                    issue_time=issue_time,
                    lead=np.flatnonzero(known) + 1,
                    observed=outcome[number][known],
                    level=level[known],
                    persistence=np.full(known.sum(), _last(levels, str(well), issue_time)),
                    climatology=reference[number][known],
                )


def matured_scores(pairs: Iterable[Matured], *, quantiles: np.ndarray) -> pd.DataFrame:
    """Return scores by well, model, bundle and lead time; models of other bundles are kept apart.

    Parameters
    ----------
    pairs : iterable of Matured
        As of :func:`matured`; sums are kept, not pairs.
    quantiles : numpy.ndarray
        Shape (quantile,).

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`: errors are predicted - observed, m; the skill is 1 - RMSE / RMSE of
        the baseline, on pairs that both have.
    """
    sums: dict[tuple[str, str, str], _Sums] = {}
    low, high = (int(np.argmin(np.abs(quantiles - q))) for q in (0.025, 0.975))
    inner = [int(np.argmin(np.abs(quantiles - q))) for q in (0.1, 0.9)]
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    for pair in pairs:
        error = pair.level[:, middle] - pair.observed
        outside = (pair.observed < pair.level[:, [inner[0], low]].T) | (
            pair.observed > pair.level[:, [inner[1], high]].T
        )
        parts = {
            "n": np.ones(error.size),
            "squared": error**2,
            "absolute": np.abs(error),
            "error": error,
            "crps": crps_of_rows(pair.observed, pair.level, quantiles),
            "inside_80": 1.0 - outside[0],
            "inside_95": 1.0 - outside[1],
            "width": pair.level[:, high] - pair.level[:, low],
            "persistence": (pair.persistence - pair.observed) ** 2,
            "climatology": (pair.climatology - pair.observed) ** 2,
        }
        key = (pair.well, pair.model, pair.bundle)
        sums.setdefault(key, _Sums()).add(pair.lead, parts)
    tables = [_table(key, held.total) for key, held in sums.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _table(key: tuple[str, str, str], total: dict[str, np.ndarray]) -> pd.DataFrame:
    some = total["n"] > 0
    n = total["n"][some]
    mean = {name: total[name][some] / n for name in _SUMS}
    rmse = np.sqrt(mean["squared"])
    with np.errstate(invalid="ignore", divide="ignore"):
        skill = {name: 1 - rmse / np.sqrt(mean[name]) for name in ("persistence", "climatology")}
    columns = {
        "well": key[0],
        "model": key[1],
        "bundle": key[2],
        "lead": np.flatnonzero(some) + 1,
        "n": n.astype(int),
        "rmse": rmse,
        "mae": mean["absolute"],
        "bias": mean["error"],
        "crps": mean["crps"],
        "coverage_80": mean["inside_80"],
        "coverage_95": mean["inside_95"],
        "width_95": mean["width"],
        "skill_rmse_persistence": skill["persistence"],
        "skill_rmse_climatology": skill["climatology"],
    }
    return pd.DataFrame(columns)[COLUMNS]


def _climatology(observations: xr.Dataset, until: np.datetime64) -> xr.DataArray:
    """Return the climatology of the levels before the first issue, (well, time), m."""
    past = observations[[schema.LEVEL]].sel({schema.TIME: slice(None, until)})
    found = []
    for well in observations[schema.WELL].values:
        one = past.sel({schema.WELL: [well]})
        axis = observations[[schema.LEVEL]].sel({schema.WELL: [well]})
        try:
            split = split_by_fraction(one, train=0.75, validation=0.25)
            fitted = DayOfYearClimatology().fit(one, split=split).refit(one, split=split)
            found.append(fitted.simulate(axis)[schema.LEVEL])
        except SchemaError:
            found.append(xr.full_like(axis[schema.LEVEL], np.nan))
    return xr.concat(found, schema.WELL, coords="minimal", compat="override")


def _last(levels: xr.DataArray, well: str, issue_time: np.datetime64) -> float:
    until = {schema.TIME: slice(None, timeline.to_times([issue_time])[0])}
    past = levels.sel({schema.WELL: well}).sel(until).values
    known = past[np.isfinite(past)]
    return float(known[-1]) if known.size else np.nan
