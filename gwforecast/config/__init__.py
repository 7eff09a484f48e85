"""Settings: TOML and options to validated settings."""
