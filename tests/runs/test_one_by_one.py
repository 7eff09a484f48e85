"""Work on wells together and, where that fails, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gwforecast.runs.outcomes import (
    Attempt,
    one_by_one,
    outcome_rows,
    outcome_table,
    select_wells,
    together_or_one_by_one,
    warn_of_failures,
)

WELLS = ["a", "bad", "c"]


class Work:
    """Returns the names of wells; fails at ``bad``; remembers what it was called with."""

    def __init__(self, error: type[Exception] = ValueError) -> None:
        self.calls: list[list[str]] = []
        self.error = error

    def __call__(self, wells: list[str]) -> str:
        self.calls.append(wells)
        if "bad" in wells:
            raise self.error(f"bad among {len(wells)}")
        return "+".join(wells)


def test_good_wells_are_worked_on_once_and_together() -> None:
    work = Work()
    attempt = together_or_one_by_one(work, ["a", "c"])
    assert work.calls == [["a", "c"]]
    assert attempt == Attempt([(["a", "c"], "a+c")])
    assert attempt.require().results == ["a+c"]


def test_only_the_faulty_well_fails() -> None:
    work = Work()
    attempt = together_or_one_by_one(work, WELLS)
    assert work.calls == [WELLS, ["a"], ["bad"], ["c"]]
    assert attempt.results == ["a", "c"]
    assert attempt.reasons == {"bad": "ValueError: bad among 1"}
    assert str(attempt.first_error) == "bad among 3"


def test_a_single_well_is_tried_once() -> None:
    work = Work()
    attempt = together_or_one_by_one(work, ["bad"])
    assert work.calls == [["bad"]]
    with pytest.raises(ValueError, match="bad among 1"):
        attempt.require()


def test_wells_that_cannot_be_divided_fail_together() -> None:
    work = Work()
    attempt = together_or_one_by_one(work, WELLS, divisible=False)
    assert work.calls == [WELLS]
    assert list(attempt.failed) == WELLS
    assert not attempt.done


def test_other_errors_are_raised() -> None:
    with pytest.raises(KeyError):
        together_or_one_by_one(Work(KeyError), WELLS, errors=ValueError)
    with pytest.raises(KeyError):
        one_by_one(Work(KeyError), WELLS, errors=(ValueError, OSError))


def test_all_wells_are_selected_without_a_copy() -> None:
    observations = xr.Dataset({"level": (("well", "time"), np.zeros((2, 3)))}, {"well": ["a", "b"]})
    assert select_wells(observations, ["a", "b"]) is observations
    assert select_wells(observations, ["b"])["well"].values.tolist() == ["b"]


def test_failures_come_first_in_the_outcomes_and_are_reported_once() -> None:
    table = outcome_table(outcome_rows("linear", ["a", "b"], {"b": "no rain"}))
    assert table.to_dict("list") == {
        "model": ["linear", "linear"],
        "well": ["b", "a"],
        "status": ["failed", "ok"],
        "reason": ["no rain", ""],
    }
    with pytest.warns(
        UserWarning, match="'linear' failed at well 'b': no rain. So did 1 more well[.]"
    ):
        warn_of_failures("linear", {"b": "no rain", "c": "no level"})
    warn_of_failures("linear", {})
