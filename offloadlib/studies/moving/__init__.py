"""Devices that move: tasks slot by slot, methods that decide with and without knowing the last slot.

The paper's future work is "a dynamic scenario". This one is ours: :mod:`.world` makes it, :mod:`.policies`
decide in it, :mod:`.study` runs and judges them.
"""
