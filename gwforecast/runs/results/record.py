"""What the record of a run says of its result."""

from __future__ import annotations

import pandas as pd

from gwforecast.sequences.split import Split

__all__ = ["split_and_outcomes"]


def split_and_outcomes(split: Split, outcomes: pd.DataFrame) -> dict[str, object]:
    """Return periods and outcomes as plain values."""
    return {
        "split": split.to_frame().to_dict("records"),
        "outcomes": outcomes.to_dict("records"),
    }
