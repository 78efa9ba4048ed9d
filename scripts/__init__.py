"""Programs around the project, and what they share."""
