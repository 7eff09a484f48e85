"""Splits, issue times, scales, windows and lags: which data a model may use, and when."""
