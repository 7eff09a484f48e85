"""Judgement: metrics, scores, skill, drift."""

from gwforecast.verification import metrics as metrics
