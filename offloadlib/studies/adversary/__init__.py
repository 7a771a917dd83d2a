"""A search for instances on which heuristics are bad."""
