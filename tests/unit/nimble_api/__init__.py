"""Tests of what was promised."""
