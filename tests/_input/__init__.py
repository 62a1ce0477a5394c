"""Tests of ``skae._input``."""
