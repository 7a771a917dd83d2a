"""Heuristics for the hybrid problem."""
