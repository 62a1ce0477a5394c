"""Tests of ``skae.displays``."""
