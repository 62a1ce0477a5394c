"""Training: from checked rows to a fitted network."""
