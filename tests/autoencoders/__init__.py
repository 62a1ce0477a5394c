"""Tests of ``skae.autoencoders``."""
