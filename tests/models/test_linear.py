import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xarray as xr

from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_date, split_by_fraction
from gwforecast.sequences.windows import lag_edges, lagged_means

DATA = Path(__file__).parents[3] / "shared" / "data"


def linear_wells(n_times=400, seed=0, noise=0.0, freq="W-MON"):
    """Levels that are an exact linear function of lagged means of rain over 8 steps."""
    random = np.random.default_rng(seed)
    rain = random.gamma(1.0, 2.0, (2, n_times, 1))
    means = lagged_means(rain, lag_edges(8), before=np.zeros((2, 1)))
    level = 10 + means @ np.array([0.1, 0.3, 0.8, 1.5]) + noise * random.normal(size=(2, n_times))
    level[:, :8] = np.nan  # before that the weather is not known
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level), "rr": (dims, rain[..., 0])},
        {"well": ["a", "b"], "time": pd.date_range("2001-01-01", periods=n_times, freq=freq)},
    )


def nse(observed, predicted):
    both = np.isfinite(observed) & np.isfinite(predicted)
    observed, predicted = observed[both], predicted[both]
    return 1 - np.square(observed - predicted).sum() / np.square(observed - observed.mean()).sum()


def test_an_exactly_linear_well_is_found_exactly():
    observations = linear_wells()
    split = split_by_fraction(observations)
    fitted = Linear(lookbacks=[8], strengths=[0.0], harmonics=0).fit(observations, split=split)
    level = fitted.simulate(observations)["level"]
    known = observations.level.notnull()
    np.testing.assert_allclose(level.where(known), observations.level.where(known), rtol=1e-9)
    regression = fitted.fits_["a"]
    np.testing.assert_allclose(
        regression.coefficients / regression.scale, [0.1, 0.3, 0.8, 1.5], rtol=1e-8
    )
    assert regression.n_rows == int(split.levels(observations, "train")[0].notnull().sum())
    assert regression.n_without_level == 8


def test_the_ridge_is_that_of_statsmodels_on_all_rows():
    observations = linear_wells(noise=0.3)
    split = split_by_fraction(observations)
    fitted = Linear(lookbacks=[8], strengths=[0.2], harmonics=1).fit(observations, split=split)
    train = split.levels(observations, "train").values[0]
    rows = split.rows(observations, "train").values[0]
    rain = observations.rr.values[:1, :, None]
    columns = lagged_means(rain, lag_edges(8), before=rain[:, rows].mean(axis=1))[0]
    angle = 2 * np.pi * (pd.DatetimeIndex(observations.time.values).day_of_year - 1) / 365.25
    columns = np.column_stack([columns, np.sin(angle), np.cos(angle)])[np.isfinite(train)]
    y = train[np.isfinite(train)]
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    expected = sm.OLS(y - y.mean(), standard).fit_regularized(alpha=0.2, L1_wt=0.0).params
    np.testing.assert_allclose(fitted.fits_["a"].coefficients, expected, rtol=1e-8)


def test_the_validation_rows_choose_the_lookback():
    observations = linear_wells(noise=0.05)
    split = split_by_fraction(observations)
    fitted = Linear(lookbacks=[1, 8, 100]).fit(observations, split=split)
    assert {r.lookback for r in fitted.fits_.values()} == {8}
    again = fitted.refit(observations, split=split)
    for well, regression in fitted.fits_.items():
        assert again.fits_[well].lookback == regression.lookback
        assert again.fits_[well].strength == regression.strength
        assert again.fits_[well].n_rows > regression.n_rows


def test_without_validation_levels_the_first_lookback_and_middle_strength_are_taken():
    observations = linear_wells()
    split = split_by_fraction(observations, train=0.8, validation=0.0)
    fitted = Linear(lookbacks=[4, 8]).fit(observations, split=split)
    assert {(r.lookback, r.strength) for r in fitted.fits_.values()} == {(4, 0.1)}


@pytest.mark.parametrize(
    ("freq", "lookbacks"),
    [("D", {365, 730, 1461}), ("W-SUN", {52, 104, 209}), ("MS", {12, 24, 48})],
)
def test_the_usual_lookbacks_are_one_two_and_four_years(freq, lookbacks):
    observations = linear_wells(freq=freq)
    fitted = Linear().fit(observations, split=split_by_fraction(observations))
    assert {r.lookback for r in fitted.fits_.values()} <= lookbacks


def test_missing_covariates_are_dropped_and_counted_and_never_filled():
    observations = linear_wells()
    observations["rr"][0, 50] = np.nan
    split = split_by_fraction(observations)
    fitted = Linear(lookbacks=[8]).fit(observations, split=split)
    assert fitted.fits_["a"].n_without_covariates == 8
    assert fitted.fits_["b"].n_without_covariates == 0
    level = fitted.simulate(observations)["level"].values
    assert np.flatnonzero(np.isnan(level[0])).tolist() == list(range(50, 58))
    assert np.isfinite(level[1]).all()


def test_a_covariate_that_is_missing_altogether_fails_its_well_only():
    observations = linear_wells()
    observations["rr"][1] = np.nan
    with pytest.warns(UserWarning, match="(?s)well 'b'.*none for 'rr'"):
        fitted = Linear().fit(observations, split=split_by_fraction(observations))
    level = fitted.simulate(observations)["level"]
    assert level.sel(well="b").isnull().all()
    assert level.sel(well="a").notnull().all()


def test_season_covariates_stay_out_beside_harmonics():
    observations = linear_wells().assign(Tsin=lambda o: 0 * o.rr + 1)
    split = split_by_fraction(observations)
    assert Linear().fit(observations, split=split).covariates_ == ("rr",)
    plain = Linear(harmonics=0).fit(observations, split=split)
    assert plain.covariates_ == ("rr", "Tsin")


def fitted_on(observations):
    return Linear(lookbacks=[8]).fit(observations, split=split_by_fraction(observations))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _o: Linear(lookbacks=[]), "1 or more elements"),
        (lambda _o: Linear(lookbacks=[0]), "each element must be at least 1"),
        (lambda _o: Linear(strengths=[]), "1 or more elements"),
        (lambda _o: Linear(strengths=[-0.1]), "at least 0"),
        (lambda _o: Linear(harmonics=-1), "'harmonics' of 'linear' must be at least 0"),
        (lambda o: fitted_on(o).simulate(o.drop_vars("rr")), r"lacks \['rr'\]"),
        (lambda o: fitted_on(o).simulate(o.assign_coords(well=["a", "x"])), "Received 'x'"),
        (
            lambda o: fitted_on(o).simulate(
                o.assign_coords(time=pd.date_range("2001-01-01", periods=o.sizes["time"]))
            ),
            "fitted on, W-MON. Received D",
        ),
        (
            lambda o: Linear(harmonics=0).fit(o.drop_vars("rr"), split=split_by_fraction(o)),
            "needs a covariate or a harmonic",
        ),
        (
            lambda o: Linear(covariates=["qq"]).fit(o, split=split_by_fraction(o)),
            r"lacks \['qq'\]",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(linear_wells())
    assert isinstance(caught.value, SchemaError | ValueError)


def test_progress_is_reported_well_by_well():
    observations, reported = linear_wells(), []
    Linear(lookbacks=[8]).fit(
        observations,
        split=split_by_fraction(observations),
        progress=lambda task, done, total: reported.append((task, done, total)),
    )
    assert reported == [("linear · well 'a'", 1, 2), ("linear · well 'b'", 2, 2)]


@pytest.mark.skipif(not DATA.exists(), reason="needs the real wells in ../shared/data")
def test_it_beats_climatology_on_a_real_well_in_validation():
    folder = DATA / "challenge" / "Netherlands"
    heads = pd.read_csv(folder / "heads.csv", index_col=0, parse_dates=True).iloc[:, 0]
    weather = pd.read_csv(folder / "input_data.csv", index_col=0, parse_dates=True)
    dims = ("well", "time")
    observations = xr.Dataset(
        {"level": (dims, heads.reindex(weather.index).to_numpy()[None])}
        | {name: (dims, weather[name].to_numpy()[None]) for name in weather},
        {"well": ["NL"], "time": weather.index.to_numpy()},
    )
    split = split_by_date(
        observations, validation_start="2012-01-01", test_start=heads.index[-1] + pd.Timedelta("1D")
    )
    target = split.levels(observations, "validation").values
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = [
            nse(target, f.fit(observations, split=split).simulate(observations)["level"].values)
            for f in (Linear(), Climatology())
        ]
    assert scores[0] > 0.5
    assert scores[0] > scores[1] + 0.2
