"""Tests of ``skae.restoration``."""
