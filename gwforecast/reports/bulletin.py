"""Bulletin of one issue time as a single HTML file, without scripts, for mail and print."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from gwforecast import schema, timeline
from gwforecast.schema import WELL_STATUSES, SchemaError
from gwforecast.verification.status import OUTLOOK_CLASSES, LevelStatus

__all__ = ["MOST_CARDS", "bulletin"]


MOST_CARDS = 40
WIDTH, HEIGHT, MARGIN = 340, 240, 20  # of the map of the wells, px
SHARP = 2  # image pixels per page pixel
NAMED = 15  # greatest number of wells whose names are shown on the map
ROWS, HEADS = 8, (0.025, 0.1, 0.5, 0.9, 0.975)
NONE = "-"
LEGEND = [*((f"c{number}", name) for number, name in enumerate(OUTLOOK_CLASSES)), ("cx", "unknown")]


@dataclass
class _Entry:
    """Texts and figures of one well."""

    name: str
    status: str
    reason: str
    made: str
    ages: str
    last_time: str = NONE
    last_level: str = NONE
    median: str = NONE
    interval: str = NONE
    class_forecast: str = NONE
    class_observed: str = NONE
    css: str = "cx"
    css_now: str = "cx"
    verification: str = "no forecast of it has been verified yet"
    anchor: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)


def bulletin(
    product: xr.Dataset,
    *,
    observations: xr.Dataset | None = None,
    verification: pd.DataFrame | None = None,
    title: str = "Groundwater levels",
    most_cards: int = MOST_CARDS,
) -> str:
    """Return the bulletin of a forecast as HTML; the same input gives the same text.

    Parameters
    ----------
    product : xarray.Dataset
        An archived forecast of one issue time.
    observations : xarray.Dataset, optional
        Dimensions (well, time). Later values than the issue time are not shown. Without them there
        are neither figures nor classes against normal.
    verification : pandas.DataFrame, optional
        Scores as of :func:`gwforecast.verification.archived.verified_scores`.
    title : str
        Title of the page.
    most_cards : int
        Greatest number of wells with a figure and a table, starting with those whose status is not
        ``"ok"``. All wells are in the overview.

    Returns
    -------
    str
        HTML in UTF-8. Names of wells are always shown as text, and a content security policy allows
        only the style and the images of the page itself.
    """
    issue_time = product[schema.ISSUE_TIME].values[0]
    if observations is not None:
        observations = observations.sel({schema.TIME: slice(None, issue_time)})
    entries = [_entry(product, number) for number in range(product.sizes[schema.WELL])]
    for entry in entries:
        _add_levels(entry, product, observations)
        _add_verification(entry, verification)
    order = sorted(entries, key=lambda e: (e.status == "ok", e.status == "degraded"))
    cards = order[:most_cards]
    for number, entry in enumerate(cards):
        entry.anchor = f"well-{number + 1}"
        _add_card(entry, product, observations)
    valid = product[schema.VALID_TIME].values[0]
    return _template().render(
        **_style(),
        title=title,
        issue_time=timeline.format_time(issue_time),
        horizon=f"{valid.size} steps, to {timeline.format_time(valid[-1])}",
        ends=timeline.format_time(valid[-1]),
        counts=_counts(entries),
        picture=_picture(entries, observations),
        legend=LEGEND,
        wells=entries,
        cards=cards,
        left_out=len(entries) - len(cards),
        heads=[f"{100 * q:g} %" if q != 0.5 else "median" for q in HEADS],
        datum=str(product[schema.LEVEL].attrs.get("vertical_datum", "")),
        statuses=[(name, WELL_STATUSES[name]) for name in WELL_STATUSES if _has(entries, name)],
        source=str(product.attrs.get("source", "gwforecast")),
        inputs=str(product.attrs.get("inputs_sha256", ""))[:16],
    )


def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_resource("bulletin.html"))


def _style() -> dict[str, Markup | str]:
    """Return the style, and the content security policy that allows no other."""
    text = _resource("bulletin.css")
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return {"style": Markup(text), "policy": policy}  # noqa: S704 - a file of this package


def _resource(name: str) -> str:
    return resources.files("gwforecast.reports").joinpath("templates", name).read_text("utf-8")


def _has(entries: Sequence[_Entry], status: str) -> bool:
    return any(entry.status == status for entry in entries)


def _counts(entries: Sequence[_Entry]) -> str:
    number = {name: sum(entry.status == name for entry in entries) for name in WELL_STATUSES}
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in number.items() if n)


def _entry(product: xr.Dataset, number: int) -> _Entry:
    one = product.isel({schema.WELL: number})
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
    model, forcing = str(one["model"].values), str(one["forcing"].values)
    made = f"Forecast by {model}" if model else "No forecast"
    if forcing:
        made += f", weather after the issue time: {forcing}"
    return _Entry(
        name=str(one[schema.WELL].values),
        status=str(one["status"].values),
        reason=str(one["reason"].values),
        made=made + ".",
        ages="; ".join(ages) or "unknown",
    )


def _add_levels(entry: _Entry, product: xr.Dataset, observations: xr.Dataset | None) -> None:
    """Add the last level, the end of the forecast and the classes to the entry of a well."""
    ahead = product[schema.LEVEL].sel({schema.WELL: entry.name}).isel({schema.ISSUE_TIME: 0})
    quantiles = product[schema.QUANTILE].values
    end = ahead.isel({schema.LEAD_TIME: -1}).values
    if np.isfinite(end).all():
        entry.median = f"{end[_near(quantiles, 0.5)]:.2f}"
        low, high = (end[_near(quantiles, q)] for q in (0.025, 0.975))
        entry.interval = f"{low:.2f} to {high:.2f}"
    if observations is None or entry.name not in observations[schema.WELL].values:
        return
    one = observations.sel({schema.WELL: [entry.name]})
    known = one[schema.LEVEL].dropna(schema.TIME)
    if known.sizes[schema.TIME]:
        entry.last_time = timeline.format_time(known[schema.TIME].values[-1])
        entry.last_level = f"{known.values[0, -1]:.2f}"
    try:
        rows = xr.ones_like(one[schema.LEVEL], dtype=bool)
        forecast = product.sel({schema.WELL: [entry.name]})
        table = LevelStatus().fit(one, rows=rows).table(one, forecast)
    except SchemaError:
        return  # there are too few years to define normal levels
    for source, name, css in (
        ("observed", "class_observed", "css_now"),
        ("forecast", "class_forecast", "css"),
    ):
        months = table[table["source"] == source]
        if len(months):
            last = months.iloc[-1]
            setattr(entry, name, f"{last['class']} ({last['time']:%b %Y})")
            setattr(entry, css, f"c{OUTLOOK_CLASSES.index(last['class'])}")


def _add_verification(entry: _Entry, verification: pd.DataFrame | None) -> None:
    if verification is None:
        return
    own = verification[verification["well"] == entry.name]
    if not len(own):
        return
    n = own["n"]
    mean = {name: float((own[name] * n).sum() / n.sum()) for name in ("mae", "coverage_95")}
    last = own[own["lead"] == own["lead"].max()].iloc[-1]
    entry.verification = (
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


def _add_card(entry: _Entry, product: xr.Dataset, observations: xr.Dataset | None) -> None:
    """Add the figure and the table of a well that has a forecast."""
    ahead = product[schema.LEVEL].sel({schema.WELL: entry.name}).isel({schema.ISSUE_TIME: 0})
    if not np.isfinite(ahead).all():
        return
    quantiles = product[schema.QUANTILE].values
    valid = product[schema.VALID_TIME].values[0]
    columns = [_near(quantiles, q) for q in HEADS]
    for lead in np.unique(np.linspace(0, valid.size - 1, ROWS).round().astype(int)):
        values = [f"{value:.2f}" for value in ahead.values[lead][columns]]
        entry.rows.append({"date": timeline.format_time(valid[lead]), "levels": values})
    if observations is not None and entry.name in observations[schema.WELL].values:
        entry.image, entry.width, entry.height = _fan(entry.name, product, observations)


def _fan(name: str, product: xr.Dataset, observations: xr.Dataset) -> tuple[str, int, int]:
    from gwforecast import plots  # matplotlib is loaded only to draw
    from gwforecast.plots.style import picture

    one = observations.sel({schema.WELL: [name]})
    ax = plots.fan(product.drop_vars("model"), one, well=name, normal=True)
    content, width, height = picture(ax, dpi=SHARP * 100)
    return base64.b64encode(content).decode("ascii"), width // SHARP, height // SHARP


def _picture(
    entries: Sequence[_Entry], observations: xr.Dataset | None
) -> Mapping[str, object] | None:
    """Return the map of the wells; None if no coordinates are known."""
    if observations is None:
        return None
    names = schema.coordinate_names(observations)
    if names is None:
        return None
    there = set(observations[schema.WELL].values)
    placed = [entry for entry in entries if entry.name in there]
    wells = {schema.WELL: [entry.name for entry in placed]}
    x, y = (observations[name].sel(wells).values.astype(float) for name in names)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    squeeze = np.cos(np.deg2rad(np.mean(y[known]))) if names[1].startswith("lat") else 1.0
    x = x * squeeze
    span = max(np.ptp(x[known]) / (WIDTH - 2 * MARGIN), np.ptp(y[known]) / (HEIGHT - 2 * MARGIN))
    span = span or 1.0
    middle = [(v[known].min() + v[known].max()) / 2 for v in (x, y)]
    dots = [
        {
            "x": round(WIDTH / 2 + (x[i] - middle[0]) / span, 1),
            "y": round(HEIGHT / 2 - (y[i] - middle[1]) / span, 1),
            "name": placed[i].name,
            "class_forecast": placed[i].class_forecast,
            "css": placed[i].css,
        }
        for i in np.flatnonzero(known)
    ]
    caption = "Wells at their coordinates, north is up, coloured by the forecast class."
    if len(dots) < len(entries):
        caption += f" {len(entries) - len(dots)} wells have no coordinates."
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "dots": dots,
        "caption": caption,
        "named": len(dots) <= NAMED,
    }


def _near(quantiles: np.ndarray, wanted: float) -> int:
    return int(np.argmin(np.abs(quantiles - wanted)))
