"""Devices that move: tasks slot by slot, methods that decide with and without knowing the last slot.

The paper's future work is "a dynamic scenario". This one is ours: :mod:`.world` makes it, :mod:`.policies`
decide in it, :mod:`.runs` has what the study runs, :mod:`.study` judges them.
"""

from .policies import Course, Policy, budgets, followed, within_energy
from .world import Moving, horizon, moves, rows_of, slots_of, sticky

__all__ = [
    "Course",
    "Moving",
    "Policy",
    "budgets",
    "followed",
    "horizon",
    "moves",
    "rows_of",
    "slots_of",
    "sticky",
    "within_energy",
]
