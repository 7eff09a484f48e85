"""What a bulletin says of one well: in words for the public first, then in technical ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.quality.changes import UNEXPLAINED
from gwforecast.quality.checks import changes_by_regression
from gwforecast.schema import WELL_STATUSES, SchemaError
from gwforecast.verification.status import OUTLOOK_CLASSES, LevelStatus

__all__ = ["HEADS", "KINDS", "Entry", "entries_of", "likely"]


NONE = "-"
ROWS, HEADS = 8, (0.025, 0.1, 0.5, 0.9, 0.975)
KINDS = {
    "forecast": "forecast",
    "limited": "forecast, with limits",
    "season": "normal for the season",
    "none": "no forecast",
}
"""What the public is given for a well, by kind."""

WEATHER = {
    "climatology": "past years",
    "forecast": "weather forecast",
    "ensemble": "weather forecast",
    "observed": "as observed",
    "scenario": "a scenario",
}
"""Origin of the weather after the issue time, in words for the public."""

WHY = {
    "degraded": "the forecast has limits",
    "stale": "the last measurements are too old",
    "no_data": "there are no measurements",
    "check_failed": "the measurements did not pass a check",
    "model_missing": "there is no model of this well yet",
    "model_invalid": "the model cannot be used",
    "error": "the model failed",
}
"""Why a well has less than a forecast, in words for the public."""


@dataclass
class Entry:
    """Texts and figures of one well."""

    name: str
    status: str
    meaning: str
    kind: str
    words: str
    why: str
    weather: str
    reason: str
    made: str
    ages: str
    last_time: str = NONE
    last_level: str = NONE
    last_value: float = np.nan
    median: str = NONE
    interval: str = NONE
    class_forecast: str = NONE
    class_observed: str = NONE
    css: str = "cx"
    css_now: str = "cx"
    verification: str = "no forecast of it has been verified yet"
    change: str = ""
    # levels of alert in words, and whether it is likely that they are crossed
    thresholds: list[tuple[str, bool]] = field(default_factory=list)
    anchor: str = ""
    link: str = ""
    images: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def crossing(self) -> bool:
        """Whether a level of alert is likely to be crossed."""
        return any(is_likely for _, is_likely in self.thresholds)


def entries_of(
    product: xr.Dataset,
    observations: xr.Dataset | None,
    verification: pd.DataFrame | None,
    crossings: pd.DataFrame,
    *,
    chance: float,
) -> list[Entry]:
    """Return an entry for each well of an archived forecast of one issue time, in its order.

    The observations end with the issue time. From the probability ``chance`` on a crossing is
    marked. Scores are as of :func:`gwforecast.verification.archived.verified_scores`.
    """
    own = {} if verification is None else dict(list(verification.groupby("well")))
    crossed = dict(list(crossings.groupby("well")))
    there = set() if observations is None else set(observations[schema.WELL].values.tolist())
    found = []
    for number, name in enumerate(product[schema.WELL].values.tolist()):
        one = product.isel({schema.WELL: [number]})
        entry = _entry(one)
        _add_forecast(entry, one)
        if observations is not None and name in there:
            _add_levels(entry, one, observations.sel({schema.WELL: [name]}))
        if name in own:
            entry.verification = _verified(own[name])
        for row in crossed.get(name, crossings[:0]).to_dict("records"):
            is_likely = float(row["probability"]) >= chance
            entry.thresholds.append((_threshold(row, entry.last_value), is_likely))
        found.append(entry)
    return found


def _entry(product: xr.Dataset) -> Entry:
    one = product.isel({schema.WELL: 0})
    issue_time = product[schema.ISSUE_TIME].values[0]
    ages = []
    for name, what in (
        ("last_observation", "last level"),
        ("last_covariate", "weather"),
        ("trained_through", "model trained through"),
    ):
        time = timeline.to_times([one[name].values])[0]
        if not np.isnat(time):
            days = float((issue_time - time) / np.timedelta64(1, "D"))
            ages.append(f"{what} {timeline.format_time(time)} ({days:.0f} days)")
    model, forcing, status = (str(one[n].values) for n in ("model", "forcing", "status"))
    made = f"Forecast by {model}" if model else "No forecast"
    if forcing:
        made += f", weather after the issue time: {forcing}"
    whole = bool(np.isfinite(one[schema.LEVEL].values).all())
    kind = {"ok": "forecast", "degraded": "limited"}.get(status, "season" if whole else "none")
    return Entry(
        name=str(one[schema.WELL].values),
        status=status,
        meaning=WELL_STATUSES.get(status, ""),
        kind=kind,
        words=KINDS[kind],
        why=WHY.get(status, ""),
        weather=WEATHER.get(forcing, forcing),
        reason=str(one["reason"].values),
        made=made + ".",
        ages="; ".join(ages) or "unknown",
    )


def _add_forecast(entry: Entry, product: xr.Dataset) -> None:
    """Add the levels of the forecast: those of its end, and a table of some lead times."""
    ahead = product[schema.LEVEL].values[0, 0]
    if not np.isfinite(ahead).all():
        return
    quantiles = product[schema.QUANTILE].values
    valid = product[schema.VALID_TIME].values[0]
    columns = [int(np.argmin(np.abs(quantiles - q))) for q in HEADS]
    low, _, middle, _, high = ahead[-1][columns]
    entry.median, entry.interval = f"{middle:.2f}", f"{low:.2f} to {high:.2f}"
    for lead in np.unique(np.linspace(0, valid.size - 1, ROWS).round().astype(int)):
        values = [f"{value:.2f}" for value in ahead[lead][columns]]
        entry.rows.append({"date": timeline.format_time(valid[lead]), "levels": values})


def _add_levels(entry: Entry, product: xr.Dataset, one: xr.Dataset) -> None:
    """Add the last level, and the classes against normal if there are enough years."""
    known = one[schema.LEVEL].dropna(schema.TIME)
    if known.sizes[schema.TIME]:
        entry.last_time = timeline.format_time(known[schema.TIME].values[-1])
        entry.last_value = float(known.values[0, -1])
        entry.last_level = f"{entry.last_value:.2f}"
    for row in changes_by_regression(one).to_dict("records"):
        entry.change = _change(row)
    try:
        rows = xr.ones_like(one[schema.LEVEL], dtype=bool)
        table = LevelStatus().fit(one, rows=rows).table(one, product, latest=True)
    except SchemaError:
        return
    for source, name, css in (
        ("observed", "class_observed", "css_now"),
        ("forecast", "class_forecast", "css"),
    ):
        months = table[table["source"] == source]
        if len(months):
            last = months.iloc[-1]
            setattr(entry, name, f"{last['class']} ({last['time']:%b %Y})")
            setattr(entry, css, f"c{OUTLOOK_CLASSES.index(last['class'])}")


def _change(row: dict[Any, Any]) -> str:
    """Return a finding of a level that changed, with date and size, in words for the public."""
    size = f"{abs(row['value']):.2g} m"
    way = "fallen" if row["value"] < 0 else "risen"
    if row["check"] == UNEXPLAINED[0]:
        return f"the level has {way} by {size} since {row['first']:%B %Y}"
    return f"the level has {way} by {size} a year since {row['first']:%Y}"


def _threshold(row: dict[Any, Any], last: float) -> str:
    beyond = last < row["threshold"] if row["side"] == "below" else last > row["threshold"]
    if beyond:
        return f"{row['side']} {row['threshold']:.2f} m: already now"
    text = f"{row['side']} {row['threshold']:.2f} m: chance {likely(row['probability'])}"
    if not pd.isna(row["by"]):
        text += f", probably by {timeline.format_time(np.datetime64(row['by']))}"
    return text


def likely(probability: float) -> str:
    """Return a probability in words, as whole per cent.

    Examples
    --------
    >>> likely(0.004), likely(0.35), likely(0.999)
    ('below 1 %', '35 %', 'above 99 %')
    """
    if probability < 0.01:
        return "below 1 %"
    return "above 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def _verified(own: pd.DataFrame) -> str:
    n = own["n"]
    mean: Mapping[str, float] = {
        name: float((own[name] * n).sum() / n.sum()) for name in ("mae", "coverage_95")
    }
    last = own[own["lead"] == own["lead"].max()].iloc[-1]
    return (
        f"{int(n.sum())} levels have been compared: mean absolute error {mean['mae']:.2f} m, "
        f"{100 * mean['coverage_95']:.0f} % inside the interval of 95 %; at the longest lead "
        f"compared ({int(last['lead'])} steps) {_compared(float(last['skill_rmse_persistence']))}"
    )


def _compared(skill: float) -> str:
    """Return a skill against persistence in words.

    Examples
    --------
    >>> _compared(0.25), _compared(-0.1)
    ('25 % better than no change, in RMSE', '10 % worse than no change, in RMSE')
    """
    if not np.isfinite(skill):
        return "without a comparison with no change"
    return f"{100 * abs(skill):.0f} % {'worse' if skill < 0 else 'better'} than no change, in RMSE"
