"""Let ``python -m gwforecast`` be the command line."""

from __future__ import annotations

from gwforecast.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
