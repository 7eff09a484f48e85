"""The outcome of each model at each well: a table for the record, a warning for the user."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.split import Split
from gwforecast.writing import clause

__all__ = [
    "OUTCOME_COLUMNS", "Attempt", "one_by_one", "outcome_rows", "outcome_table", "reason_of",
    "select_wells", "together_or_one_by_one", "warn_of_failures", "wells_without_scores",
    "wells_without_values",
]  # fmt: skip


Result = TypeVar("Result")
Errors = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """The outcome of work on some wells."""

    # wells that were worked on together and the result; a single item if all went well
    done: list[tuple[list[str], Result]] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    first_error: Exception | None = None  # of the work on all wells together

    @property
    def results(self) -> list[Result]:
        """The results, in the order of the wells."""
        return [result for _, result in self.done]

    @property
    def reasons(self) -> dict[str, str]:
        """Why each well failed: type and message of the error."""
        return {well: reason_of(error) for well, error in self.failed.items()}

    def require(self) -> Attempt[Result]:
        """Return itself; if no well succeeded, raise the error of all wells together."""
        if not self.done and self.first_error is not None:
            raise self.first_error
        return self


def together_or_one_by_one(
    work: Callable[[list[str]], Result],
    wells: Iterable[str],
    *,
    errors: Errors = Exception,
    divisible: bool = True,
) -> Attempt[Result]:
    """Do work on all wells together; if that fails, do it on each well alone.

    Exceptions that are not ``errors`` are raised. Networks that all wells share are not
    ``divisible``: all wells fail if the work on them together fails.

    Examples
    --------
    >>> def invert(wells):
    ...     return [1 / {"a": 2, "b": 0, "c": 4}[well] for well in wells]
    >>> attempt = together_or_one_by_one(invert, ["a", "b", "c"])
    >>> attempt.done
    [(['a'], [0.5]), (['c'], [0.25])]
    >>> attempt.reasons
    {'b': 'ZeroDivisionError: division by zero'}
    """
    names = list(wells)
    try:
        return Attempt([(names, work(names))])
    except errors as error:
        if len(names) < 2 or not divisible:
            return Attempt([], dict.fromkeys(names, error), error)
        alone = one_by_one(work, names, errors=errors)
        return Attempt(alone.done, alone.failed, error)


def one_by_one(
    work: Callable[[list[str]], Result], wells: Iterable[str], *, errors: Errors = Exception
) -> Attempt[Result]:
    """Do work on each well alone; arguments as of :func:`together_or_one_by_one`."""
    attempt: Attempt[Result] = Attempt()
    for well in wells:
        try:
            attempt.done.append(([well], work([well])))
        except errors as error:
            attempt.failed[well] = error
    return attempt


def select_wells(observations: xr.Dataset, wells: list[str]) -> xr.Dataset:
    """Return some wells of a Dataset; the Dataset itself, not a copy, if these are all of them."""
    if wells == schema.well_names(observations):
        return observations
    return observations.sel({schema.WELL: wells})


def reason_of(error: Exception) -> str:
    """Return type and message of an error in one line of text."""
    return f"{type(error).__name__}: {error}"


OUTCOME_COLUMNS = [schema.MODEL, schema.WELL, "status", "reason"]
LONGEST_REASON = 400  # characters of a reason in a warning; run.json has the full text
Row = tuple[str, str, str, str]


def outcome_rows(model: str, wells: Iterable[str], failed: Mapping[str, str]) -> list[Row]:
    """Return model, well, status (``"ok"`` or ``"failed"``) and reason; failed wells come first."""
    return [
        *((model, well, "failed", reason) for well, reason in failed.items()),
        *((model, well, "ok", "") for well in wells if well not in failed),
    ]


def outcome_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return outcomes as a table with the columns model, well, status and reason."""
    return pd.DataFrame(list(rows), columns=OUTCOME_COLUMNS)


def warn_of_failures(model: str, failed: Mapping[str, str], *, stacklevel: int = 4) -> None:
    """Warn that a model failed, with the first well and its reason; nothing if none failed."""
    if not failed:
        return
    well, reason = next(iter(failed.items()))
    others = len(failed) - 1
    more = f" So did {others} more well{'s' * (others > 1)}." if others else ""
    short = clause(textwrap.shorten(reason, LONGEST_REASON, placeholder=" ..."))
    warnings.warn(f"Model {model!r} failed at well {well!r}: {short}.{more}", stacklevel=stacklevel)


def wells_without_values(level: xr.DataArray, *, what: str = "prediction") -> dict[str, str]:
    """Return the wells at which no level is finite, with this as the reason."""
    empty = level.isnull().all([dim for dim in level.dims if dim != schema.WELL]).values
    wells = np.asarray(level[schema.WELL].values)[empty]
    return {str(well): f"no {what} is finite" for well in wells}


def wells_without_scores(
    level: xr.DataArray, observations: xr.Dataset, split: Split
) -> dict[str, str]:
    """Return the wells with no prediction of any observed level of the test period, and why.

    ``level`` (well, time, quantile), m; a well without a test period is not among them.
    """
    observed = split.levels(observations, "test").notnull()
    known = level.sel({schema.QUANTILE: 0.5}, drop=True).notnull()
    counts, found = observed.sum(schema.TIME), (observed & known).any(schema.TIME)
    return {
        str(well): f"none of the {int(n)} levels of the test period is predicted"
        for well, n, some in zip(
            observations[schema.WELL].values, counts.values, found.values, strict=True
        )
        if n and not some
    }
