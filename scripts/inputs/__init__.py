"""Generated deliveries and event messages."""
