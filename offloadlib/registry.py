"""Every method of every kind of instances, by its name; and methods that are not the package's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count

from offloadlib import own
from offloadlib.instances.errors import unknown
from offloadlib.instances.kind import KINDS
from offloadlib.kinds import face
from offloadlib.methods import Family, Method, OwnFunction

AnyMethod = str | Method | OwnFunction
"""A name, ``module:function``, a method, or a function of the user's."""

METHODS: Mapping[str, Method] = {method.name: method for kind in KINDS for method in face(kind).methods}
"""Those of the package."""


def find(method: AnyMethod) -> Method:
    """The method of a name, or what makes one of a function.

    Parameters
    ----------
    method
        A name of :data:`METHODS`, or one that an installed package has added (:mod:`.own`);
        ``module:function``; a function ``(instance, budget) -> solution or Result``; or a method already.

    Raises
    ------
    InputError
        If there is none, with the nearest names.
    """
    if isinstance(method, Method):
        return method
    if not isinstance(method, str):
        made = own.of_function(method)
        return replace(made, name=own.full_name(method)) if made.name in METHODS else made
    if method in METHODS:
        return METHODS[method]
    if ":" in method:
        return own.at(method)
    if method in own.names():
        return own.installed(method)
    raise unknown("method", method, [*METHODS, *own.names()])


GROUPS: dict[str, tuple[Family, ...]] = {
    "all": (Family.HEURISTIC, Family.EXACT),
    "heuristics": (Family.HEURISTIC,),
    "exact": (Family.EXACT,),
}


def select(
    methods: Sequence[AnyMethod] | AnyMethod | None = None, kinds: Collection[str] | None = None
) -> list[Method]:
    """The methods of names and groups, each once, in the order given; no two have the same name.

    Parameters
    ----------
    methods
        As for :func:`compare`.
    kinds
        Groups have the methods of :data:`METHODS` that solve instances of one of these kinds; by default all.

    Raises
    ------
    InputError
        If a name is not known, or none is given.
    """
    if isinstance(methods, str):
        methods = methods.split(",")
    elif methods is not None and not isinstance(methods, Sequence):
        methods = [methods]
    chosen: list[Method] = []
    for given in methods or ["all"]:
        name = given.strip() if isinstance(given, str) else given
        families = GROUPS.get(name) if isinstance(name, str) else None
        chosen += (
            [find(name)]
            if families is None
            else [
                method
                for method in METHODS.values()
                if method.family in families and (kinds is None or not method.kinds.isdisjoint(kinds))
            ]
        )
    each: list[Method] = []
    for number, method in enumerate(chosen):
        if method not in chosen[:number]:
            taken = [other.name for other in each]
            names = (f"{method.name} {again}" if again > 1 else method.name for again in count(1))
            name = next(name for name in names if name not in taken)
            each.append(method if name == method.name else replace(method, name=name))
    return each
