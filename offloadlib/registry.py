"""Every method of every kind of instances, by its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from offloadlib.instances.errors import unknown
from offloadlib.instances.kind import KINDS
from offloadlib.kinds import face
from offloadlib.methods import Family, Method

METHODS: Mapping[str, Method] = {method.name: method for kind in KINDS for method in face(kind).methods}


def find(name: str) -> Method:
    """The method of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest names.
    """
    if name in METHODS:
        return METHODS[name]
    raise unknown("method", name, METHODS)


GROUPS: dict[str, tuple[Family, ...]] = {
    "all": (Family.HEURISTIC, Family.EXACT),
    "heuristics": (Family.HEURISTIC,),
    "exact": (Family.EXACT,),
}


def select(
    methods: Sequence[str | Method] | str | None = None, kinds: Collection[str] | None = None
) -> list[Method]:
    """The methods of names and groups, each once, in the order given.

    Parameters
    ----------
    methods
        As for :func:`compare`.
    kinds
        Groups have the methods that solve instances of one of these kinds; by default all.

    Raises
    ------
    InputError
        If a name is not known, or none is given.
    """
    names: Sequence[str | Method] = methods.split(",") if isinstance(methods, str) else methods or ["all"]
    chosen: dict[str, Method] = {}
    for name in names:
        if isinstance(name, Method):
            chosen[name.name] = name
        elif name.strip() in GROUPS:
            families = GROUPS[name.strip()]
            chosen |= {
                method.name: method
                for method in METHODS.values()
                if method.family in families and (kinds is None or not method.kinds.isdisjoint(kinds))
            }
        else:
            method = find(name.strip())
            chosen[method.name] = method
    return list(chosen.values())
