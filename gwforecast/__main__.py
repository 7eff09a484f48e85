"""Let ``python -m gwforecast`` be the command line."""

from gwforecast.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
