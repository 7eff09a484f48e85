from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import plots

WELLS = [f"w{k:02d}" for k in range(30)]
NSE = np.linspace(-1.5, 0.95, 30)


@pytest.fixture(autouse=True)
def _close():
    yield
    mpl.pyplot.close("all")


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        ("lstm", well, "test", "nse", value, 90) for well, value in zip(WELLS, NSE, strict=True)
    ]
    rows += [("climatology", well, "test", "nse", 0.1, 90) for well in WELLS]
    return pd.DataFrame(rows, columns=["model", "well", "period", "metric", "value", "n"])


@pytest.fixture
def located() -> xr.Dataset:
    place = np.arange(30.0)
    place[3] = np.nan
    return xr.Dataset(
        {
            "x": ("well", place, {"units": "km"}),
            "y": ("well", 2 * np.arange(30.0), {"units": "km"}),
            "depth": ("well", np.arange(30.0), {"units": "m"}),
            "aquifer": ("well", ["karst", "porous"] * 15),
        },
        {"well": WELLS},
    )


def test_the_distribution_is_that_of_the_scores(scores) -> None:
    ax = plots.score_distribution(scores)
    line = ax.lines[0]
    assert line.get_label() == f"LSTM ({np.median(NSE):.2f})".replace("-", "\N{MINUS SIGN}")
    x, share = line.get_data()
    assert x.min() == -1.0, "lower scores are drawn at the edge"
    at_half = share[np.searchsorted(x, 0.5, side="right") - 1]
    assert at_half == pytest.approx(np.mean(NSE <= 0.5))
    assert ax.get_ylabel() == "share of wells at or below"


def test_the_best_and_the_worst_wells_are_named(scores) -> None:
    ax = plots.extreme_wells(scores, model="lstm", baseline="climatology")
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [*reversed(WELLS[-8:]), *reversed(WELLS[:8])]
    arrows = [line for line in ax.lines if line.get_marker() == "<" and len(line.get_xdata())]
    assert sum(len(line.get_xdata()) for line in arrows) == np.sum(NSE < -1)


@pytest.mark.parametrize(("attribute", "label"), [("depth", "depth [m]"), ("aquifer", "aquifer")])
def test_scores_stand_against_an_attribute(scores, located, attribute: str, label: str) -> None:
    ax = plots.score_by_attribute(scores, located, attribute=attribute, model="lstm")
    assert ax.get_xlabel() == label
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, NSE.clip(-1))
    if attribute == "depth":
        np.testing.assert_array_equal(x, np.arange(30.0))
    else:
        assert [text.get_text() for text in ax.get_xticklabels()] == ["karst", "porous"]
        np.testing.assert_array_equal(np.round(x), np.arange(30) % 2)


def test_the_map_has_the_wells_whose_places_are_known(scores, located) -> None:
    ax = plots.score_map(scores, located, model="lstm")
    points = ax.collections[0]
    assert len(points.get_offsets()) == 29
    np.testing.assert_allclose(points.get_array(), np.delete(NSE, 3))
    assert ax.get_xlabel() == "x [km]"
    assert "1 without coordinates" in " ".join(text.get_text() for text in ax.texts) + str(
        ax.get_title("right")
    )


def test_what_is_not_there_is_an_error(scores, located) -> None:
    with pytest.raises(ValueError, match=r"Received 'nothing'.*depth.*Choose one"):
        plots.score_by_attribute(scores, located, attribute="nothing", model="lstm")
    with pytest.raises(ValueError, match="coordinates"):
        plots.score_map(scores, located.drop_vars("x"), model="lstm")
    with pytest.raises(ValueError, match=r"\['mlp'\], without a score"):
        plots.score_map(scores, located, model="mlp")
    with pytest.raises(ValueError, match="metric 'kge'"):
        plots.score_distribution(scores, metric="kge")


def test_the_map_has_a_scale_north_and_the_names_of_few_wells(scores, located) -> None:
    ax = plots.score_map(scores, located, model="lstm")
    texts = [text.get_text() for text in ax.texts]
    assert "N" in texts
    assert "10 km" in texts
    assert not set(WELLS) & set(texts)
    bar = next(line for line in ax.lines if line.get_label() == "_scale")
    assert np.ptp(bar.get_xdata()) == pytest.approx(10.0)
    few = scores[scores["well"].isin(WELLS[:9])]
    ax = plots.score_map(few, located, model="lstm")
    assert {text.get_text() for text in ax.texts} >= set(WELLS[:9]) - {WELLS[3]}
    inside = ax.get_xlim()[0] < 0 and ax.get_xlim()[1] > 8 and ax.get_ylim()[1] > 16
    assert inside
