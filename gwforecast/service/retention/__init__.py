"""Keeping an archive for years: rolled up, pruned, backed up, and its head kept elsewhere."""
