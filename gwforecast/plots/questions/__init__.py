"""Figures of filled records, scenarios, contributions and trends."""
