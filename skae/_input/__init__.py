"""Input: X, targets and weights are validated, and read in chunks and batches."""
