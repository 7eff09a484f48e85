"""Scheduled forecasts: train, issue, archive, verify."""
