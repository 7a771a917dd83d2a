from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from ..certificate import claim
@dataclass(frozen=True)
class Branch:
    device: int
    task: int
    place: int
    equal: int
    different: int
Node = Branch | float
@dataclass(frozen=True)
class Certificate:
    lower_bound: float
    nodes: Sequence[Node]
