"""Tests of ``skae.datasets``."""
