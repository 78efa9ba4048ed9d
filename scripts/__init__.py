"""Programs for those who work on the project, and what they share; the servers among them also serve the tests."""
