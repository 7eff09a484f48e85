"""What a run gives: an evaluation, a backtest."""

from gwforecast.runs.results.backtest import Backtest, Origins, StatusForecast, Verification
from gwforecast.runs.results.evaluation import Evaluation

__all__ = ["Backtest", "Evaluation", "Origins", "StatusForecast", "Verification"]
