"""What a kind of problems is: all that code for every kind asks of it, and the registry of kinds.

A kind is a folder with a :class:`Kind`, and an entry in :data:`KINDS`.
Its instances and evaluations derive from :class:`AnyInstance` and :class:`AnyEvaluation`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self, cast

import numpy as np

from .arrays import Floats
from .errors import Problem
from .features import Feature

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

    from .files.archive import Archive, Columns, Layout
    from .files.document import Document
    from .files.schema import CertificateFile, InstancePart

HAIR = 1e-12
"""Relative: costs of equal decisions differ by less, added up in another order."""


class Entry(NamedTuple):
    """Where a kind is: ``module:name`` of its :class:`Kind`, and of what the package's face does with it.

    Both are imported when they are needed, the face by the face alone.
    """

    kind: str
    face: str


KINDS: dict[str, Entry] = {
    "structured": Entry("offloadlib.instances.structured.kind:KIND", "offloadlib.kinds.structured:FACE"),
    "hybrid": Entry("offloadlib.instances.hybrid.kind:KIND", "offloadlib.kinds.hybrid:FACE"),
}
"""``kind`` in a file -> where that kind is."""


class Form(Protocol):
    """How the instances of a kind, and their solutions, stand in files: a module with these functions."""

    def document_problems(self, document: Document, /) -> list[Problem]:
        """Every problem of an instance document."""

    def from_document(self, document: Document, /) -> Any:
        """The instance of a document without problems."""

    def from_archive(self, archive: Archive, /) -> Any:
        """The instance of a columnar file; an :class:`InputError` where that has problems."""

    def header_and_columns(self, instance: Any, /) -> tuple[Document, Columns]:
        """The document without its devices, and the devices as columns."""

    def layout(self, header: Document, columns: Columns, /) -> Layout:
        """What the columns look like."""

    def device_documents(self, header: Document, columns: Columns, /) -> Iterator[Document]:
        """The devices as they stand in the document."""

    def fingerprint(self, instance: Any, /) -> str:
        """SHA-256 of the canonical form."""

    def solution_keys(self, solution: Any, instance: Any, /) -> Document:
        """What a solution document has beside the keys of every kind."""

    def decisions(self, solution: Any, instance: Any, /) -> Iterator[tuple[str, list[str | None] | None]]:
        """(device id, places of its tasks) of a solution; None in place of a list: refused."""

    def decision_problems(self, document: Document, instance: Any, /) -> Iterator[Problem]:
        """Where a solution document does not fit the instance."""

    def solution_of(self, document: Document, instance: Any, /) -> Any:
        """The solution of a document without problems."""


class Exact(Protocol):
    """The cost model in exact arithmetic (:mod:`.instances.exact`): a module with these functions."""

    def numbers(self, instance: Any, solution: Any, /) -> Iterator[Floats]:
        """All numbers that costs are made of."""

    def costs(self, instance: Any, solution: Any, arithmetic: Any, /) -> Iterator[Any]:
        """The costs of the devices in some arithmetic, some at a time and in no particular order."""


@dataclass(frozen=True)
class Kind:
    """One kind of problems.

    Parameters
    ----------
    file
        The schema of its instance documents.
    form
        How it stands in files.
    solution
        The class of its solutions.
    all_local
        (instance) -> the solution that offloads nothing.
    evaluate
        (instance, solution) -> :class:`AnyEvaluation`.
    exact
        Its costs in exact arithmetic.
    setting
        The parameters of its generator, a dataclass, ...
    generate
        ... and (setting, seed=, name=, description=) -> instance.
    features
        Those that its instances may have, each with (instance) -> why a method without it cannot solve the
        instance, None where the instance does not have it.
    certificate
        The schema of its certificates, if it has any.
    others
        Schemas of further formats and versions that it has, by name and version.
    """

    file: type[InstancePart]
    form: Form
    solution: type[Any]
    all_local: Callable[[Any], Any]
    evaluate: Callable[[Any, Any], AnyEvaluation]
    exact: Exact
    setting: type[Any]
    generate: Callable[..., Any]
    features: Mapping[Feature, Callable[[Any], str | None]]
    certificate: type[CertificateFile] | None = None
    others: Mapping[str, type[BaseModel]] = field(default_factory=dict)


def kind_named(name: str) -> Kind:
    """A kind of :data:`KINDS`."""
    module, attribute = KINDS[name].kind.split(":")
    found: Kind = getattr(import_module(module), attribute)
    return found


@dataclass(frozen=True, eq=False)
class AnyInstance(ABC):
    """A validated, immutable instance, whatever its kind.

    Instances come from :func:`.instances.read`, a generator or an importer, which validate; the constructor
    itself does not.
    """

    name: str

    kind: ClassVar[str]
    """As in the file, and in :data:`KINDS`."""

    @property
    @abstractmethod
    def num_devices(self) -> int:
        """Number of devices."""

    @property
    @abstractmethod
    def num_points(self) -> int:
        """Number of places to offload to."""

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The devices, in file order; numbers, where a kind has no names for them."""
        return tuple(map(str, range(self.num_devices)))

    @property
    def version(self) -> int:
        """Of the format that can say it."""
        return 1

    @property
    def by_largest(self) -> bool:
        """Whether the objective is the largest of the devices' costs in place of their sum."""
        return False

    @property
    @abstractmethod
    def summary(self) -> str:
        """Its size in words."""

    @property
    def all_local(self) -> Any:
        """The solution that offloads nothing."""
        return kind_named(self.kind).all_local(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical form: equal for files that state the same problem."""
        return kind_named(self.kind).form.fingerprint(self)

    @property
    def features(self) -> frozenset[Feature]:
        """What it has that not every method can deal with."""
        known = kind_named(self.kind).features
        return frozenset(feature for feature, reason in known.items() if reason(self) is not None)

    def beyond(self, supported: Collection[Feature]) -> str | None:
        """Why a method that supports these features alone cannot solve it, or None."""
        known = kind_named(self.kind).features
        reasons = (reason(self) for feature, reason in known.items() if feature not in supported)
        return next((reason for reason in reasons if reason is not None), None)

    def evaluate(self, solution: Any) -> AnyEvaluation:
        """What a solution costs and uses."""
        return kind_named(self.kind).evaluate(self, solution)

    @cached_property
    def local_cost(self) -> Floats:
        """(M,) cost of each device's all-local decision."""
        return self.evaluate(self.all_local).cost

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self.summary}>"


class Use(NamedTuple):
    """What is used of a limit.

    Attributes
    ----------
    name, unit
        What has the limit, and what of.
    used, size
        How much is used, and how much there is.
    common
        Whether it is no single offload point that has it.
    """

    name: str
    unit: str
    used: float
    size: float
    common: bool

    def __str__(self) -> str:
        return f"{self.used:.6g} of {self.size:.6g} {self.unit}"


@dataclass(frozen=True, eq=False, repr=False)
class AnyEvaluation(ABC):
    """What decisions cost and use, whatever the kind.

    Attributes
    ----------
    instance
        What is decided about.
    delay, energy, cost
        (M,) of each device, in file order; the objective adds up the costs.
    """

    instance: AnyInstance
    delay: Floats
    energy: Floats
    cost: Floats

    @property
    @abstractmethod
    def utilisation(self) -> float:
        """Share of what is shared that is in use."""

    @property
    @abstractmethod
    def usage(self) -> str:
        """What is in use, in words."""

    @property
    @abstractmethod
    def violations(self) -> Sequence[object]:
        """Every limit that is broken, to be shown as text; empty for a feasible solution."""

    @property
    def feasible(self) -> bool:
        """Whether all limits are kept."""
        return not self.violations

    @cached_property
    def total(self) -> float:
        """The objective."""
        return math.fsum(self.cost.tolist())

    @cached_property
    def local(self) -> Self:
        """The same of the all-local decision."""
        return cast(Self, self.instance.evaluate(self.instance.all_local))

    @property
    def saving(self) -> float:
        """1 - total/local.total; 0 where all-local costs nothing."""
        return 1.0 - self.total / self.local.total if self.local.total else 0.0

    @property
    def fairness(self) -> float:
        """Jain's index of the devices' savings max(local cost - cost, 0); 1 if none saves anything."""
        return jain(np.maximum(self.local.cost - self.cost, 0.0))

    @property
    def num_refused(self) -> int:
        """Devices that are not served."""
        return 0

    @property
    def num_late(self) -> int:
        """Devices beyond what they have to keep of their own."""
        return 0

    @property
    def uses(self) -> Sequence[Use]:
        """What is used of each limit, where there is more to say than :attr:`usage` does."""
        return ()

    def to_frame(self) -> pd.DataFrame:
        """A row for each device: ``delay``, ``energy``, ``cost``, and ``local_cost``, that of all-local."""
        import pandas as pd

        columns = {"delay": self.delay, "energy": self.energy, "cost": self.cost}
        index = pd.Index(self.instance.device_ids, name="device")
        return pd.DataFrame({**columns, "local_cost": self.local.cost}, index=index)

    def __repr__(self) -> str:
        broken = len(self.violations)
        limits = "all limits kept" if not broken else f"{broken} limit{'s' * (broken > 1)} broken"
        return f"<{type(self).__name__} of {self.instance.name!r}: cost {self.total:.6g}, {limits}>"

    @property
    def worse_off(self) -> int:
        """Devices that cost more than all-local."""
        return int((self.cost > self.local.cost * (1 + HAIR)).sum())


def jain(shares: Floats) -> float:
    """Jain's index of fairness of (M,) shares, none of them negative; 1 if all are 0."""
    largest = shares.max()
    if largest == 0:
        return 1.0
    shares = shares / largest
    return float(shares.sum() ** 2 / (len(shares) * (shares**2).sum()))
