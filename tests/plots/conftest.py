"""Seeded data in the package's form, and a figure that is closed after each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES as FORECAST_QUANTILES
from gwforecast.sequences.split import Split, split_by_fraction
from gwforecast.verification.status import OUTLOOK_CLASSES

mpl.use("agg")

QUANTILES = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]
WIDTHS = np.array([-1.96, -1.28, -0.67, 0.0, 0.67, 1.28, 1.96])
RAIN_UNITS = {"D": "mm/d", "W": "mm/week", "M": "mm/month"}
DAYS = {"D": 1.0, "W": 7.0, "M": 30.4}


def make_observations(
    *, start: str = "2010-01-01", steps: int = 2000, frequency: str = "D", wells: int = 1
) -> xr.Dataset:
    """Return levels that follow the seasons and their own memory, with a gap, and rain."""
    rng = np.random.default_rng(7)
    times = pd.date_range(start, periods=steps, freq=frequency)
    days = DAYS[frequency[0]]
    rain = rng.gamma(0.3, 7.0, (wells, steps)) * days
    memory = np.exp(-days / 60.0)
    noise = rng.normal(0.0, np.sqrt(1 - memory**2), (wells, steps))
    level = np.zeros((wells, steps))
    for step in range(1, steps):
        level[:, step] = memory * level[:, step - 1] + noise[:, step]
    season = np.cos(2 * np.pi * (times.day_of_year.to_numpy() - 60) / 365.25)
    level = np.round(20.0 + 0.6 * season + 0.25 * level, 2)
    level[:, steps // 5 : steps // 4] = np.nan
    names = [f"well {number + 1}" for number in range(wells)]
    attrs = {"units": "m", "vertical_datum": "NAP", "long_name": "groundwater level"}
    return xr.Dataset(
        {
            "level": (("well", "time"), level, attrs),
            "rain": (("well", "time"), rain, {"units": RAIN_UNITS[frequency[0]]}),
            "temperature": (("well", "time"), np.tile(10 - 8 * season, (wells, 1))),
        },
        coords={"well": names, "time": times.to_numpy().astype("datetime64[us]")},
    )


def make_dips(*, steps: int = 2000, every: int = 7) -> xr.Dataset:
    """Return daily observations of which the level is dipped once in some days."""
    observations = make_observations(steps=steps)
    dipped = np.arange(steps) % every == 0
    return observations.assign(level=observations["level"].where(xr.DataArray(dipped, dims="time")))


def make_predictions(
    observations: xr.Dataset, *, models: tuple[str, ...] = ("lstm",)
) -> xr.Dataset:
    """Return predictions of levels between the observed and their mean, with intervals."""
    rng = np.random.default_rng(11)
    level = observations["level"].interpolate_na("time").bfill("time").ffill("time").values
    mean = level.mean(axis=1, keepdims=True)
    spread = 0.12 * WIDTHS
    found = []
    for number, _ in enumerate(models):
        slow = pd.DataFrame(rng.normal(0, 0.3, level.T.shape)).ewm(span=20).mean().to_numpy().T
        share = number / max(len(models) - 1, 1)
        central = (1 - share) * level + share * mean + slow
        found.append(central[..., None] + (1 + share) * spread)
    return xr.Dataset(
        {"level": (("model", "well", "time", "quantile"), np.array(found), {"units": "m"})},
        coords={
            "model": list(models),
            "well": observations["well"].values,
            "time": observations["time"].values,
            "quantile": QUANTILES,
        },
    )


def make_history(*, members: int = 5) -> pd.DataFrame:
    """Return losses that fall and level off, of members that stop at different epochs."""
    rng = np.random.default_rng(3)
    tables = []
    for member in range(members):
        epochs = np.arange(1, 25 + 6 * member)
        noise = rng.normal(0, 0.004, (2, epochs.size))
        fall = np.exp(-epochs / 6.0)
        tables.append(
            pd.DataFrame(
                {
                    "well": "well 1",
                    "member": member,
                    "epoch": epochs,
                    "loss": 0.05 + 0.9 * fall + noise[0],
                    "validation_loss": 0.15 + 0.9 * fall + 0.001 * epochs + noise[1],
                }
            )
        )
    return pd.concat(tables)


def make_scores(*, wells: int) -> pd.DataFrame:
    """Return scores of five models, one of them poor, one without any."""
    rng = np.random.default_rng(5)
    centres = {"lstm": 0.85, "mlp": 0.7, "climatology": 0.2, "persistence": -2.5, "drift": np.nan}
    rows = [
        (model, f"well {number + 1}", "test", metric, value, 0 if np.isnan(centre) else 400)
        for model, centre in centres.items()
        for number in range(wells)
        for noise in [rng.normal(0, 0.08)]
        for metric, value in (
            ("nse", centre - abs(noise)),
            ("rmse", 0.1 * (1.2 - centre) + noise**2),
        )
    ]
    return pd.DataFrame(rows, columns=["model", "well", "period", "metric", "value", "n"])


def make_probability(observations: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Return probabilities of three classes with a gap, and the observed class."""
    level = observations["level"]
    z = (level - level.mean()) / level.std()
    smooth = z.interpolate_na("time").bfill("time").rolling(time=30, min_periods=1).mean().values
    odds = np.exp(np.stack([-2 * smooth, 0 * smooth, 2 * smooth], axis=-1))
    shares = odds / odds.sum(axis=-1, keepdims=True)
    shares[:, 300:340] = np.nan
    coords = {"well": level["well"], "time": level["time"], "class": ["below", "near", "above"]}
    observed = xr.where(z < -0.4, 0.0, xr.where(z > 0.4, 2.0, 1.0)).where(z.notnull())
    return xr.DataArray(shares, coords, ("well", "time", "class")), observed


def make_trials(*, trials: int = 40) -> tuple[pd.DataFrame, dict[str, tuple[Any, ...]]]:
    """Return trials of a search, some pruned or failed and one far off, and their space."""
    space = {
        "units": ("choice", [16], [32], [64, 32]),
        "learning_rate": ("log", 1e-3, 1e-2),
        "dropout": ("float", 0.0, 0.6),
        "epochs": ("int", 50, 200, 25),
        "lookback": ("choice", 183, 365, 730),
    }
    generator = np.random.default_rng(8)
    number = np.arange(trials)
    table = pd.DataFrame({"number": number, "state": "complete"})
    table.loc[(number > 7) & (number % 3 == 1), "state"] = "pruned"
    table.loc[[5, 23], "state"] = "failed"
    table["units"] = generator.choice(["[16]", "[32]", "[64, 32]"], trials)
    table["learning_rate"] = 10 ** generator.uniform(-3, -2, trials)
    table["dropout"] = generator.uniform(0, 0.6, trials)
    table["epochs"] = generator.choice(np.arange(50, 201, 25), trials)
    table["lookback"] = generator.choice([183, 365, 730], trials)
    off = np.log10(table["learning_rate"] / 4e-3) ** 2 + (table["dropout"] - 0.3) ** 2
    value = 0.85 - 0.4 * off + generator.normal(0, 0.01, trials)
    value -= 0.1 * (table["state"] == "pruned")
    value[12] = -3.0
    table["value"] = value.where(table["state"] != "failed")
    return table, space


# forecasts

FORECAST_MODELS = ["blend", "lstm", "linear", "climatology", "persistence", "drift", "ets"]


def make_forecast(observations, issues, *, leads=60, models=None):
    """Return forecasts that go from the level at the issue time to the mean, wider with time."""
    issues = np.asarray(issues, "datetime64[us]")
    level = observations["level"].ffill("time").bfill("time")
    mean = level.mean("time").values[:, None, None]
    near = level.sel(time=issues).values[:, :, None]
    left = np.exp(-np.arange(1, leads + 1) / leads)
    spread = 0.3 * np.sqrt(1 - left**2)[:, None] * WIDTHS
    values = (mean + (near - mean) * left)[..., None] + spread
    frequency = timeline.infer_frequency(observations["time"].values)
    form = schema.label_forecast(
        values[..., 0], wells=observations["well"].values, issue_times=issues, frequency=frequency
    )
    coords = {**form.coords, "quantile": list(FORECAST_QUANTILES)}
    dims = ("well", "issue_time", "lead_time", "quantile")
    one = xr.Dataset({"level": (dims, values, {"units": "m"})}, coords)
    if models is None:
        return one
    return xr.concat([one + 0.1 * k for k in range(len(models))], pd.Index(models, name="model"))


def make_lead_scores(*, wells=22, leads=26, metric="crps"):
    rng = np.random.default_rng(2)
    rows = []
    for number, model in enumerate(FORECAST_MODELS):
        for well in range(wells):
            for lead in range(1, leads + 1):
                value = (0.2 + 0.05 * number) * (1 - np.exp(-lead / 8)) + 0.02 * rng.normal() ** 2
                value = {"drift": 0.4 * lead, "ets": np.nan}.get(model, value)
                value = 1 - 3 * value if metric.startswith("skill") else value
                time = np.timedelta64(7 * lead, "D")
                n = 0 if np.isnan(value) else 400 - lead
                rows.append((model, f"well {well}", lead, time, metric, value, n))
    columns = ["model", "well", "lead", "lead_time", "metric", "value", "n"]
    return pd.DataFrame(rows, columns=columns)


def make_bins(*, models=("lstm",)):
    n = np.array([900, 400, 220, 150, 90, 70, 80, 90, 160, 240])
    p = np.linspace(0.05, 0.95, 10)
    tables = []
    for number, model in enumerate(models):
        frequency = p ** (1.3 - 0.3 * number)
        reach = 1.5 / np.sqrt(n)
        tables.append(
            pd.DataFrame(
                {
                    "model": model,
                    "probability": p,
                    "frequency": frequency,
                    "n": n,
                    "lower": np.clip(frequency - reach, 0, 1),
                    "upper": np.clip(frequency + reach, 0, 1),
                }
            )
        )
    return pd.concat(tables)


def make_pit(*, models=None):
    rng = np.random.default_rng(4)
    shapes = [0.7, 1.0, 1.5][: len(models or [0])]
    values = np.stack([rng.beta(shape, shape, 800) for shape in shapes])
    values[:, :50] = np.nan
    if models is None:
        return xr.DataArray(values[0], dims="time")
    return xr.DataArray(values, {"model": list(models)}, ("model", "time"))


def make_status(*, wells=22, months=42):
    rng = np.random.default_rng(6)
    rows = []
    for well in range(wells):
        walk = pd.Series(rng.normal(size=months)).ewm(span=4).mean()
        percentile = 100 * (walk.rank() - 0.5) / months
        for time, value in zip(pd.date_range("2020-01-01", periods=months, freq="MS"), percentile,
                               strict=True):  # fmt: skip
            number = int(np.searchsorted([5, 13, 28, 72, 87, 95], value))
            rows.append((f"well {well}", time, value, OUTLOOK_CLASSES[number]))
    table = pd.DataFrame(rows, columns=["well", "time", "percentile", "class"])
    table.loc[50:60, ["percentile", "class"]] = np.nan
    return table


# wells, explanations and questions


def make_placed(wells) -> xr.Dataset:
    """Return wells with coordinates."""
    places = np.arange(float(len(wells)))
    return xr.Dataset({"x": ("well", places), "y": ("well", places[::-1])}, {"well": wells})


def make_importances() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = np.repeat(["rain", "temperature", "snow_storage"], 10)
    drops = np.repeat([0.6, 0.1, 0.0], 10) + rng.normal(scale=0.03, size=30)
    return pd.DataFrame({"well": "a", "covariate": names, "drop": drops})


def make_attribution() -> xr.Dataset:
    lags, names = np.arange(366), [f"input {number}" for number in range(9)]
    fading = np.exp(-lags[:, None] / (20.0 * (1 + np.arange(9)))) / (1 + np.arange(9))
    values = np.random.default_rng(0).normal(size=(1, 5, 1, 1)) * fading
    return xr.Dataset(
        {"attribution": (("well", "time", "lag", "input"), values)},
        {"well": ["a"], "lag": lags, "input": names},
    )


TIME = pd.date_range("2010-01-01", periods=400, freq="7D")
WAVE = 10 + np.sin(np.arange(400) / 8)
OFFSETS = np.array([-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0])


def make_filled() -> xr.Dataset:
    """Return a level of 400 weeks with a filled gap."""
    flag = np.zeros(400, np.int8)
    flag[100:120] = 1
    dims = ("well", "time")
    spread = np.where(flag == 1, 0.1, 0.0)[:, None] * OFFSETS
    return xr.Dataset(
        {
            "level": (dims, WAVE[None], {"units": "m"}),
            "level_flag": (dims, flag[None]),
            "level_quantiles": ((*dims, "quantile"), (WAVE[:, None] + spread)[None]),
            "simulation": (dims, WAVE[None] + 0.2),
        },
        {"well": ["a"], "time": TIME, "quantile": QUANTILES},
    )


def make_changed(filled: xr.Dataset) -> xr.Dataset:
    """Return levels under a reference and 0.5 m below it."""
    level = filled["level_quantiles"]
    both = xr.concat([level, level - 0.5], xr.DataArray(["reference", "dry"], dims="scenario"))
    data = xr.Dataset({"level": both, "difference": level * 0 - 0.5})
    return data.assign_coords(scenario=["reference", "dry"])


def make_explained() -> xr.Dataset:
    """Return the contributions of rain and pumping to a level."""
    dims = ("covariate", "well", "time")
    parts = np.stack([WAVE - 10, -0.5 * np.ones(400)])[:, None]
    return xr.Dataset(
        {
            "contribution": (dims, parts),
            "base": (dims[1:], np.full((1, 400), 10.0)),
            "level": (dims[1:], 10 + parts.sum(axis=0), {"units": "m"}),
        },
        {"covariate": ["rain", "pumping"], "well": ["a"], "time": TIME},
    )


def make_responses() -> xr.Dataset:
    """Return a rise to 1 m with an interval."""
    lags = np.arange(200.0)
    rise = 1 - np.exp(-lags / 40)
    values = (rise[:, None] * (1 + 0.1 * OFFSETS))[None, None]
    dims = ("covariate", "well", "lag", "quantile")
    coords = {"covariate": ["rain"], "well": ["a"], "lag": lags, "quantile": QUANTILES}
    coords["covariate_units"] = ("covariate", ["mm"])
    return xr.Dataset({"response": (dims, values, {"units": "m"})}, coords)


def make_declining() -> tuple[xr.Dataset, pd.DataFrame, pd.DataFrame]:
    """Return levels that decline by 0.1 m a year, the trends and a shift."""
    years = np.arange(400) * 7 / 365.25
    level = xr.DataArray([5 - 0.1 * years], {"well": ["a"], "time": TIME}, ("well", "time"))
    level.attrs["units"] = "m"
    row = {"well": "a", "slope": -0.1, "lower": -0.2, "upper": 0.0, "p_value": 0.01, "reason": ""}
    trends = pd.DataFrame([{**row, "series": s} for s in ("observed", "weather-corrected")])
    shift = {"well": "a", "date": TIME[200], "size": -0.3, "p_value": 0.02, "reason": ""}
    return xr.Dataset({"observed": level, "corrected": level}), trends, pd.DataFrame([shift])


def make_projected() -> xr.Dataset:
    """Return three climate projections of a level."""
    level = xr.DataArray(
        np.stack([WAVE, WAVE + 1, WAVE + 5])[:, None],
        {"projection": ["a", "b", "c"], "well": ["w"], "time": TIME},
        ("projection", "well", "time"),
        attrs={"units": "m"},
    )
    return level.to_dataset(name="level")


def make_errors() -> tuple[xr.DataArray, xr.DataArray]:
    """Return residuals and predicted levels."""
    noise = np.random.default_rng(0).normal(0, 0.1, 400)
    of_time = {"time": TIME}
    return xr.DataArray(noise, of_time, "time"), xr.DataArray(WAVE, of_time, "time")


@pytest.fixture
def observations() -> xr.Dataset:
    return make_observations()


@pytest.fixture
def dips() -> xr.Dataset:
    return make_dips()


@pytest.fixture
def predictions(observations: xr.Dataset) -> xr.Dataset:
    return make_predictions(observations)


@pytest.fixture
def split(observations: xr.Dataset) -> Split:
    return split_by_fraction(observations)


@pytest.fixture
def make() -> dict[str, object]:
    """Return the makers of data, for tests that need others than the usual."""
    return {
        "observations": make_observations,
        "dips": make_dips,
        "predictions": make_predictions,
        "history": make_history,
        "scores": make_scores,
        "probability": make_probability,
        "trials": make_trials,
        "forecast": make_forecast,
        "lead_scores": make_lead_scores,
        "bins": make_bins,
        "pit": make_pit,
        "status": make_status,
        "placed": make_placed,
        "importances": make_importances,
        "attribution": make_attribution,
        "filled": make_filled,
        "changed": make_changed,
        "explained": make_explained,
        "responses": make_responses,
        "declining": make_declining,
        "projected": make_projected,
        "errors": make_errors,
    }


# readers of axes


def read_line_named(ax, label):
    return next(line for line in ax.lines if str(line.get_label()).startswith(label))


def read_labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def read_rain_axes(ax):
    return next(other for other in ax.figure.axes if other is not ax)


def read_boxes(artists, figure):
    renderer = figure.canvas.get_renderer()
    return [artist.get_window_extent(renderer) for artist in artists]


def read_shown_ticks(ax, axis="x"):
    ax.figure.draw_without_rendering()
    ticks = (ax.xaxis if axis == "x" else ax.yaxis).get_major_ticks()
    edges = sorted(ax.get_xlim() if axis == "x" else ax.get_ylim())
    return [
        tick.label1
        for tick in ticks
        if tick.label1.get_text() and edges[0] <= tick.get_loc() <= edges[1]
    ]


def read_faults(figure, *, within=2.0):
    """Return texts that are cut off or overlap, and legends on data; ``within`` is in pixels."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = [part for text in drawn_texts(figure) for part in lines_of(text, renderer)]
    paper, found = figure.bbox, []
    for text, box in boxes:
        if min(box.x0, box.y0, paper.x1 - box.x1, paper.y1 - box.y1) < -within:
            found.append(f"cut off: {text!r}")
    legends = [legend.get_window_extent(renderer) for legend in figure.findobj(Legend)]
    areas = [ax.get_window_extent(renderer) for ax in figure.axes]
    pairs = itertools.chain(
        itertools.combinations(boxes, 2),
        itertools.product([("legend", box) for box in legends], [("data", box) for box in areas]),
    )
    for (one, a), (other, b) in pairs:
        across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > within and up > within:
            found.append(f"overlap: {one!r} and {other!r}")
    return found


def drawn_texts(figure):
    """Return the texts that are drawn; labels of ticks outside the limits are not."""
    hidden = set()
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            reach = 1e-6 * (high - low)
            for tick in axis.get_major_ticks():
                if not low - reach <= tick.get_loc() <= high + reach:
                    hidden |= {tick.label1, tick.label2}
    texts = dict.fromkeys(figure.findobj(mpl.text.Text))
    return [t for t in texts if t.get_visible() and t.get_text().strip() and t not in hidden]


def lines_of(text, renderer):
    """Return each line of a text with its box: lines of a title may be empty."""
    box, lines = text.get_window_extent(renderer), text.get_text().split("\n")
    if text.get_rotation():
        return [(text.get_text(), box)]
    tops = np.linspace(box.y1, box.y0, len(lines) + 1)
    return [
        (line, Bbox([[box.x0, tops[k + 1]], [box.x1, tops[k]]]))
        for k, line in enumerate(lines)
        if line.strip()
    ]


def read_names_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


@pytest.fixture
def line_named() -> Callable[..., Any]:
    return read_line_named


@pytest.fixture
def labels() -> Callable[..., Any]:
    return read_labels


@pytest.fixture
def rain_axes() -> Callable[..., Any]:
    return read_rain_axes


@pytest.fixture
def boxes() -> Callable[..., Any]:
    return read_boxes


@pytest.fixture
def shown_ticks() -> Callable[..., Any]:
    return read_shown_ticks


@pytest.fixture
def faults() -> Callable[..., Any]:
    return read_faults


@pytest.fixture
def names_of() -> Callable[..., Any]:
    return read_names_of


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    plt.close("all")  # what tests of other rooms have left
    yield
    plt.close("all")
