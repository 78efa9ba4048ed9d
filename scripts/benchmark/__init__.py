"""Measure sync against the tools people use otherwise."""
