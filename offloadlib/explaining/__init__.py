"""What prices tell a planner: the worth of limits, and why a device's subtasks are where they are."""

from .run import explain
from .work import Choice, Device, Explanation, Limit, OwnLimit

__all__ = ["Choice", "Device", "Explanation", "Limit", "OwnLimit", "explain"]
