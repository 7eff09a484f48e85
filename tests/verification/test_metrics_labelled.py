"""Metrics over labelled levels."""

import numpy as np
import pytest
import xarray as xr

from gwforecast.schema import SchemaError
from gwforecast.verification.metrics import METRICS, level_metrics
from gwforecast.verification.scoring import score_along_time

LEVEL = level_metrics()
RNG = np.random.default_rng(0)
OBSERVED = xr.DataArray(
    RNG.normal(size=(2, 50)), {"well": ["a", "b"], "time": np.arange(50)}, ("well", "time")
).where(RNG.uniform(size=(2, 50)) > 0.1)
ERRORS = xr.DataArray(
    RNG.normal(size=(3, 50, 2)), {"model": ["x", "y", "z"]}, ("model", "time", "well")
)
PREDICTED = ERRORS + OBSERVED.fillna(0.0)


@pytest.mark.parametrize("name", LEVEL)
def test_each_well_and_model_has_its_score(name: str) -> None:
    means = xr.DataArray([0.5, -0.5], {"well": ["a", "b"]})
    given = {"reference": means} if name == "nse_reference" else {}
    score = score_along_time(name, observed=OBSERVED, predicted=PREDICTED, **given)
    assert score.dims == ("well", "model")
    assert score.attrs["definition"] == METRICS[name].definition
    assert score.attrs["units"] == METRICS[name].units
    for well in ("a", "b"):
        extra = {key: float(mean.sel(well=well)) for key, mean in given.items()}
        alone = METRICS[name].function(
            observed=OBSERVED.sel(well=well).values,
            predicted=PREDICTED.sel(well=well, model="y").values,
            **extra,
        )
        assert float(score.sel(well=well, model="y")) == pytest.approx(alone, rel=1e-12)


def test_one_series_and_one_reference() -> None:
    one = {"observed": OBSERVED.isel(well=0, drop=True)}
    score = score_along_time("nse_reference", **one, predicted=one["observed"], reference=0.3)
    assert score.dims == ()
    assert float(score) == 1.0
    wells = score_along_time(
        "nse_reference", observed=OBSERVED, predicted=OBSERVED + 1, reference=0.3
    )
    assert wells.dims == ("well",)


def test_labels_that_differ_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"exact join.*Received.*Select"):
        score_along_time("mae", observed=OBSERVED, predicted=PREDICTED.isel(time=slice(1, None)))
    with pytest.raises(SchemaError, match=r"exact join.*Received.*Select"):
        score_along_time("mae", observed=OBSERVED, predicted=PREDICTED.isel(well=[1, 0]))
    with pytest.raises(SchemaError, match="exact join"):
        score_along_time(
            "nse_reference",
            observed=OBSERVED,
            predicted=PREDICTED,
            reference=xr.DataArray([1.0, 2.0], {"well": ["a", "c"]}),
        )


def test_dimensions_that_are_lacking_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"along time.*\('well', 'time'\) and \('time',\)"):
        score_along_time("mae", observed=OBSERVED, predicted=OBSERVED.isel(well=0))
    with pytest.raises(SchemaError, match="along time"):
        score_along_time("mae", observed=OBSERVED.isel(time=0), predicted=PREDICTED)


@pytest.mark.parametrize(
    ("name", "reference"), [("NSE", None), ("nse_reference", None), ("mae", 1.0)]
)
def test_unknown_metrics_and_references_are_refused(name: str, reference: float | None) -> None:
    with pytest.raises(ValueError, match=rf"Received '{name}' with reference {reference}"):
        score_along_time(name, observed=OBSERVED, predicted=PREDICTED, reference=reference)
