"""Writing a proof: one file format for all kinds, which the independent checker reads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from offloadlib.instances import AnyInstance
from offloadlib.instances.files.document import replacing

from .nodes import Certificate, Divided, Enumeration

LONGEST = 100
"""Characters of a number in a certificate; the duals of linear programs can be as small as 1e-300."""

DIGITS = 15
"""Of a claim: every decimal number of so many is one in binary64, and comes back as it was."""

Record = dict[str, Any]
"""A JSON object."""


def write_proof(
    certificate: Certificate[Any],
    instance: AnyInstance,
    path: str | Path,
    prices: Callable[[Any], Record],
    branch: Callable[[Any], Record],
    cuts: Sequence[Record] = (),
    beside: Callable[[Any], Record] = lambda _: {},
    **header: Any,
) -> None:
    """Write a certificate, a node a line; what was there stays if that fails.

    Parameters
    ----------
    certificate, instance, path
        What to write, what it is about, and where to.
    prices, branch
        What the kind of the instance calls those of a leaf, and of a node that is divided.
    cuts
        Those that prices may be on.
    beside
        What else a leaf says.
    **header
        What the kind adds to the head of the file.

    Raises
    ------
    InputError
        If the file cannot be written.
    """

    def record(node: Any) -> Record:
        if isinstance(node, Divided):
            return {"branch": branch(node.branch), "equal": node.equal, "different": node.different}
        if isinstance(node, Enumeration):
            return {"patterns": prices(node.at), "below": node.below}
        return {"prices": prices(node), **beside(node)}

    infeasible = certificate.lower_bound == math.inf
    head: Record = {
        "format": "offloadlib-certificate",
        "version": instance.version,
        "instance": {"name": instance.name, "sha256": instance.fingerprint},
        **({"claim": "infeasible"} if infeasible else {"lower_bound": _floor(certificate.lower_bound)}),
        **header,
    }
    text = json.dumps(head, indent=1)[:-2]
    for key, records in (("cuts", cuts), ("nodes", map(record, certificate.nodes))):
        lines = ",\n  ".join(map(json.dumps, records))
        if lines:
            text += f',\n "{key}": [\n  {lines}\n ]'
    with replacing(path) as file:
        file.write(f"{text}\n}}\n".encode())


def decimals(values: Mapping[str, float]) -> dict[str, str]:
    """The positive ones of some prices, in decimal digits, few enough for the checker."""
    return {name: decimal(value) for name, value in values.items() if value > 0}


def decimal(value: float) -> str:
    """A number in decimal digits, few enough for the checker where there are such."""
    plain = f"{Decimal(repr(value)):f}"
    return plain if len(plain) <= LONGEST else repr(value)


def _floor(value: float) -> str:
    """A claim, rounded downwards."""
    exact = Decimal(value)
    digits = Decimal(1).scaleb(exact.adjusted() - (DIGITS - 1))
    return f"{exact.quantize(digits, rounding=ROUND_FLOOR):f}"
