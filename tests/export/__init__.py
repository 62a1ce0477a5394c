"""Tests of ``skae.export``."""
