"""Single wells of a scheduled forecast: gates, acknowledged changes, and their weather forecast."""
