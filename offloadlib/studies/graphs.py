"""Instances and task graphs in files, as the instances of a study.

An instance is taken as it is. A task graph becomes several: all of :data:`DEVICES` devices run it, each with
work and data of its own, and places are scarce to three degrees (:data:`PLACES`). Repetition r has seed
``seed + r``, and means of data in turn (:data:`MEAN_DATA`), so that graphs differ in all that may matter.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from offloadlib.comparing.cases import stem_of
from offloadlib.instances import InputError, Instance, read
from offloadlib.instances.errors import OtherFile
from offloadlib.instances.files.document import read_bytes
from offloadlib.instances.importers import FORMATS, DagbenchSetting, import_graphs
from offloadlib.shelf import located

REPETITIONS, QUICK_REPETITIONS = 3, 1

DEVICES, OFFLOAD_POINTS = 10, 5
PLACES, QUICK_PLACES = (0.25, 0.5, 1.0), (0.5,)
"""Places for so many of all subtasks."""
MEAN_DATA = (0.6, 0.2, 1.8)
"""Mbit of a mean transfer, beside a mean work of 2 MI."""
VARIATION = 0.2
"""Half the width of the range of each device's factors of work and data."""

_INSTANCES = (".json", ".zip")
_BY_ENDING = {
    ending: name for name, format in FORMATS.items() for ending in format.endings if ending != ".json"
}
_BY_KEY = {"task_graph": "dagbench", "workflow": "wfformat"}
"""What tells JSON files of task graphs from others: a key at the top."""


@dataclass(frozen=True)
class StudyInstance:
    """An instance of a study, under a name of its own.

    Attributes
    ----------
    name
        Fit for a file.
    family
        The folder of its file, and what the file's name has before the first ``-``.
    instance
        The instance, which has that name.
    """

    name: str
    family: str
    instance: Instance


def cases(
    files: Sequence[str | Path], repetitions: int, seed: int, quick: bool = False
) -> list[StudyInstance]:
    """All instances of files, and of all files in folders and below; repetition by repetition.

    Parameters
    ----------
    files
        Instances, task graphs in any format (:data:`~offloadlib.instances.importers.FORMATS`), folders, and
        names of the library. What is something else in a folder is left out; instances of other kinds of
        problems are left out with a warning.
    repetitions
        Of each task graph.
    seed
        Of the first one.
    quick
        One degree of scarcity.

    Raises
    ------
    InputError
        If a file cannot be read, or no instance is left.
    """
    taken: set[str] = set()
    found: list[tuple[int, StudyInstance]] = []
    for path, named in _expanded([located(file) for file in files]):
        family = f"{path.resolve().parent.name}/{path.stem.split('-')[0]}"
        try:
            format = _format(path)
            if format is not None:
                made = _imported(format, path, repetitions, seed, QUICK_PLACES if quick else PLACES)
            else:
                made = _as_it_is(path)
            for r, name, instance in made:
                name = stem_of(name, taken)
                found.append((r, StudyInstance(name, family, replace(instance, name=name))))
        except OtherFile:
            if named:
                raise
    if not found:
        raise InputError("study", [("files", "have no instance and no task graph")])
    return [case for _, case in sorted(found, key=lambda pair: pair[0])]


def _expanded(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Files, each with whether it was named itself."""
    for path in paths:
        if not path.is_dir():
            yield path, True
            continue
        endings = {*_INSTANCES, *_BY_ENDING}
        for file in sorted(path.rglob("*")):
            if file.suffix in endings and file.is_file():
                yield file, False


def _format(path: Path) -> str | None:
    """The format of a task graph; None of what is an instance, or something else."""
    if path.suffix != ".json":
        return _BY_ENDING.get(path.suffix)
    try:
        document: Any = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        return None  # the reader of instances says what is wrong
    keys = document if isinstance(document, dict) else {}
    return next((format for key, format in _BY_KEY.items() if key in keys), None)


def _as_it_is(path: Path) -> Iterator[tuple[int, str, Instance]]:
    instance = read(path)
    if isinstance(instance, Instance):
        yield 0, instance.name or path.stem, instance
    else:
        warnings.warn(f"left out, as it is of the kind {instance.kind}: {path}", UserWarning, stacklevel=4)


def _imported(
    format: str, path: Path, repetitions: int, seed: int, shares: Sequence[float]
) -> Iterator[tuple[int, str, Instance]]:
    """The instances of a task graph: repetition, name, instance."""
    kind = FORMATS[format]
    setting = kind.setting(devices=DEVICES, offload_points=OFFLOAD_POINTS, scale="means", variation=VARIATION)
    if isinstance(setting, DagbenchSetting):
        setting = replace(setting, network="drawn")  # as for all others
    subtasks = import_graphs(format, [path], setting=setting)[0].num_subtasks
    for r in range(repetitions):
        data = MEAN_DATA[r % len(MEAN_DATA)]
        for share in shares:
            places = max(math.ceil(share * subtasks / OFFLOAD_POINTS), 1)
            changed = replace(setting, mean_data=data, capacity=places)
            instance, _ = import_graphs(format, [path], setting=changed, seed=seed + r)
            yield r, f"{path.stem}-places{100 * share:g}-data{data:g}-seed{seed + r}", instance
