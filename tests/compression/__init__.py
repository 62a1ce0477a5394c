"""Tests of ``skae.compression``."""
