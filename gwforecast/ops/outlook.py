"""What a forecast says of the months ahead: state against normal, and crossings of a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.ops.forecasters import BLEND
from gwforecast.sequences.split import Split
from gwforecast.verification.status import Status
from gwforecast.verification.thresholds import crossing_table

__all__ = ["Outlook", "last_whole_issue", "lead_model", "look_ahead"]


@dataclass(frozen=True, eq=False)
class Outlook:
    """What the forecasts of a backtest's lead model say of the months ahead.

    Parameters
    ----------
    status : pandas.DataFrame
        State of each month by well as in :meth:`gwforecast.verification.status.Status.table`,
        observed up to the last issue time whose forecast is whole (column ``issue_time``), forecast
        after it. The reference is the train and validation periods.
    crossings : pandas.DataFrame
        Probability and time of the first crossing for each well and issue time, as in
        :func:`gwforecast.verification.thresholds.crossing_table`; empty without a threshold.
    without : dict of str to str
        Why a well has no state, by well.
    """

    status: pd.DataFrame = field(default_factory=pd.DataFrame)
    crossings: pd.DataFrame = field(default_factory=pd.DataFrame)
    without: dict[str, str] = field(default_factory=dict)


def lead_model(hindcasts: xr.Dataset) -> str:
    """Return the model that an outlook is of: the blend where there is one, else the first."""
    models = [str(model) for model in hindcasts[schema.MODEL].values]
    return BLEND if BLEND in models else models[0]


def last_whole_issue(hindcasts: xr.Dataset, *, model: str, well: str) -> np.datetime64:
    """Return the issue time of the last forecast that reaches the end of the horizon."""
    chosen = {schema.MODEL: model, schema.WELL: well}
    level = hindcasts[schema.LEVEL].sel({**chosen, schema.QUANTILE: 0.5})
    whole = np.flatnonzero(level.notnull().all(schema.LEAD_TIME).values)
    last = whole[-1] if whole.size else 0
    return np.datetime64(level[schema.ISSUE_TIME].values[last])


def look_ahead(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    threshold: float | Mapping[str, float] | None = None,
) -> Outlook:
    """Return state against normal and crossings by the lead model's hindcasts.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods; what is normal is learnt from train and validation.
    threshold : float or mapping, optional
        Level whose undercutting is a crossing, m, for all wells or by well.
    """
    model = lead_model(hindcasts)
    forecast = hindcasts.sel({schema.MODEL: model}, drop=True)
    rows = split.rows(observations, "train", "validation")
    tables, without = [], {}
    for well in map(str, hindcasts[schema.WELL].values):
        chosen = {schema.WELL: [well]}
        of_well = observations.sel(chosen)
        try:
            status = Status().fit(of_well, rows=rows.sel(chosen))
        except schema.SchemaError as error:
            without[well] = str(error)
            continue
        issue_time = last_whole_issue(hindcasts, model=model, well=well)
        table = status.table(of_well, forecast.sel({**chosen, schema.ISSUE_TIME: [issue_time]}))
        tables.append(table.assign(issue_time=pd.Timestamp(issue_time)))
    crossings = pd.DataFrame() if threshold is None else crossing_table(forecast, threshold)
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Outlook(joined, crossings, without)
