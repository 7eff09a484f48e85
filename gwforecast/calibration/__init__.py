"""Prediction intervals, and corrections of simulations with recent errors."""
