"""The stores that the tools read from, and the servers they are made of."""
