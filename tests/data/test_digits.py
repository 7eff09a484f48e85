"""Times from their digits: equal to those that were written, and none from other letters."""

import numpy as np
import pandas as pd
import pytest

from gwforecast.data.text.stamps import read_fixed_width

FORMS = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+10:00")


@pytest.mark.parametrize("step", ["15min", "1h", "7min", "6h", "D"])
@pytest.mark.parametrize("order", ["whole", "gaps", "mixed"])
def test_times_are_those_that_were_written(step, order):
    rng = np.random.default_rng(len(step) * 10 + len(order))
    times = pd.date_range("2019-12-30", periods=700, freq=step)
    if order == "gaps":  # the clocks of a day then do not repeat after a number of rows
        times = times[np.sort(rng.choice(700, 650, replace=False))]
    if order == "mixed":
        times = times[rng.permutation(700)]
    for form in FORMS:
        made = read_fixed_width(pd.Series(times.strftime(form), dtype="str")).times()
        assert (made == times.to_numpy().astype("datetime64[us]")).all()


@pytest.mark.parametrize("letter", range(19))
@pytest.mark.parametrize("row", [0, 5, 96, 250, 299])
def test_a_letter_among_the_digits_is_no_time(letter, row):
    written = pd.date_range("2019-12-30", periods=300, freq="15min").strftime(FORMS[0]).tolist()
    written[row] = written[row][:letter] + "x" + written[row][letter + 1 :]
    made = read_fixed_width(pd.Series(written, dtype="str"))
    assert made is None or made.times() is None
