"""Weights of a blend: closed forms, models that fail, and the members around the weighted mean."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gwforecast.calibration.blending import (
    blend_members,
    blend_simulations,
    blend_weights,
    read_weights,
)

RNG = np.random.default_rng(3)
WELLS, STEPS = ["a", "b"], 400


def levels(*members: int) -> xr.DataArray:
    values = RNG.normal(10.0, 1.0, (len(WELLS), STEPS, *members))
    dims = ("well", "time", "member")[: values.ndim]
    return xr.DataArray(values, {"well": WELLS, "time": np.arange(STEPS)}, dims)


def test_a_model_with_twice_the_error_has_a_sixteenth_of_the_weight() -> None:
    observed = levels()
    weights = blend_weights([observed + 0.1, observed - 0.2], observed)
    np.testing.assert_allclose(weights, [[16 / 17] * 2, [1 / 17] * 2])


def test_only_rows_that_all_working_models_have_are_compared() -> None:
    observed = levels()
    late = xr.where(observed["time"] < 200, np.nan, observed + 0.2).transpose("well", "time")
    early = xr.where(observed["time"] < 200, observed + 9.0, observed + 0.2)
    weights = blend_weights([late, early.transpose("well", "time")], observed)
    np.testing.assert_allclose(weights, 0.5)


def test_a_model_that_failed_at_a_well_has_no_weight_there() -> None:
    observed = levels()
    failed = (observed + 0.1).where(observed["well"] == "b")
    weights = blend_weights([failed, observed + 0.1], observed)
    np.testing.assert_allclose(weights.sel(well="a"), [0.0, 1.0])
    np.testing.assert_allclose(weights.sel(well="b"), [0.5, 0.5])
    spread = xr.zeros_like(observed)
    parts = [xr.Dataset({"level": one, "spread": spread}) for one in (failed, observed)]
    found = blend_simulations(parts, weights)["level"]
    np.testing.assert_allclose(found.sel(well="a"), observed.sel(well="a"))


def test_members_lie_around_the_weighted_mean_and_models_share_the_variance() -> None:
    """A model of three members at 13 m and one of 30 around 10 m, at weights of a half."""
    few = xr.full_like(levels(3), 13.0)
    many = xr.full_like(levels(30), 10.0)
    joined = blend_members([few, many], np.full((2, 2), 0.5))
    assert joined.sizes["member"] == 33
    np.testing.assert_allclose(joined.median("member"), 11.5)
    about = joined - joined.mean("member")
    np.testing.assert_allclose(joined.var("member"), (about**2).mean("member"))
    distance = np.abs(joined.isel(member=0) - joined.isel(member=-1))
    assert float(distance.min()) > 3.0  # the few stand for as much as the many


def test_members_of_a_model_without_weight_do_not_count() -> None:
    good, bad = levels(5), levels(5) + np.nan
    joined = blend_members([good, bad], np.array([[1.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_allclose(joined.median("member"), good.median("member"))
    assert np.isfinite(joined).all()


def test_equal_weights_keep_the_members_apart_from_a_shift() -> None:
    first, second = levels(5), levels(5) + 2.0
    joined = blend_members([first, second], None)
    center = (first.median("member") + second.median("member")) / 2
    np.testing.assert_allclose(joined.median("member"), center)
    shifted = joined.isel(member=slice(5)) - first.values
    np.testing.assert_allclose(shifted.std("member"), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "values", [np.ones((2, 2)), np.array([[1.5, 1.0], [-0.5, 0.0]]), np.ones((1, 2))]
)
def test_stored_weights_that_are_none_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="weights of a blend"):
        read_weights(values, (2, 2))
