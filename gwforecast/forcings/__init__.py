"""Weather after the issue time: observed, forecast, climatological or changed by a scenario."""
