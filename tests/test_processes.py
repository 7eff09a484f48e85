"""Parts that are worked on in copies of the process: nothing is lost, and results are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import pytest

from gwforecast import processes
from gwforecast.processes import count_processes, map_in_processes

HERE = os.getpid()


def _asked(script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


@pytest.fixture(autouse=True)
def _linux() -> None:
    if sys.platform != "linux":
        pytest.skip("processes are copied on Linux only")


def test_parts_are_worked_on_apart_and_come_back_in_order() -> None:
    found = map_in_processes(lambda part: (part * 10, os.getpid()), [1, 2, 3])
    assert [value for value, _ in found] == [10, 20, 30]
    assert found[0][1] == HERE
    assert HERE not in {number for _, number in found[1:]}


def test_a_process_that_is_killed_costs_nothing() -> None:
    def task(part: int) -> int:
        if part == 2 and os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    with pytest.warns(RuntimeWarning, match="One of them was killed"):
        assert map_in_processes(task, [1, 2, 3]) == [1, 2, 3]


def test_a_process_that_does_not_end_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 1.0)

    def task(part: int) -> int:
        if part == 2 and os.getpid() != HERE:
            time.sleep(600)
        return part

    with pytest.warns(RuntimeWarning, match="One of them did not end"):
        assert map_in_processes(task, [1, 2, 3]) == [1, 2, 3]


def test_an_error_is_raised_as_without_processes() -> None:
    def task(part: int) -> int:
        if part == 2:
            raise ValueError(f"part {part}")
        return part

    with pytest.raises(ValueError, match="part 2"):
        map_in_processes(task, [1, 2])


def test_what_can_not_be_sent_is_made_here() -> None:
    def task(part: int) -> Callable[[], int]:
        return lambda: part

    assert [made() for made in map_in_processes(task, [1, 2])] == [1, 2]


def test_warnings_are_passed_on() -> None:
    def task(part: int) -> int:
        warnings.warn(f"part {part}", UserWarning, stacklevel=1)
        return part

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        map_in_processes(task, [1, 2])
    assert sorted(str(warning.message) for warning in told) == ["part 1", "part 2"]


def test_an_error_here_leaves_no_process_behind() -> None:
    script = (
        "import os, time, subprocess\n"
        "from gwforecast.processes import map_in_processes\n"
        "def task(part):\n"
        "    if part == 1: raise ValueError\n"
        "    time.sleep(600)\n"
        "try:\n    map_in_processes(task, [1, 2])\n"
        "except ValueError:\n"
        "    import multiprocessing\n"
        "    print(len(multiprocessing.active_children()))\n"
    )
    assert _asked(script) == ["0"]


def test_processes_are_as_many_as_the_work_is_worth() -> None:
    count = "from gwforecast.processes import count_processes as c\n"
    ask = "print(c(39, least=20, most=4), c(40, least=20, most=4), c(999, least=20, most=4))\n"
    assert _asked(count + ask) == ["1", "2", "4"]
    threaded = "import threading, time\nthreading.Thread(target=time.sleep, args=(3,)).start()\n"
    assert _asked(count + threaded + ask) == ["1", "1", "1"]


def test_beside_tensorflow_there_is_one() -> None:
    import tensorflow as tf  # noqa: F401

    assert count_processes(1000, least=1) == 1
