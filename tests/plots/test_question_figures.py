"""Figures of the next questions: what they draw is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from gwforecast import plots


def lines_of(ax) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in ax.lines}


def test_filled_levels_are_drawn_in_gaps_alone_and_meet_the_record(make) -> None:
    lines = lines_of(plots.filled_record(make["filled"]()))
    drawn = np.isfinite(lines["filled"])
    assert np.flatnonzero(drawn).tolist() == list(range(99, 121))
    assert not np.isfinite(lines["observed"][100:120]).any()


def test_a_scenario_shows_the_difference(make) -> None:
    above, below = plots.scenario(make["changed"](make["filled"]()))
    assert np.allclose(lines_of(below)["dry"], -0.5)
    assert np.allclose(lines_of(above)["reference"] - lines_of(above)["dry"], 0.5)


def test_contributions_are_stacked_and_their_sum_is_drawn(make) -> None:
    _, below = plots.contributions(make["explained"]())
    wave = np.sin(np.arange(400) / 8)
    assert np.allclose(lines_of(below)["sum of contributions"], wave - 0.5)


def test_the_trend_line_has_the_slope(make) -> None:
    above, below = plots.trend(*make["declining"]())
    line = lines_of(above)["trend"]
    assert (line[-1] - line[0]) / (399 * 7 / 365.25) == pytest.approx(-0.1)
    assert any("shift of \N{MINUS SIGN}0.30 m" in label for label in lines_of(below))


def test_projections_show_their_median(make) -> None:
    lines = lines_of(plots.projections(make["projected"]()))
    assert np.allclose(lines["median"] - lines["a projection"], 1.0)
