import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast.schema import SchemaError
from gwforecast.sequences.attributes import AttributeEncoder
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.windows import lag_edges, lagged_means

DIMS = ("well", "time")


def dataset(seed=0, offset=300.0):
    random = np.random.default_rng(seed)
    level = offset + random.normal(0, 0.2, (2, 50))
    level[0, ::7] = np.nan
    return xr.Dataset(
        {"level": (DIMS, level), "rr": (DIMS, random.gamma(1, 3, (2, 50)))},
        {"well": ["a", "b"], "time": pd.date_range("2020-01-01", periods=50).to_numpy()},
    )


def first_rows(observations, n=30):
    return xr.ones_like(observations.level, dtype=bool) & (observations.time < observations.time[n])


@pytest.mark.parametrize("per_well", [True, False])
def test_fitted_rows_have_mean_0_and_sd_1(per_well):
    observations = dataset()
    rows = first_rows(observations)
    scaled = Scaler(per_well=per_well).fit(observations, rows=rows).transform(observations)
    over = "time" if per_well else None
    for name in ("level", "rr"):
        on_rows = scaled[name].where(rows)
        np.testing.assert_allclose(on_rows.mean(over), 0, atol=1e-9)
        np.testing.assert_allclose(on_rows.std(over), 1, rtol=1e-9)
        assert scaled[name].attrs["units"] == "1"


def test_single_precision_data_keep_double_precision_statistics():
    observations = dataset(offset=3000.0)
    rows = first_rows(observations)
    single = Scaler().fit(observations.astype("float32"), rows=rows)
    double = Scaler().fit(observations.astype("float32").astype(float), rows=rows)
    np.testing.assert_array_equal(single.center_, double.center_)
    np.testing.assert_array_equal(single.scale_, double.scale_)


def test_minmax_and_none():
    observations = dataset()
    rows = first_rows(observations)
    scaler = Scaler(methods={"level": "minmax", "rr": "none"}).fit(observations, rows=rows)
    scaled = scaler.transform(observations)
    np.testing.assert_allclose(scaled.level.where(rows).min("time"), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.level.where(rows).max("time"), 1)
    xr.testing.assert_identical(scaled.rr, observations.rr)


def test_rows_that_are_not_given_change_nothing():
    observations = dataset()
    rows = first_rows(observations)
    before = Scaler().fit(observations, rows=rows)
    for value in (np.nan, 1e6):
        after = Scaler().fit(observations.where(rows, value), rows=rows)
        for mine, theirs in zip(
            before.to_arrays().values(), after.to_arrays().values(), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


def test_the_record_names_the_rows_that_were_used():
    observations = dataset()
    scaler = Scaler().fit(observations, rows=first_rows(observations), names=["level"])
    assert scaler.n_[:, 0].tolist() == [25, 30]
    assert scaler.first_[0, 0] == np.datetime64("2020-01-02")
    assert scaler.last_[:, 0].tolist() == scaler.last_[::-1, 0].tolist()
    pooled = Scaler(per_well=False).fit(observations, rows=first_rows(observations))
    assert pooled.n_[0].tolist() == [55, 60]


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["standard", "minmax", "none"]),
    st.booleans(),
    st.floats(-1e4, 1e4),
    st.integers(0, 100),
)
def test_inverse_and_arrays_are_round_trips(method, per_well, offset, seed):
    observations = dataset(seed, offset)
    scaler = Scaler(per_well=per_well, methods={"level": method})
    scaler.fit(observations, rows=first_rows(observations))
    again = Scaler.from_arrays(scaler.to_arrays())
    scaled = again.transform(observations)
    xr.testing.assert_identical(scaled, scaler.transform(observations))
    members = scaled.level.expand_dims(member=3, axis=-1)
    back = again.inverse(members, "level")
    assert back.dims == ("well", "time", "member")
    np.testing.assert_allclose(back.isel(member=1), observations.level, rtol=1e-12, atol=1e-9)
    assert again.methods == scaler.methods | {"rr": "standard"}


def test_wells_are_found_by_name():
    observations = dataset()
    scaler = Scaler().fit(observations, rows=first_rows(observations))
    turned = observations.isel(well=[1, 0])
    xr.testing.assert_allclose(
        scaler.transform(turned), scaler.transform(observations).isel(well=[1, 0])
    )
    center, scale = scaler.statistics("rr", ["b"])
    assert (center[0], scale[0]) == (scaler.center_[1, 1], scaler.scale_[1, 1])
    pooled = Scaler(per_well=False).fit(observations, rows=first_rows(observations))
    new_well = observations.isel(well=[0]).assign_coords(well=["new"])
    assert pooled.transform(new_well).level.notnull().any()
    assert pooled.statistics("level", ["x", "y"])[0].shape == (2,)
    assert pooled.inverse(xr.DataArray([0.0], dims="time"), "level")[0] == pooled.center_[0, 0]


def test_a_constant_gets_scale_1_and_a_note():
    observations = dataset()
    observations["rr"][1] = 0.1
    scaler = Scaler().fit(observations, rows=first_rows(observations))
    assert scaler.scale_[1, 1] == 1.0
    (note,) = scaler.notes_
    assert note == (
        "'rr' of well 'b' is constant, 0.1, on the 30 rows from 2020-01-01 to 2020-01-30; "
        "its scale is set to 1."
    )
    np.testing.assert_allclose(scaler.transform(observations).rr[1], 0.0, atol=1e-12)


def damaged(key, value):
    observations = dataset()
    arrays = Scaler().fit(observations, rows=first_rows(observations)).to_arrays()
    arrays = {k: v for k, v in arrays.items() if k != key or value is not None}
    if value is not None:
        arrays[key] = np.asarray(value)
    return arrays


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda _o, _r: Scaler(methods={"rr": "robust"}), ValueError, "one of standard, minmax"),
        (lambda o, r: Scaler().fit(o, rows=r, names=["qq"]), SchemaError, r"Received \['qq'\]"),
        (
            lambda o, r: Scaler().fit(o.where(o.well != "b"), rows=r),
            SchemaError,
            "none for 'level' of well 'b'",
        ),
        (
            lambda o, r: Scaler(per_well=False).fit(o, rows=r & False),
            SchemaError,
            "none for 'level' of all wells",
        ),
        (
            lambda o, r: Scaler().fit(o, rows=r).transform(o.assign_coords(well=["a", "c"])),
            SchemaError,
            "Received 'c'",
        ),
        (
            lambda o, r: Scaler().fit(o, rows=r, names=["level"]).transform(o.rr),
            SchemaError,
            "Received 'rr'",
        ),
        (
            lambda _o, _r: Scaler.from_arrays(damaged("scale", [[1.0, 0.0], [1.0, 1.0]])),
            SchemaError,
            "for 'rr' of well 'a'",
        ),
        (
            lambda _o, _r: Scaler.from_arrays(damaged("center", [[np.nan, 0.0], [1.0, 1.0]])),
            SchemaError,
            "for 'level' of well 'a'",
        ),
        (lambda _o, _r: Scaler.from_arrays(damaged("n", [1, 2])), SchemaError, "n of shape"),
        (lambda _o, _r: Scaler.from_arrays(damaged("last", None)), SchemaError, r"\['last'\]"),
    ],
)
def test_messages(call, error, message):
    observations = dataset()
    with pytest.raises(error, match=message):
        call(observations, first_rows(observations))


def attributes():
    return xr.Dataset(
        {
            "soil": ("well", ["sand", "clay", "peat"]),
            "land": ("well", [231, 312, 231]),
            "depth": ("well", [2.0, 6.0, 1000.0]),
        },
        {"well": ["a", "b", "c"]},
    )


def test_attributes_are_encoded_by_the_training_wells_alone():
    encoder = AttributeEncoder(categories=["land"], unknown="code")
    encoded = encoder.fit(attributes(), wells=["a", "b"]).transform(attributes())
    assert encoded.dims == ("well", "attribute")
    assert encoded.sel(attribute="soil").values.tolist() == [2, 1, 0]
    assert encoded.sel(attribute="land").values.tolist() == [1, 2, 1]
    assert encoded.sel(attribute="depth").values.tolist() == [-1, 1, 498]
    onehot = AttributeEncoder(onehot=True, unknown="code", categories=["land"])
    wide = onehot.fit(attributes(), wells=["a", "b"]).transform(attributes())
    assert wide.attribute.values.tolist() == [
        "soil=clay", "soil=sand", "land=231", "land=312", "depth",
    ]  # fmt: skip
    assert wide.values[:, :4].tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 0]]
    for fitted in (encoder, onehot):
        again = AttributeEncoder.from_arrays(fitted.to_arrays())
        xr.testing.assert_identical(again.transform(attributes()), fitted.transform(attributes()))


def test_an_attribute_that_is_the_same_everywhere_is_noted():
    same = attributes().assign(depth=("well", [3.0, 3.0, 3.0]))
    encoder = AttributeEncoder().fit(same, names=["depth"])
    assert "constant, 3, over the 3 training wells" in encoder.notes_[0]
    assert encoder.transform(same).values.tolist() == [[0], [0], [0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda a: AttributeEncoder().fit(a, wells=["a", "b"]).transform(a),
            "Received 'peat' for 'soil' at well 'c'; known are",
        ),
        (lambda a: AttributeEncoder().fit(a, names=["slope"]), r"lacks \['slope'\]"),
        (lambda a: AttributeEncoder().fit(a, wells=["z"]), r"Received \['z'\]"),
        (lambda a: AttributeEncoder().fit(a, wells=[]), r"Received \[\]"),
        (
            lambda a: AttributeEncoder().fit(a.assign(depth=("well", [1.0, np.nan, 2.0]))),
            "Received nan for 'depth' at well 'b'",
        ),
        (
            lambda a: AttributeEncoder().fit(a.assign(soil=("well", ["sand", " ", "clay"]))),
            "Received ' ' for 'soil' at well 'b'",
        ),
        (
            lambda a: AttributeEncoder().fit(a).transform(a.assign(depth=("well", list("xyz")))),
            "'depth' of dtype <U1",
        ),
        (lambda _a: AttributeEncoder.from_arrays({}), "state without"),
        (lambda _a: AttributeEncoder(unknown="drop"), "Received 'drop'"),
    ],
)
def test_attribute_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call(attributes())


def by_hand(values, edges, before):
    wells, times, variables = values.shape
    out = np.full((wells, times, variables, len(edges) - 1), np.nan)
    for t in range(times):
        for k in range(len(edges) - 1):
            lags = np.arange(edges[k], edges[k + 1])
            parts = [
                values[:, t - lag] if t >= lag else before for lag in lags
                if t >= lag or before is not None
            ]  # fmt: skip
            if parts:
                out[:, t, :, k] = np.mean(parts, axis=0)
    return out.reshape(wells, times, -1)


@pytest.mark.parametrize("padded", [True, False])
def test_lagged_means_are_those_by_hand(padded):
    random = np.random.default_rng(1)
    values = 1000 + random.normal(size=(2, 40, 3))
    values[1, 5, 2] = np.nan
    before = random.normal(size=(2, 3)) if padded else None
    edges = lag_edges(13)
    found = lagged_means(values, edges, before=before)
    np.testing.assert_allclose(found, by_hand(values, edges, before), rtol=1e-10)
    assert np.isnan(found[1]).any()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 2000))
def test_lag_edges_cover_the_lookback_once(lookback):
    edges = lag_edges(lookback)
    assert (edges[0], edges[-1]) == (0, lookback)
    widths = np.diff(edges)
    assert (widths > 0).all()
    assert (widths[1:] < 4 * widths[:-1]).all()


def test_lagged_means_are_causal_bit_for_bit():
    random = np.random.default_rng(2)
    values = random.normal(size=(2, 60, 2))
    expected = lagged_means(values, lag_edges(20))[:, :31]
    for value in (np.nan, 1e6, -3.0):
        values[:, 31:] = value
        assert lagged_means(values, lag_edges(20))[:, :31].tobytes() == expected.tobytes()


@pytest.mark.parametrize("edges", [[-1, 2], [0, 0], [3, 1], [1]])
def test_edges_that_look_ahead_or_do_not_increase_are_refused(edges):
    with pytest.raises(ValueError, match=r"(edges|Edges)"):
        lagged_means(np.zeros((1, 5, 1)), np.array(edges))
    with pytest.raises(ValueError, match="at least 1 step"):
        lag_edges(0)
