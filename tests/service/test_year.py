"""Days of scheduled runs with late, revised, missing and wrong data (``benchmarks/year.py``)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_every_label_is_right_and_every_issue_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    year = importlib.import_module("year")
    monkeypatch.setattr(year, "YEARS", 0.1)
    rows = year.run(tmp_path, days=30, models=("linear",))
    sys.modules.pop("kills", None)
    assert [row for row in rows[:3] if row[2]] == []
