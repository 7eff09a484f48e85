"""An additive model of the level: smooth curves of the antecedent weather, and the season."""

from __future__ import annotations

import itertools
import logging
import warnings
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import xarray as xr
from annotated_types import Ge
from scipy.interpolate import BSpline
from statsmodels.gam.api import BSplines, GLMGam

from gwforecast import schema, timeline
from gwforecast.models.base import setting
from gwforecast.models.per_well import PerWell, WellRecord, require_varying
from gwforecast.models.state import Shape, lacks_covariate
from gwforecast.sequences.windows import lagged_means

__all__ = ["Additive", "Curves"]

KNOTS = 6  # basis functions of each curve
DEGREE = 3
FEWEST_LEVELS = 60
EDGES_YEARS = (0.0, 0.1, 0.35, 1.0, 2.0)  # edges of the periods over which weather is averaged
LEAST_APART = 0.01  # between knots, as a share of the range of a column
LEAST_OWN = 1e-3  # share of the variance of a column that the others and the season leave
MOST_ROWS = 3000  # largest number of fitted rows; more are thinned evenly
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Curves:
    """The fit of one well: a curve of each column of antecedent weather, and the season."""

    season: Annotated[np.ndarray, Shape("wave")]  # a constant and coefficients of harmonics, m
    knots: Annotated[np.ndarray, Shape("curve", "knot")]
    coefficients: Annotated[np.ndarray, Shape("curve", "basis")]  # m
    columns: Annotated[np.ndarray, Shape("curve", kind="i")]  # that of each curve
    low: Annotated[np.ndarray, Shape("curve")]  # least value of the column on the fitted rows
    high: Annotated[np.ndarray, Shape("curve")]  # greatest value
    before: Annotated[np.ndarray, Shape("covariate")]  # mean, for the time before the first step

    def predict(self, smooth: np.ndarray) -> np.ndarray:
        """Return the sum of curves, shape (...,), of antecedent weather (..., column), m."""
        total = np.zeros(smooth.shape[:-1])
        for number, column in enumerate(self.columns):
            low, high = self.low[number], self.high[number]
            place = np.clip((smooth[..., column] - low) / (high - low), 0.0, 1.0)
            curve = BSpline(self.knots[number], self.coefficients[number], DEGREE)
            total += curve(place)
        return total


@dataclass(kw_only=True, eq=False)
class Additive(PerWell[Curves]):
    """Add up smooth curves of the mean weather of the last weeks, months and years, and the season.

    A generalised additive model [1]_ of cubic B-splines with a penalty on their curvature [2]_,
    fitted by statsmodels for each well. Beyond the range of the fitted weather, the curves keep the
    value at their ends.

    Parameters
    ----------
    penalty : float
        Weight of the curvature, 0 or more.
    harmonics : int
        Pairs of sine and cosine of the year, 0 or more.
    name : str
        Name in tables and files.

    Attributes
    ----------
    dropped_ : dict of str to list of str
        Columns of antecedent weather that are left out at a well, because they hardly vary or the
        others determine them, such as the snow storage of the last weeks in a mild climate.

    References
    ----------
    .. [1] Hastie, T., and Tibshirani, R. (1986), https://doi.org/10.1214/ss/1177013604.
    .. [2] Wood, S. N. (2017), https://doi.org/10.1201/9781315370279.
    """

    penalty: Annotated[float, Ge(0)] = setting(10.0, search=("log", 0.1, 1000.0))
    harmonics: Annotated[int, Ge(0)] = setting(2, search=("int", 0, 4))
    name: str = "additive"

    dropped_: dict[str, list[str]] = field(init=False, repr=False, default_factory=dict)

    fit_type = Curves
    stored_settings = ("harmonics",)

    @classmethod
    def unsuited(cls, observations: xr.Dataset) -> str:
        """Return that a covariate is missing, where there is none but the season."""
        return lacks_covariate(observations)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather a level depends on."""
        return int(_edges(frequency)[-1])

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return all covariates except those of kind ``"season"``."""
        return tuple(
            name
            for name in schema.covariate_names(observations)
            if schema.covariate_kind(name, observations[name].attrs) != "season"
        )

    def fit_well(self, record: WellRecord, previous: Curves | None) -> Curves:
        """Return the curves of one well; there is nothing to choose."""
        del previous
        weather = record.weather
        before = record.mean_weather()
        smooth = lagged_means(weather[None], _edges(self._frequency), before=before[None])[0]
        usable = np.flatnonzero(np.isfinite(record.level) & np.isfinite(smooth).all(axis=1))
        _check_enough(record.level[usable], weather.shape[1])
        usable = usable[:: -(-usable.size // MOST_ROWS)]
        season = self._season(record.times)
        varied = self._chosen(record.well, smooth[usable], season[usable])
        smooth = smooth[usable][:, varied]
        low, high = smooth.min(axis=0), smooth.max(axis=0)
        splines, parameters = self._splines(
            record.level[usable], (smooth - low) / (high - low), season[usable]
        )
        knots = [one.knots for one in splines.smoothers]
        # statsmodels leaves out the first function of each basis, which the constant represents
        free = parameters[season.shape[1] :].reshape(len(knots), -1)
        return Curves(
            season=parameters[: season.shape[1]],
            knots=np.array(knots),
            coefficients=np.pad(free, ((0, 0), (1, 0))),
            columns=np.flatnonzero(varied),
            low=low,
            high=high,
            before=before,
        )

    def simulate_well(self, fit: Curves, weather: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the levels of one well, shape (version, time), m."""
        before = np.broadcast_to(fit.before, (len(weather), fit.before.size))
        smooth = lagged_means(weather, _edges(self._frequency), before=before)
        known = np.isfinite(smooth).all(axis=-1)
        level = fit.predict(smooth) + self._season(times) @ fit.season
        return np.where(known, level, np.nan)

    def check_fit(self, fit: Curves) -> None:
        """Raise a ValueError if stored curves do not match covariates and harmonics."""
        columns = len(self.covariates_) * (_edges(self._frequency).size - 1)
        basis = fit.knots.shape[1] - DEGREE - 1
        sound = fit.season.size == 1 + 2 * self.harmonics and fit.coefficients.shape[1] == basis
        inside = bool(((fit.columns >= 0) & (fit.columns < columns)).all())
        if not (sound and inside and bool((fit.high > fit.low).all())):
            raise ValueError("the curves of an additive model do not match its settings")

    def _chosen(self, well: str, smooth: np.ndarray, season: np.ndarray) -> np.ndarray:
        """Return which columns (row, column) have a curve of their own; name the others."""
        varied = np.array([_varies(column) for column in smooth.T])
        if not varied.any():
            raise ValueError(
                f"An additive model needs weather of more than {2 * KNOTS} different values. "
                f"Received none such among {list(self.covariates_)}. Leave the model out."
            )
        chosen = varied & _independent(smooth, season, varied)
        edges = _edges(self._frequency)
        names = [
            f"{name}, {first} to {last - 1} steps before"
            for name in self.covariates_
            for first, last in itertools.pairwise(edges)
        ]
        dropped = [names[number] for number in np.flatnonzero(~chosen)]
        self.dropped_ = {**self.dropped_, well: dropped}
        if dropped:
            LOG.info("The additive model leaves out at %s: %s", well, "; ".join(dropped))
        return np.asarray(chosen)

    def _splines(
        self, level: np.ndarray, places: np.ndarray, season: np.ndarray
    ) -> tuple[BSplines, np.ndarray]:
        """Return the splines of columns (row, curve) between 0 and 1, and all parameters."""
        count = places.shape[1]
        splines = BSplines(places, df=[KNOTS] * count, degree=[DEGREE] * count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fit that does not converge is an error below
            fitted = GLMGam(
                level, exog=season, smoother=splines, alpha=[self.penalty] * count
            ).fit()
        parameters = np.asarray(fitted.params, float)
        if not np.isfinite(parameters).all() or not fitted.converged:
            raise ValueError(
                "The fit of an additive model must converge to finite curves. Received "
                f"{int(np.isnan(parameters).sum())} of {parameters.size} parameters NaN. Leave the "
                "model out at this well, or raise its penalty."
            )
        _check_error(level, np.asarray(fitted.fittedvalues, float))
        return splines, parameters

    def _season(self, times: np.ndarray) -> np.ndarray:
        """Return a constant and the harmonics of the year, shape (time, wave)."""
        return np.column_stack([np.ones(times.size), timeline.harmonics(times, self.harmonics)])


def _check_enough(level: np.ndarray, covariates: int) -> None:
    if level.size < FEWEST_LEVELS or covariates == 0:
        raise ValueError(
            f"An additive model needs a covariate and at least {FEWEST_LEVELS} levels. Received "
            f"{covariates} covariates and {level.size} levels. Use a longer record."
        )
    require_varying(level, "An additive model needs")


def _check_error(level: np.ndarray, fitted: np.ndarray) -> None:
    error, usual = np.sqrt(np.mean((level - fitted) ** 2)), level.std()
    if not error < usual:
        raise ValueError(
            "An additive model must fit its own levels better than their mean does. Received an "
            f"error of {error:.3g} m, where that of the mean is {usual:.3g} m. Leave the model out "
            "at this well, or give it fewer covariates."
        )


def _varies(column: np.ndarray) -> bool:
    """Return whether the knots of a column, which are quantiles of its values, lie well apart.

    The curvature between knots that almost coincide is so large that no curve can be determined.
    """
    knots = np.quantile(column, np.linspace(0, 1, KNOTS - DEGREE + 1))
    apart = np.diff(knots) > LEAST_APART * np.ptp(column)
    return bool(np.unique(column).size > 2 * KNOTS and apart.all())


def _independent(smooth: np.ndarray, season: np.ndarray, varied: np.ndarray) -> np.ndarray:
    """Return which columns the season and the chosen columns before them do not determine."""
    basis = np.linalg.qr(season)[0]
    chosen = np.zeros(varied.size, bool)
    for number in np.flatnonzero(varied):
        column = smooth[:, number] - smooth[:, number].mean()
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        size = np.linalg.norm(rest)
        if size**2 > LEAST_OWN * np.sum(column**2):
            chosen[number] = True
            basis = np.column_stack([basis, rest / size])
    return chosen


def _edges(frequency: str) -> np.ndarray:
    year = timeline.steps_per_year(frequency)
    return np.asarray(np.unique(np.round(np.array(EDGES_YEARS) * year).astype(int)))
