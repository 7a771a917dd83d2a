"""What the face of the package does with each kind of instances.

A kind is an entry in :data:`offloadlib.instances.kind.KINDS`; that names its :class:`Face`, a module here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from offloadlib.formulations.catalogue import imported
from offloadlib.instances import AnyInstance, InputError
from offloadlib.instances.features import FORMAT_1, FORMAT_2
from offloadlib.instances.kind import KINDS
from offloadlib.methods import Family, Method

NONE, SEED, GAP = frozenset[str](), frozenset({"seed"}), frozenset({"gap"})
SEARCHED = frozenset({"gap", "seed", "threads"})
"""What methods have a use for (:attr:`.methods.Method.uses`)."""


@dataclass(frozen=True)
class Face:
    """What the face does with one kind; functions are named as ``module:function``, imported when used.

    Parameters
    ----------
    methods
        Those that solve its instances.
    first
        The heuristic whose solution exact methods start from: it takes milliseconds.
    tried
        The methods by which best known values are sought, in this order, each from the best solution so
        far.
    prover
        The method that makes certificates, by its name (empty: there is none), ...
    prove
        ... its function (instance, solution, budget) -> proof, which has ``certificate`` (with its claim,
        ``lower_bound``), ``nodes`` and ``termination``, ...
    prove_below
        ... the same, (limit, instance, solution, budget), of the solutions in which no device costs more;
        empty: there is none, ...
    write_certificate
        ... and (certificate, instance, path), which writes one.
    misses
        (instance, late) -> {device: why no decision can serve it, even alone}, which raises
        :class:`~.instances.run.OutOfTime` if it is late; empty: nothing tells.
    pictures
        (title, stem, instance, found) -> pictures of the solutions that methods have found, and sentences,
        see :class:`.pictures.picture.Compared`; empty: there are none.
    explain, draw_explanation
        What makes an :class:`.explaining.Explanation`, and draws it; empty: nothing does.
    making
        What its generator makes, in a line, ...
    generate
        ... and the command for it, where :func:`.cli.making.generator` is not enough.
    """

    methods: tuple[Method, ...]
    first: str
    tried: tuple[str, ...]
    prover: str = ""
    prove: str = ""
    prove_below: str = ""
    write_certificate: str = ""
    misses: str = ""
    pictures: str = ""
    explain: str = ""
    draw_explanation: str = ""
    making: str = "Make a random instance."
    generate: str = ""

    @property
    def start(self) -> Method:
        """The method that is called :attr:`first`."""
        return next(method for method in self.methods if method.name == self.first)

    def function(self, name: str) -> Callable[..., Any]:
        """One of the functions, imported."""
        found: Callable[..., Any] = imported(getattr(self, name))
        return found


LOCAL = Method(
    "local",
    "offloadlib.heuristics.local:solve",
    Family.HEURISTIC,
    "everything on its own device",
    "section 5; Wu et al. 2020 (local only)",
    kinds=frozenset(KINDS),
    supports=FORMAT_1 | FORMAT_2,
    uses=NONE,
    scheme=True,
)


def face(kind: str) -> Face:
    """What there is for a kind of :data:`offloadlib.instances.kind.KINDS`."""
    found: Face = imported(KINDS[kind].face)
    return found


def only(instance: AnyInstance, kinds: Iterable[str], command: str) -> Any:
    """The instance, for a command that is for some kinds alone.

    Raises
    ------
    InputError
        If it is not of these kinds.
    """
    if instance.kind not in kinds:
        what = f"is for {', '.join(kinds)} instances, not {instance.kind} ones"
        raise InputError(command, [("", what)])
    return instance
