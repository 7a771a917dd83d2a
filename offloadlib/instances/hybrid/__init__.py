"""The hybrid problem: independent tasks on the device, at the edge or in the cloud, and a shared uplink.

The modules build on each other in this order: ``model`` (frozen data) - ``solution`` - ``cost`` (what
decisions cost) - ``split`` (the best shares of the uplink for given decisions) - ``forms`` (between files
and data) - ``frames`` (many draws of sizes for one system). ``enumeration`` looks at every decision of a
tiny instance, ``generate`` makes new ones. What the model takes from its source, and what is this
project's own, is in ``docs/theory/hybrid.md``.
"""

from .cost import HybridEvaluation, Loads, device_costs, evaluate, loads
from .frames import Frames, read_frames, write_frames
from .generate import HybridSetting, generate_frames
from .model import CLOUD, DEVICE, EDGE, HybridInstance, Parameters
from .solution import HybridSolution
from .split import best_split, costs, equal_split, with_best_split

__all__ = [
    "CLOUD",
    "DEVICE",
    "EDGE",
    "Frames",
    "HybridEvaluation",
    "HybridInstance",
    "HybridSetting",
    "HybridSolution",
    "Loads",
    "Parameters",
    "best_split",
    "costs",
    "device_costs",
    "equal_split",
    "evaluate",
    "generate_frames",
    "loads",
    "read_frames",
    "with_best_split",
    "write_frames",
]
