"""Programs for work on the project; the servers among them also serve the tests."""
