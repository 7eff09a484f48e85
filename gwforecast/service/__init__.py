"""Scheduled forecasts: train, issue, archive and verify."""
