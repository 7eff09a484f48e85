"""Weather after the issue time, and where it comes from."""
