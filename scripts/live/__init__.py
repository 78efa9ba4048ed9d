"""Checks against a real bucket, opt-in."""
