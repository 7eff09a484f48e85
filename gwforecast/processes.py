"""Divide work among forked processes, which share what was read before, and threads of BLAS."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["count_processes", "map_in_processes", "one_blas_thread"]


PATIENCE = 300.0  # s to wait for a process after the first part is done; a fork may deadlock
Part = TypeVar("Part")
Result = TypeVar("Result")
Warned = list[tuple[str, type[Warning]]]
DRAWING = frozenset({"_RefreshThread", "TMonitor"})
"""Threads of rich and tqdm that only draw progress bars: a fork can do without them."""

_INHERITED: dict[str, Callable[[Any], Any]] = {}  # set in each process when it starts


def count_processes(size: int, *, least: int, most: int | None = None) -> int:
    """Return how many processes to use for ``size`` items, at least ``least`` for each.

    At most as many as there are cores, and 1 where forking is not safe: on systems other than
    Linux, in a process that was forked or started for such work, and if other threads run (as in
    notebooks and workers of Dask) or TensorFlow has been imported. A forked process has no copies
    of the threads and may wait forever for a lock they hold.
    """
    threads = [one for one in threading.enumerate() if type(one).__name__ not in DRAWING]
    safe = sys.platform == "linux" and len(threads) == 1
    safe = safe and multiprocessing.parent_process() is None
    if not safe or "tensorflow" in sys.modules:
        return 1
    return max(1, min(most or len(os.sched_getaffinity(0)), size // least))


def map_in_processes(
    task: Callable[[Part], Result], parts: Sequence[Part], *, patience: float | None = None
) -> list[Result]:
    """Apply a task to each part: to the first in this process, to each other in a fork of it.

    A part whose process fails, dies or does not end in five minutes (``patience``, s) after the
    first is processed again here, with a warning unless the task itself raised an error. Warnings
    of the task are passed on. It need not be picklable, but its results must be; they are in the
    order of the parts.
    """
    if len(parts) == 1:
        return [task(parts[0])]
    with _forks(task, parts[1:]) as futures:
        results = [task(parts[0])]
        for future, part in zip(futures, parts[1:], strict=True):
            try:
                result, warned = future.result(timeout=patience or PATIENCE)
            except Exception as error:  # whatever happened there, the part is not lost
                _warn_of_lost_process(error)
                results.append(task(part))
                continue
            results.append(result)
            for message, category in warned:
                warnings.warn(message, category, stacklevel=2)
    return results


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which NumPy multiplies matrices on one thread.

    Small matrices take no less time on two threads, and many times as long where other processes
    keep the cores busy. The results are the same bits.
    """
    limit: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # of the libraries that are loaded, NumPy's among them


@contextmanager
def _forks(
    task: Callable[[Part], Result], parts: Sequence[Part]
) -> Iterator[list[Future[tuple[Result, Warned]]]]:
    """Submit each part to a forked process, and leave no process behind."""
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        len(parts),
        mp_context=multiprocessing.get_context("fork"),
        initializer=_INHERITED.__setitem__,  # inherited by the fork, never pickled
        initargs=("task", task),
    )
    futures: list[Future[tuple[Result, Warned]]] = []
    try:
        with warnings.catch_warnings():  # of NumPy's BLAS threads, which handle forks
            warnings.simplefilter("ignore", DeprecationWarning)
            futures += [pool.submit(_run, part) for part in parts]
        yield futures
    finally:
        if not all(future.done() for future in futures):
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _run(part: Any) -> tuple[Any, Warned]:
    """Return what the task makes of a part, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        result = _INHERITED["task"](part)
    return result, [(str(warning.message), warning.category) for warning in caught]


def _warn_of_lost_process(error: Exception) -> None:
    """Warn if a process was lost; an error of the task is raised when it is repeated here."""
    if isinstance(error, BrokenProcessPool | TimeoutError):
        reason = "was killed" if isinstance(error, BrokenProcessPool) else "did not end"
        warnings.warn(
            f"Work is divided among processes. One of them {reason}, and its part is repeated in "
            "the first process. Check the memory of the machine, or set 'workers = 1' in the "
            "table [models].",
            RuntimeWarning,
            stacklevel=3,
        )
