"""Conductors: the only modules that touch disk, clock and processes."""
