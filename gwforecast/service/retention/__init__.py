"""Keeping an archive for years: rolled up by year, pruned, backed up, and its head kept elsewhere."""
