"""Forecasters that need no neural network, one file each."""
