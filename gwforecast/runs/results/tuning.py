"""The result of a hyperparameter search."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gwforecast.runs.results.shown import Result
from gwforecast.verification.metrics import METRICS

__all__ = ["Tuning", "ranked"]


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(Result):
    """The result of a hyperparameter search.

    Parameters
    ----------
    model : str
        The model whose hyperparameters were searched.
    metric : str
        The metric that was optimised in the validation period.
    best : dict of str to object
        Settings of the best complete trial, including the fixed ones, for
        ``evaluate(..., settings={model: best})``.
    value : float
        Its score, the mean over the wells.
    trials : pandas.DataFrame
        Columns number, state (``"complete"``, ``"pruned"``, ``"failed"``), value (of the members
        that were trained), seconds, reason, and one for each searched setting.
    paths : dict of str to pathlib.Path
        The files written, by their names in the folder.
    seconds : dict of str to float
        Duration of the search.
    space : dict of str to list
        Range of each searched setting.
    n : int
        Number of levels of the validation period that each trial is scored on.
    """

    model: str
    metric: str
    best: dict[str, Any]
    value: float
    trials: pd.DataFrame
    paths: dict[str, Path] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    space: dict[str, list[Any]] = field(default_factory=dict)
    n: int = 0

    def title(self) -> str:
        """Return model, number of trials and the best score in one line."""
        return (
            f"Search of {self.model!r}: {len(self.trials)} trials, best {self.metric} of the "
            f"validation period {self.value:.3f} (n = {self.n}), with {self.best}"
        )

    def summary(self) -> pd.DataFrame:
        """Return the five best trials, with their settings."""
        return ranked(self).head(5).drop(columns=["reason"]).set_index("number")

    def to_dataframe(self) -> pd.DataFrame:
        """Return all trials, from best to worst."""
        return ranked(self)

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the score of each trial, see :func:`gwforecast.plots.tuning`.

        In given axes only the trials are drawn, and not the score by setting.
        """
        from gwforecast import plots

        axes = None if ax is None else [ax]
        space = {} if ax is not None else self.space
        return plots.tuning(
            self.trials, space=space, metric=self.metric, model=self.model, axes=axes
        )[0]

    def entries(self) -> dict[str, object]:
        """Return the numbers of trials by state and the best one, for the record of the search."""
        return {
            "trials": self.trials["state"].value_counts().to_dict(),
            "best": {"value": self.value, "settings": self.best},
            "n": self.n,
        }


def ranked(tuning: Tuning) -> pd.DataFrame:
    """Return the trials of a search from best to worst: complete, then pruned, then failed ones."""
    order = {"complete": 0, "pruned": 1, "failed": 2}
    sign = -1 if METRICS[tuning.metric].larger_is_better else 1
    keys = tuning.trials.assign(state=tuning.trials["state"].map(order))
    keys["value"] = sign * keys["value"]
    return tuning.trials.loc[keys.sort_values(["state", "value", "number"]).index]
