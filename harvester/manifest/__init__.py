"""The durable state of a destination."""
