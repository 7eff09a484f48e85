"""Callbacks that report the progress of long computations."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "further"]


class Progress(Protocol):
    """A progress callback; the caller decides how progress is shown."""

    def __call__(self, task: str, done: int, total: int) -> None:
        """Report that some of the parts of a task are done.

        Parameters
        ----------
        task : str
            Name of the task, e.g. the forecaster that is fitted.
        done, total : int
            Number of parts that are done, and of all parts.
        """


def further(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return a callback for one of several stages that reports progress in all of them.

    Parameters
    ----------
    progress : Progress, optional
        Callback for all stages together.
    before : int
        Number of parts done in earlier stages.
    total : int
        Number of parts of all stages.

    Examples
    --------
    >>> stage = further(lambda task, done, total: print(task, done, total), 3, 10)
    >>> stage("lstm", 1, 4)
    lstm 4 10
    """
    if progress is None:
        return None

    of_all_stages = total

    def report(task: str, done: int, total: int) -> None:  # noqa: ARG001
        progress(task, before + done, of_all_stages)

    return report
