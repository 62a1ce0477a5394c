"""Tests of the benchmarks' data file and of its use in the documentation."""
