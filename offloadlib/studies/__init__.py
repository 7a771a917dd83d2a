"""Studies: many solves, kept row by row, and a page that says what they show.

A study is one module here (in a folder of its own where it is large) and one line below. The module has

- ``TITLE``, and ``REPETITIONS`` (how many by default) and ``QUICK_REPETITIONS``;
- ``stages(options)``, a generator that yields lists of jobs and is sent the rows of each list, in its
  order: most studies yield once, a search yields what its last rows suggest;
- ``report(options, rows)``, what the page says, from the rows of all jobs by key.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from offloadlib.methods import Method
    from offloadlib.pages.page import Page

    from .graphs import StudyInstance
    from .jobs import Job

StudyRow = dict[str, Any]
"""What came of a job, as JSON holds it: see :func:`.runner.perform`."""

Stages = Generator["Sequence[Job]", Sequence[StudyRow], None]

STUDIES: Mapping[str, str] = {
    "paper": "offloadlib.studies.paper.study",
    "ddto": "offloadlib.studies.ddto.study",
    "ratios": "offloadlib.studies.ratios",
    "adversary": "offloadlib.studies.adversary.study",
    "limits": "offloadlib.studies.limits",
    "moving": "offloadlib.studies.moving.study",
}
"""The module of each study."""


COMPARING = frozenset({"ratios", "limits"})
"""Studies that take methods of the user's beside their own."""

TAKING = frozenset({"ratios"})
"""Studies that take instances and task graphs of the user's in place of their own instances."""


@dataclass(frozen=True)
class StudyOptions:
    """What a study may be told.

    Parameters
    ----------
    quick
        A first look in minutes.
    repetitions
        Instances per setting.
    seed
        For everything random.
    methods
        Of the user's, beside the study's own (:data:`COMPARING`).
    given
        Instances of the user's (:data:`TAKING`).
    """

    quick: bool = False
    repetitions: int = 30
    seed: int = 0
    methods: tuple[Method, ...] = ()
    given: tuple[StudyInstance, ...] = ()


class Study(Protocol):
    """What the module of a study has."""

    TITLE: str
    REPETITIONS: int
    QUICK_REPETITIONS: int

    def stages(self, options: StudyOptions) -> Stages:
        """The jobs, list by list."""

    def report(self, options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
        """What the rows show."""


def find(name: str) -> Study:
    """The study of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest names.
    """
    # Not above: the command line knows this package before it runs.
    from offloadlib.instances.errors import unknown

    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return cast(Study, import_module(STUDIES[name]))
