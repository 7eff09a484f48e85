"""Forecasters: neural, statistical and naive."""
