"""How files of tables end; nothing is loaded to know it."""

from __future__ import annotations

__all__ = ["PARQUET", "TABLES"]

PARQUET = (".parquet", ".pq")
TABLES = (".csv", ".txt", ".tsv", ".dat", *PARQUET)
