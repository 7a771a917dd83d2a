"""What the paper leaves open: other ranges of what is drawn, and other readings of what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from offloadlib.methods import Method
from offloadlib.registry import METHODS

from ..certified import OPTIMUM as CERTIFIED
from .literal import LITERAL

BTOD, GAOD, GSOD1, GSOD2, LOCAL, OPTIMUM = "btod-sequential", "gaod", "gsod-i", "gsod-ii", "local", "optimum"
PLAIN = "btod-sequential-plain"
"""BTOD's decisions by enumeration, as the paper has it: its times are those that the paper speaks of."""
HEAP = "gsod-i-heap"
FOUR = (BTOD, GSOD1, GSOD2, GAOD)


class Unsaid(StrEnum):
    """What of the paper a variation changes."""

    RANGE = "range"
    READING = "reading"


@dataclass(frozen=True)
class Variation:
    """One thing otherwise than everywhere else.

    Parameters
    ----------
    name
        What it is.
    what
        A range of what is drawn, or a reading.
    changes
        Of the setting; then all methods run again.
    parameters
        Of methods; then these run again.
    methods
        Others in the place of these.
    """

    name: str
    what: Unsaid
    changes: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)

    def runs(self, name: str) -> tuple[Method, Mapping[str, Any]] | None:
        """The method that stands for one of this name, and its parameters; None: as everywhere else."""
        if name not in self.parameters and not self.changes:
            return None
        method = self.methods.get(name) or METHODS.get(name, CERTIFIED)
        return method, self.parameters.get(name, {})

    @property
    def lacks(self) -> frozenset[str]:
        """Methods that there are not, in this reading."""
        literal = any(method in LITERAL.values() for method in self.methods.values())
        return frozenset({OPTIMUM, GAOD} if literal else ())


def _range(name: str, **changes: Any) -> Variation:
    return Variation(name, Unsaid.RANGE, changes)


def _reading(name: str, **parameters: Mapping[str, Any]) -> Variation:
    return Variation(
        name, Unsaid.READING, parameters={key.replace("_", "-"): v for key, v in parameters.items()}
    )


_FIRST, _LAYERS = {"connected_first": True}, {"by_structure": True}

VARIATIONS = (
    Variation("as everywhere else", Unsaid.RANGE),
    # Normalised costs do not change where work and data are scaled together.
    _range("half the work: U[0.5, 1.5] MI", work=(0.5, 1.5)),
    _range("twice the work: U[2, 6] MI", work=(2.0, 6.0)),
    _range("all the same work: 2 MI", work=(2.0, 2.0)),
    _range("work of wider range: U[0.2, 3.8] MI", work=(0.2, 3.8)),
    _range("all the same data: 0.6 Mbit", input=(0.6, 0.6), output=(0.6, 0.6)),
    _range("data of wider range: U[0, 1.2] Mbit", input=(0.0, 1.2), output=(0.0, 1.2)),
    _range("alpha 0: energy alone", alpha=(0.0, 0.0)),
    _range("alpha 0.5 for all", alpha=(0.5, 0.5)),
    _range("alpha 1: delay alone", alpha=(1.0, 1.0)),
    _range("costs not normalised", normalise="none"),
    Variation(
        "the connected point first (3.1)",
        Unsaid.READING,
        parameters={BTOD: _FIRST, GSOD1: _FIRST, GSOD2: _FIRST, GAOD: _FIRST},
        methods={BTOD: METHODS[PLAIN]},
    ),
    _reading("layers by structure", gsod_i=_LAYERS, gsod_ii=_LAYERS),
    Variation("channels: 3 at each point", Unsaid.READING, {"channels": 3}),
    Variation(
        "k - 1 taken literally",
        Unsaid.READING,
        parameters={name: {"predecessor": "k - 1"} for name in LITERAL},
        methods=LITERAL,
    ),
    _reading("GAOD: (8) as printed for one gene", gaod={"literal_mutation": True}),
    _reading("GAOD: (8) as printed per gene", gaod={"literal_mutation": True, "every_gene": True}),
    _reading("GAOD: a gene's share of the cost, per gene", gaod={"every_gene": True}),
    _reading("GAOD: mutation 0.02", gaod={"mutation": 0.02}),
    _reading("GAOD: mutation 0.5", gaod={"mutation": 0.5}),
    _reading("GAOD: all 325 iterations", gaod={"patience": 325}),
)
