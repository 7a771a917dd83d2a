"""Fronts: the least of one thing for each amount of another, each point with a certified bound."""
