"""Work on parts in several processes, each of which shares what was read before it began."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar, cast

__all__ = ["count_processes", "run_in_processes"]


PATIENCE = 300.0  # s after the first part is done; a library's own locks may hold a copy for ever
Part = TypeVar("Part")
Result = TypeVar("Result")
Told = list[tuple[str, type[Warning]]]


def count_processes(size: int, *, least: int, most: int | None = None) -> int:
    """Return how many processes a piece of work is worth, 1 where they could do harm.

    Parameters
    ----------
    size : int
        Items of the work.
    least : int
        Items that a process is worth.
    most : int, optional
        Number of processes that are allowed; by default that of the cores.

    Returns
    -------
    int
        1 but on Linux, and beside threads or TensorFlow: a copy of a process that holds them may
        wait for ever for what a thread, which is not copied, had locked.
    """
    safe = sys.platform == "linux" and threading.active_count() == 1
    if not safe or "tensorflow" in sys.modules:
        return 1
    return max(1, min(most or len(os.sched_getaffinity(0)), size // least))


def run_in_processes(task: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Return what a task makes of each part: of the first here, of each other in a copy of this.

    A part whose process fails, dies or does not end is worked on here again, so that nothing is
    lost and an error is raised as it would be without processes. Warnings are passed on.

    Parameters
    ----------
    task : callable
        Takes a part; what it returns can be pickled.
    parts : sequence
        At least one.
    """
    started = [_start(task, part) for part in parts[1:]]
    try:
        results = [task(parts[0])]
        for (_, receiver), part in zip(started, parts[1:], strict=True):
            received = _receive(receiver)
            if received is None:
                results.append(task(part))
                continue
            result, told = received
            results.append(cast(Result, result))
            for message, category in told:
                warnings.warn(message, category, stacklevel=2)
    finally:
        for process, receiver in started:
            receiver.close()
            process.kill()
            process.join()
    return results


def _start(
    task: Callable[[Part], Result], part: Part
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, part, sender), daemon=True)
    with warnings.catch_warnings():  # of threads: those of NumPy's BLAS, which copies know of
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()  # so that a process that dies ends the pipe
    return process, receiver


def _work(task: Callable[[Part], Result], part: Part, sender: Connection) -> None:
    """Send what the task returned, with its warnings; an error sends nothing."""
    with sender, suppress(Exception), warnings.catch_warnings(record=True) as caught:
        result = task(part)
        sender.send((result, [(str(warning.message), warning.category) for warning in caught]))


def _receive(receiver: Connection) -> tuple[object, Told] | None:
    try:
        return cast(tuple[object, Told], receiver.recv()) if receiver.poll(PATIENCE) else None
    except (EOFError, OSError):
        return None
