"""Judgement: metrics, scores by period, lead time and issue, skill, tests, status and drift."""

from gwforecast.verification import metrics as metrics
from gwforecast.verification import probabilistic as probabilistic  # enters its metrics
