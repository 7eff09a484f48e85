"""Why: contributions of the covariates to the level over time, and step responses of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.models.base import Forecaster, with_members
from gwforecast.progress import Progress, ProgressOption, as_callback
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import DEFAULT_MODELS, Fits, fit_models

__all__ = ["GROUP", "Explained", "contributions", "explain", "step_responses"]


GROUP = "covariate"
LAG = "lag"
METHOD = "Shapley values of covariates against their means; pumping against 0"
MOST_GROUPS = 6
STARTS = 4  # times at which a step begins
STEP = 0.2  # of the standard deviation of a covariate
HORIZON_YEARS = 3.0
SHARES = (0.5, 0.9)


@dataclass(frozen=True, eq=False, repr=False)
class Explained(Answer):
    """Contributions and step responses.

    Parameters
    ----------
    contributions : xarray.Dataset
        As of :func:`contributions`.
    responses : xarray.Dataset
        As of :func:`step_responses`.
    memory : pandas.DataFrame
        Columns well, covariate, response (m for one unit of the covariate), error (its standard
        error), days_50 and days_90 (days to 50 and 90 % of the response) and their lowest and
        highest values among members and fits.
    failed : dict of str to str
        Wells without an answer, and why.
    """

    contributions: xr.Dataset
    responses: xr.Dataset
    memory: pd.DataFrame
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def levels(self) -> xr.Dataset:  # type: ignore[override]
        """The contributions, with the simulated level."""
        return self.contributions

    about = (
        "Response of the level, m, to a lasting rise of a covariate by one unit, its standard "
        "error, and days to 50 and 90 % of it"
    )
    written = {  # noqa: RUF012
        "memory.csv": "memory", "contributions.nc": "contributions", "responses.nc": "responses",
    }  # fmt: skip
    drawn = {  # noqa: RUF012
        "_contributions": ("contributions", "contributions"),
        "_responses": ("step_responses", "responses"),
    }

    def summary(self) -> pd.DataFrame:
        """Return the responses by well and covariate.

        Returns
        -------
        pandas.DataFrame
            Columns unit (of the covariate), response and error, m for one unit, days_50, days_90.
        """
        columns = ["unit", "response", "error", "days_50", "days_90"]
        units = self.responses["covariate_units"].to_series().replace("", "not stated")
        table = self.memory.assign(unit=self.memory["covariate"].map(units))
        table = table.set_index(["well", "covariate"])[columns]
        return table.sort_index(level="well", sort_remaining=False)

    def to_dataframe(self) -> pd.DataFrame:
        """Return level, base and the contribution of each covariate, by well and time.

        Returns
        -------
        pandas.DataFrame
            Columns well, time, level, base (the level at the means of all covariates) and one for
            each covariate or group, m: base and contributions sum to the level.
        """
        parts = self.contributions["contribution"].to_dataset(GROUP)
        whole = self.contributions[[schema.LEVEL, "base"]].drop_vars(GROUP, errors="ignore")
        return xr.merge([whole, parts]).to_dataframe().reset_index()


def explain(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> Explained:
    """Explain simulated levels: which covariate contributes how much, and how fast.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`.
    groups : mapping, optional
        Covariates by the name of their group; by default each kind of covariate is a group, e.g.
        all temperatures.

    Returns
    -------
    Explained
        Contributions over time, step responses and memory.

    Raises
    ------
    SchemaError
        If the observations are not valid, or no well can be used.
    ValueError
        If there are more than six groups, or a group names an unknown covariate.
    TypeError
        If the groups are no mapping.
    """
    fits = fit_models(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=as_callback(progress),
    )  # fmt: skip
    found = contributions(fits, groups=groups, progress=as_callback(progress))
    responses, memory = step_responses(fits, progress=as_callback(progress))
    return Explained(found, responses, memory, fits.failed)


def contributions(
    fits: Fits,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the contribution of each group of covariates to the simulated level over time.

    The level is simulated with each subset of the groups as observed and all others at their
    reference, which is the mean up to the last level, or 0 for pumping. The contribution of a group
    is its Shapley value [1]_: the mean, over all orders in which groups can be switched from
    reference to observed, of the change of the level when this group is switched. The contributions
    and the level at the reference add up to the simulation, whatever the model. They contain the
    season that a model knows from a covariate; the season that it knows from the date is in the
    base.

    Raises ValueError if there are more than six groups, or a group names an unknown covariate, and
    TypeError if they are no mapping.

    Parameters
    ----------
    fits : Fits
        Fitted models; their weighted mean is explained.
    groups : mapping, optional
        Covariates by the name of their group.
    progress : Progress, optional
        Progress callback: simulations done.

    Returns
    -------
    xarray.Dataset
        ``contribution`` (covariate, well, time), ``base`` and ``level`` (well, time), m: base plus
        all contributions is the level.

    References
    ----------
    .. [1] Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games
       II, 307-317. https://doi.org/10.1515/9781400881970-018
    """
    observations = fits.observations
    chosen = _groups(observations, groups)
    names = list(chosen)
    reference = observations.assign(
        {name: _reference(observations, name) for group in chosen.values() for name in group}
    )
    levels: dict[frozenset[str], xr.DataArray] = {}
    subsets = [frozenset(c) for n in range(len(names) + 1) for c in combinations(names, n)]
    for number, subset in enumerate(subsets):
        moved = {name: observations[name] for group in subset for name in chosen[group]}
        levels[subset] = fits.simulate(reference.assign(moved))[schema.LEVEL]
        if progress is not None:
            progress("contributions", number + 1, len(subsets))
    parts = []
    for name in names:
        part = xr.zeros_like(levels[frozenset()])
        for subset in subsets:
            if name not in subset:
                n, k = len(names), len(subset)
                weight = factorial(k) * factorial(n - k - 1) / factorial(n)
                part = part + weight * (levels[subset | {name}] - levels[subset])
        parts.append(part.assign_attrs(units="m"))
    label = xr.DataArray(names, dims=GROUP, name=GROUP)
    attrs = {**observations[schema.LEVEL].attrs, "units": schema.LEVEL_UNITS}
    return xr.Dataset(
        {
            "contribution": xr.concat(parts, label).assign_attrs(units="m", method=METHOD),
            "base": levels[frozenset()].assign_attrs(attrs),
            schema.LEVEL: levels[frozenset(names)].assign_attrs(attrs),
        },
        attrs={"model": fits.name},
    )


def _groups(
    observations: xr.Dataset, groups: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    names = schema.covariate_names(observations)
    if groups is None:
        chosen: dict[str, list[str]] = {}
        for name in names:
            kind = schema.covariate_kind(name, observations[name].attrs)
            group = name if kind == "other" else kind.removesuffix("_min").removesuffix("_max")
            if kind != "season":
                chosen.setdefault(group, []).append(name)
    elif not isinstance(groups, Mapping):
        raise TypeError(
            f"Groups are a dictionary of names and covariates. Received {groups!r}. Use "
            "groups={'rain': ['rr'], 'other': [...]}."
        )
    else:
        chosen = {group: [some] if isinstance(some, str) else list(some)
                  for group, some in groups.items()}  # fmt: skip
    unknown = [name for some in chosen.values() for name in some if name not in names]
    if unknown or not chosen:
        raise ValueError(
            f"Groups are of the covariates {', '.join(names) or '(none)'}. Received "
            f"{unknown[0] if unknown else 'none'!r}. Correct the name."
        )
    if len(chosen) > MOST_GROUPS:
        raise ValueError(
            f"Contributions are of at most {MOST_GROUPS} groups of covariates, because the number "
            f"of simulations doubles with each. Received {len(chosen)}: {', '.join(chosen)}. Join "
            "some: groups={'rain': ['rr'], 'other': [...]}."
        )
    return chosen


def _reference(observations: xr.Dataset, name: str) -> xr.DataArray:
    """Return the reference of a covariate: its mean up to the last level, or 0 for pumping."""
    given = observations[name]
    if schema.covariate_kind(name, given.attrs) == "pumping":
        return xr.zeros_like(given)
    known = observations[schema.LEVEL].notnull()
    later = known.isel({schema.TIME: slice(None, None, -1)}).cumsum(schema.TIME)
    before = later.isel({schema.TIME: slice(None, None, -1)}) > 0
    return xr.zeros_like(given) + given.where(before).mean(schema.TIME)


def step_responses(
    fits: Fits,
    *,
    horizon: int | None = None,
    starts: int = STARTS,
    progress: Progress | None = None,
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Return how the level answers a lasting rise of each covariate by one unit, and its memory.

    A covariate is raised from some time on, by a fifth of its standard deviation; the difference to
    the simulation as it is, divided by the rise, is the response. It is the mean of rises at
    several times (``starts``), as the response of a network depends on how wet it is. ``horizon``
    steps are followed, by default three years, or half of the record.

    The first result has ``response`` (covariate, well, lag, quantile), m for one unit of the
    covariate, with normal quantiles from the spread of members, models and fits, see
    :mod:`gwforecast.questions.fits`; ``lag`` in days from the beginning of the rise. The second is
    the attribute ``memory`` of :class:`Explained`.
    """
    observations = fits.observations
    times = observations[schema.TIME].values
    frequency = timeline.infer_frequency(times)
    per_year = timeline.steps_per_year(frequency)
    longest = horizon or min(round(HORIZON_YEARS * per_year), times.size // 2)
    begins = np.linspace(0.25 * times.size, times.size - longest - 1, starts).astype(int)
    step = round(timeline.days_per_step(frequency), 1)
    days = (np.arange(longest) + 1) * step
    names = [
        name
        for name in schema.covariate_names(observations)
        if schema.covariate_kind(name, observations[name].attrs) != "season"
        and float(observations[name].std()) > 0
    ]
    parts, tables = [], []
    as_is: dict[int, xr.DataArray] = {}  # simulations of each model with covariates as they are
    for number, name in enumerate(names):
        curves: list[xr.DataArray] = []
        respond = partial(
            _response, observations=observations, name=name, begins=begins, days=days,
            as_is=as_is, kept=curves,
        )  # fmt: skip
        found = fits.estimate(respond)
        parts.append(found.quantiles().transpose(schema.WELL, LAG, schema.QUANTILE))
        tables.append(_memory(found.value, found.error, curves, days).assign(covariate=name))
        if progress is not None:
            progress("step responses", number + 1, len(names))
    response = xr.concat(parts, xr.DataArray(names, dims=GROUP, name=GROUP))
    response.attrs = {"units": "m for one unit of the covariate", "step": STEP}
    units = {name: str(observations[name].attrs.get("units", "")) for name in names}
    whole = response.to_dataset(name="response").assign_coords(
        covariate_units=(GROUP, [units[name] for name in names]),
        covariate_kind=(
            GROUP,
            [schema.covariate_kind(name, observations[name].attrs) for name in names],
        ),
    )
    whole.attrs = {"model": fits.name}
    whole[LAG].attrs = {"units": "days", "long_name": "time since the rise began"}
    return whole, pd.concat(tables, ignore_index=True)


def _response(
    model: Forecaster,
    *,
    observations: xr.Dataset,
    name: str,
    begins: np.ndarray,
    days: np.ndarray,
    as_is: dict[int, xr.DataArray],
    kept: list[xr.DataArray],
) -> xr.DataArray:
    """Return the mean response of a model, dims (well, lag[, member]); also keep it in a list."""
    if id(model) not in as_is:
        as_is[id(model)] = with_members(model.simulate(observations)[schema.LEVEL])
    rise = STEP * observations[name].std(schema.TIME)
    rise = rise.where(rise > 0, STEP * float(observations[name].std()))
    parts = []
    for begin in begins:  # a level depends on no later weather, so the other steps are left out
        until = observations.isel({schema.TIME: slice(begin + days.size)})
        after = xr.DataArray(
            (np.arange(until.sizes[schema.TIME]) >= begin).astype(float), dims=schema.TIME
        )
        raised = until[name] + (rise * after).transpose(schema.WELL, schema.TIME)
        changed = until.assign({name: raised.assign_attrs(until[name].attrs)})
        level = with_members(model.simulate_from(changed, int(begin))[schema.LEVEL])
        part = (level - as_is[id(model)]).isel({schema.TIME: slice(begin, None)}) / rise
        parts.append(part.rename({schema.TIME: LAG}).assign_coords({LAG: days}))
    mean = xr.concat(parts, "begin").mean("begin").transpose(schema.WELL, LAG, schema.MEMBER)
    kept.append(mean)
    return mean


def _memory(
    value: xr.DataArray, error: xr.DataArray, curves: Sequence[xr.DataArray], days: np.ndarray
) -> pd.DataFrame:
    """Return response and times of a covariate by well, with the range of all members and fits."""
    rows = []
    for well in value[schema.WELL].values:
        row: dict[str, object] = {
            "well": str(well),
            "covariate": "",
            "response": float(value.sel({schema.WELL: well})[-1]),
            "error": float(error.sel({schema.WELL: well})[-1]),
        }
        every = np.concatenate([one.sel({schema.WELL: well}).values.T for one in curves])
        for share in SHARES:
            central = _time_to(value.sel({schema.WELL: well}).values, share, days)
            times = [_time_to(curve, share, days) for curve in every]
            label = f"days_{100 * share:.0f}"
            row |= {label: central, f"{label}_lowest": min(times), f"{label}_highest": max(times)}
        rows.append(row)
    return pd.DataFrame(rows)


def _time_to(curve: np.ndarray, share: float, days: np.ndarray) -> float:
    """Return the days until a response first reaches a share of its last value."""
    if not np.isfinite(curve[-1]) or curve[-1] == 0:
        return float("nan")
    return float(days[int(np.argmax(curve / curve[-1] >= share))])
