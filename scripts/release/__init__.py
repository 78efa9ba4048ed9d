"""Check what is published: the wheel with and without its extras, and the source distribution."""
