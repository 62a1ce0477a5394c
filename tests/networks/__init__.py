"""Tests of ``skae.networks``."""
