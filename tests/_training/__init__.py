"""Tests of ``skae._training.early_stopping``."""
