"""Keeping scheduled runs in order: sealed files, repair, and reports for monitors."""
