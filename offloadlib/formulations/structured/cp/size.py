"""How large a program of CP-SAT becomes, before it is made; without OR-Tools, which takes long to import."""

from __future__ import annotations

from offloadlib.instances import Instance

from ..milp.size import Size, potentials, too_large


def obstacle(instance: Instance) -> str | None:
    """None, or why the program of all places would take too much memory."""
    return too_large(instance, potentials, models=0, in_solver=Size.in_cpsat)
