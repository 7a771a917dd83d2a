"""The exact side of the hybrid problem: its dual, its MILP and its certificates."""
