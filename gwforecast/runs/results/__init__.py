"""What a run gives: an evaluation, a backtest, a search."""

from gwforecast.runs.results.backtest import Backtest, Origins, StatusForecast, Verification
from gwforecast.runs.results.evaluation import Evaluation
from gwforecast.runs.results.tuning import Tuning, ranked

__all__ = [
    "Backtest",
    "Evaluation",
    "Origins",
    "StatusForecast",
    "Tuning",
    "Verification",
    "ranked",
]
