"""Work on wells together and, where that fails, one by one, so that only the faulty wells fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import xarray as xr

from gwforecast import schema

__all__ = ["Attempt", "one_by_one", "reason_of", "select_wells", "together_or_one_by_one"]


Result = TypeVar("Result")
Errors = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """The outcome of work on some wells.

    Parameters
    ----------
    done : list of (list of str, object)
        Wells that were worked on together and the result; a single item if all went well.
    failed : dict of str to Exception
        The error of each well that failed.
    first_error : Exception, optional
        The error of the work on all wells together.
    """

    done: list[tuple[list[str], Result]] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    first_error: Exception | None = None

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

    Parameters
    ----------
    work : callable
        Takes names of wells and returns a result.
    wells : iterable of str
        Names of the wells.
    errors : exception type or tuple of them
        What counts as a failure; other exceptions are raised.
    divisible : bool
        Whether a well may be worked on alone. False for networks that all wells share: then all
        wells fail if the work on them together fails.

    Returns
    -------
    Attempt
        Results and failures.

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
