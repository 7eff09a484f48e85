"""What was measured: readers, samples, quality, derived covariates."""
