"""What was measured: readers, covariates, samples."""
