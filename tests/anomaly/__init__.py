"""Tests of ``skae.anomaly``."""
