"""Tests of skae."""
