"""Callbacks that report the progress of long computations, and bars that show it."""

from __future__ import annotations

import functools
import inspect
import logging
import math
import sys
import warnings
from collections.abc import Callable
from typing import Any, Protocol

from tqdm.std import tqdm

__all__ = [
    "DETAIL", "Progress", "ProgressOption", "as_callback", "further", "stage", "taking_progress",
    "with_detail",
]  # fmt: skip


logger = logging.getLogger(__name__)
DETAIL = " · "
"""Separates the name of a task from what is being done in it at present."""

LOGGED_EVERY = 10.0  # seconds, where there is no terminal
FORM_OF_BARS = (
    "{desc}: {percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} "
    "[{elapsed}, {remaining} left{postfix}]"
)


class Progress(Protocol):
    """A progress callback; the caller decides how progress is shown."""

    def __call__(self, task: str, done: float, total: int) -> None:
        """Report that some of the parts of a task are done.

        Parameters
        ----------
        task : str
            Name of the task, e.g. ``"lstm: train"``. Text after ``" · "`` says what was done last,
            e.g. ``"lstm: train · well 'fen', member 3"``, and is not part of the name.
        done : float
            Number of parts that are done; a part in work, e.g. a network that has run half of its
            epochs, counts as a fraction.
        total : int
            Number of all parts.
        """


ProgressOption = Progress | bool | None
"""A callback, True for bars on standard error, or None or False for no report."""


def as_callback(progress: ProgressOption) -> Progress | None:
    """Return the callback of an option: True stands for bars, or log lines without a terminal.

    Examples
    --------
    >>> as_callback(None) is None, as_callback(False) is None, as_callback(print) is print
    (True, True, True)
    """
    if isinstance(progress, bool):
        return _Bars() if progress else None
    return progress


def further(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return a callback for one of several stages that reports progress in all of them.

    ``before`` parts of ``total`` were done in earlier stages.

    Examples
    --------
    >>> part = further(lambda task, done, total: print(task, done, total), 3, 10)
    >>> part("lstm", 1, 4)
    lstm 4 10
    """
    if progress is None:
        return None

    of_all_stages = total

    def report(task: str, done: float, total: int) -> None:  # noqa: ARG001
        progress(task, before + done, of_all_stages)

    return report


def stage(progress: Progress | None, name: str) -> Progress | None:
    """Return a callback that reports all work under one name, with the details of each report.

    Examples
    --------
    >>> train = stage(lambda task, done, total: print(task, done, total), "lstm: train")
    >>> train("networks · well 'fen', member 0", 1, 10)
    lstm: train · well 'fen', member 0 1 10
    """
    if progress is None:
        return None

    def report(task: str, done: float, total: int) -> None:
        _, separator, detail = task.partition(DETAIL)
        progress(f"{name}{separator}{detail}", done, total)

    return report


def with_detail(progress: Progress | None, details: list[str]) -> Progress | None:
    """Return a callback that adds to each report what was done last: one text for each part.

    Examples
    --------
    >>> both = with_detail(lambda task, done, total: print(task), ["well 'a'", "well 'b'"])
    >>> both("networks · epoch 30 of 100", 0.3, 2)
    networks · well 'a', epoch 30 of 100
    >>> both("networks", 2, 2)
    networks · well 'b'
    """
    if progress is None:
        return None

    def report(task: str, done: float, total: int) -> None:
        name, _, more = task.partition(DETAIL)
        part = math.ceil(done)  # the one that was done last, or that is in work
        detail = details[part - 1] if 0 < part <= len(details) else ""
        detail = ", ".join(filter(None, (detail, more)))
        progress(f"{name}{DETAIL}{detail}" if detail else name, done, total)

    return report


def taking_progress(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a class, made to ignore ``progress`` if it does not take it."""
    arguments = inspect.signature(method).parameters.values()
    if any(one.name == "progress" or one.kind is one.VAR_KEYWORD for one in arguments):
        return method

    @functools.wraps(method)
    def call(*arguments: Any, progress: ProgressOption = None, **options: Any) -> Any:  # noqa: ARG001
        return method(*arguments, **options)

    return call


class _Bars:
    """A bar for each task, with the time left; one log line every ten seconds otherwise."""

    def __init__(self) -> None:
        self.bars: dict[str, Any] = {}
        self.kind = _kind_of_bar()

    def __call__(self, task: str, done: float, total: int) -> None:
        name, _, detail = task.partition(DETAIL)
        bar = self.bars.get(name)
        if bar is None:
            bar = self.kind(total=total, desc=name, leave=False, bar_format=FORM_OF_BARS)
            self.bars[name] = bar
        bar.total = total
        if detail:
            bar.set_postfix_str(detail, refresh=False)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
            del self.bars[name]


class _LogLines(tqdm):  # type: ignore[misc]
    """A bar whose states are log lines."""

    def __init__(self, *, total: int, desc: str, leave: bool, bar_format: str) -> None:
        self.ended = False
        super().__init__(
            total=total, desc=desc, leave=leave, bar_format=bar_format.replace("|{bar}|", ""),
            mininterval=LOGGED_EVERY, miniters=0,
        )  # fmt: skip

    def display(self, msg: str | None = None, pos: int | None = None) -> None:  # noqa: ARG002
        """Log the state."""
        if self.n:
            logger.info(msg or str(self.format_meter(**{**self.format_dict, "ncols": None})))

    def close(self) -> None:
        """Log the end."""
        if not self.ended:
            self.ended = True
            spent = self.format_interval(self.format_dict["elapsed"])
            logger.info("%s: %.0f of %d in %s", self.desc.rstrip(": "), self.n, self.total, spent)


def _kind_of_bar() -> type[Any]:
    """Return the class of bars for a notebook, a terminal, or the log."""
    notebook = "ipykernel" in sys.modules
    if notebook or sys.stderr.isatty():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a notebook without widgets has bars of text
            from tqdm import auto
        kind: type[Any] = auto.tqdm
        return kind
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        logger.addHandler(logging.StreamHandler())
    return _LogLines
