"""Programs that do one part of the work and nothing else: what a measurement is compared with."""
