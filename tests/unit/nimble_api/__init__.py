"""Tests of the Nimble API client."""
