"""Sections of the page that are measured in a way of their own."""
