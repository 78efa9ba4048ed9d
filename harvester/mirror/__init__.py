"""From a listing to a truthful local copy."""
