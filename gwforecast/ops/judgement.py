"""All that is said about hindcasts: scores by lead time, tests, reliability of an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.ops.forecasters import BLEND, NETWORKS
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split
from gwforecast.verification.forecasts import lead_scores
from gwforecast.verification.reliability import brier_scores, reliability_table
from gwforecast.verification.significance import compare
from gwforecast.verification.terciles import tercile_limits

__all__ = ["Judgement", "event_of", "judge", "rivals"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is said about the hindcasts of a backtest.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, lead, lead_time, metric, value, n.
    comparison : pandas.DataFrame
        The networks' model against the best other one, by well and lead time.
    reliability : pandas.DataFrame
        Forecast probability and observed frequency of the event, by model and bin.
    event : str
        What the event is.
    """

    scores: pd.DataFrame
    comparison: pd.DataFrame
    reliability: pd.DataFrame
    event: str


def judge(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    baselines: Sequence[str],
    threshold: float | Mapping[str, float] | None = None,
) -> Judgement:
    """Score hindcasts against the levels of the test period.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods.
    baselines : sequence of str
        Models that skill is measured against.
    threshold : float or mapping, optional
        The event is a level below it, m, for all wells or by well; by default a level below the
        lower tercile of its month in the train and validation periods.
    """
    scored = observations.assign({schema.LEVEL: split.levels(observations, "test")})
    known = [name for name in baselines if name in hindcasts[schema.MODEL].values]
    scores = lead_scores(hindcasts, scored, baselines=known)
    limit, event = event_of(hindcasts, observations, split, threshold)
    if limit is None:
        return Judgement(scores, _compare(hindcasts, scored, scores), pd.DataFrame(), event)
    brier = brier_scores(hindcasts, scored, limit)
    brier = brier[brier["metric"].isin(["brier", "skill_brier"])]
    reliability = reliability_table(hindcasts, scored, limit)
    scores = pd.concat([scores, brier], ignore_index=True)
    return Judgement(scores, _compare(hindcasts, scored, scores), reliability, event)


def event_of(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    split: Split,
    threshold: float | Mapping[str, float] | None,
) -> tuple[float | xr.DataArray | None, str]:
    """Return the level whose undercutting is scored, None where there is none, and its name."""
    if threshold is None:
        rows = split.rows(observations, "train", "validation")
        try:
            limits = tercile_limits(observations, hindcasts, rows=rows)
        except SchemaError as error:
            return None, f"none: {error}"
        return limits.isel(tercile=0, drop=True), "level below the lower tercile of its month"
    if isinstance(threshold, Mapping):
        wells = hindcasts[schema.WELL].values
        missing = [str(well) for well in wells if str(well) not in threshold]
        if missing:
            raise SchemaError(
                "A threshold is given for all wells or for each. Received none for "
                f"{missing[0]!r}. Add it."
            )
        values = [float(threshold[str(well)]) for well in wells]
        limit = xr.DataArray(values, {schema.WELL: wells}, (schema.WELL,))
        return limit, "level below the threshold of the well"
    return float(threshold), f"level below {threshold:g} m"


def rivals(scores: pd.DataFrame) -> tuple[str, str] | None:
    """Return the networks' model and the other one with the least CRPS; None without both."""
    models = list(dict.fromkeys(scores["model"]))
    others = [model for model in models if model not in (BLEND, *NETWORKS)]
    ours = next((model for model in (BLEND, *NETWORKS) if model in models), None)
    if ours is None or not others:
        return None
    crps = scores[(scores["metric"] == "crps") & scores["model"].isin(others)]
    return ours, str(crps.groupby("model")["value"].mean().idxmin())


def _compare(hindcasts: xr.Dataset, observations: xr.Dataset, scores: pd.DataFrame) -> pd.DataFrame:
    """Hold the networks' model against the best other one: is the gain more than chance."""
    pair = rivals(scores)
    if pair is None:
        return pd.DataFrame()
    return compare(hindcasts, observations, model=pair[0], baseline=pair[1])
