"""Many wells: partition the work, join the results."""
