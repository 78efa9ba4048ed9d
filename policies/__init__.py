"""What a policy means: documents in, documents out; no network, no disk of its own, no terminal."""
