"""Task graphs on devices: files of any format become one instance.

Every task graph becomes an application; the devices run them in turn, or draw one. Devices, offload points
and the network between them come from elsewhere (:mod:`.importers.surroundings`). Speeds, powers and weights
are drawn as in a random instance where nothing says them: hardly any data set has them.

Files from outside that a task with parents reads are on the device: a subtask without work stands for
them, with an arc to each reader. Its place is its device. An instance that is of format 2 anyway says so
(``allowed``). Format 1 has no word for it; so its input is made so large that sending it would cost the
device alone :data:`PINNED` times what all of its task costs at home. An optimum without that exists, for
all-local is allowed there, and the input is never sent.

Task graphs of minutes and gigabytes are brought to mobile size by two linear factors each, so that a
mean subtask has ``mean_work`` and a mean transfer ``mean_data``. What was assumed, counted, left out
or scaled stands in the instance's ``source`` and, in words, in the :class:`Report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats, Ints
from ..draws import recorded, seed_problems, storable, uniform
from ..errors import InputError, Problem
from ..files.archive import Columns
from ..files.document import read_bytes
from ..files.instances import read
from ..structured.draw_limits import LimitSetting
from ..structured.form import header_and_columns, validated, versioned
from ..structured.generate import Environment, assemble
from ..structured.instance import Instance
from ..structured.model import LOCAL
from ..structured.sides import heaviest_path
from .dagbench import Nodes, of_network, read_network, same
from .formats import FORMATS, Format, Words
from .report import File, Report, provenance
from .setting import DagbenchSetting, GraphSetting, changed, setting_problems
from .surroundings import Streams, Surroundings, drawn, of_instance, on_a_map
from .task_graph import TaskGraph, completed, scaled
from .wording import conversions, lines

VERSION = 3
"""Raised when the same files, seed and parameters no longer give the same instance."""

DATA_DRAWN, DATA_ON_A_MAP = 0.6, 10.0
"""Default of ``mean_data`` in Mbit without and with a map: a mean transfer takes about 0.9 s on the
paper's links of U[0.5, 0.9] Mbit/s, and on a radio that is some fifteen times faster."""

PINNED = 2.0
"""What sending the input of the subtask for files from outside costs, in all-local costs of its device.
Any factor of at least 1 makes all-local no worse, whatever the rest of the decision."""


def import_graphs(
    format: str,
    files: Sequence[str | Path],
    *,
    sites: str | Path | None = None,
    users: str | Path | None = None,
    base: str | Path | None = None,
    setting: GraphSetting | None = None,
    seed: int = 0,
    name: str | None = None,
    description: str | None = None,
    licences: Sequence[str] = (),
) -> tuple[Instance, Report]:
    """An instance of task graphs, on real or drawn devices and offload points.

    Parameters
    ----------
    format
        One of :data:`~.importers.formats.FORMATS`.
    files
        Task graphs in that format, and folders of them.
    sites, users
        CSV files (:mod:`.instances.importers.eua`), both or neither.
    base
        An instance whose devices, offload points and radio are taken.
    setting
        Everything else, of the format's type.
    seed
        Whole number; equal files, settings and seeds give equal instances.
    name, description
        Of the instance; a name is made up by default.
    licences
        Licences of the files, recorded as they are.

    Returns
    -------
    instance
        Its ``source`` records the files with their SHA-256, every parameter and every fact below.
    report
        The same facts in words.

    Raises
    ------
    InputError
        With everything that is wrong with the setting, or else with the files.
    """
    kind = FORMATS[format]
    setting = setting or kind.setting()
    words = kind.words(setting)
    given = Given(sites, users, base)
    problems = [*setting_problems(setting), *seed_problems(seed), *given_problems(setting, given)]
    if not files:
        problems.append(("files", f"must name at least one {words.noun}"))
    if problems:
        raise InputError("import", problems)
    sources = [(path, read_bytes(path)) for path in expanded(format, files)]
    draws = Draws(seed)
    graphs = _read_graphs(kind, sources, setting)
    maps = given.maps
    native = False
    if isinstance(setting, DagbenchSetting) and setting.network == "file" and not maps and base is None:
        around = of_network(_one_network(sources), setting, sources[0][0], draws.surroundings)
        native = True
    else:
        around = surroundings(setting, given, draws)
    about = {
        "format": format,
        "files": [provenance(file) for file in (*sources, *maps)],
        **({} if base is None else {"base": provenance((Path(base), read_bytes(base)))}),
        "licences": list(licences),
    }
    return combined(
        words, graphs, around, setting, draws, native=native, about=about, name=name, description=description
    )


@dataclass(frozen=True)
class Given:
    """What an importer is given beside task graphs, of which the first two go together.

    Attributes
    ----------
    sites, users
        CSV files (:mod:`.instances.importers.eua`).
    base
        An instance, or its file, whose devices, offload points and radio are taken.
    """

    sites: str | Path | None = None
    users: str | Path | None = None
    base: str | Path | Instance | None = None

    @property
    def maps(self) -> list[File]:
        """The first two, read."""
        return [(Path(path), read_bytes(path)) for path in (self.sites, self.users) if path is not None]


def expanded(format: str, files: Sequence[str | Path]) -> list[Path]:
    """The files, and in place of each folder those in it whose names end as the format's do, by name.

    Raises
    ------
    InputError
        If a folder has none.
    """
    found: list[Path] = []
    for path in map(Path, files):
        if not path.is_dir():
            found.append(path)
            continue
        endings = FORMATS[format].endings
        inside = sorted(file for file in path.iterdir() if file.suffix in endings and file.is_file())
        if not inside:
            ends = " or ".join(f"*{ending}" for ending in endings)
            raise InputError(path, [("", f"is a folder without {ends}")])
        found += inside
    return found


class Draws:
    """Sources of all draws of an import."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        streams = np.random.default_rng(seed).spawn(7)
        points, devices, network, self.tasks, self.times, self.limits, self.data = streams
        self.surroundings = Streams(points, devices, network)


def given_problems(setting: GraphSetting, given: Given) -> Iterator[Problem]:
    """What of a setting and files beside the task graphs does not go together."""
    if (given.sites is None) != (given.users is None):
        yield (
            "sites" if given.sites is None else "users",
            "is needed too: a site and a user file go together",
        )
    if given.sites is not None and setting.area is not None:
        yield "area", "cannot be given with a site and a user file, which have positions"
    limits = {item.name for item in fields(LimitSetting)}
    environment = [item.name for item in fields(Environment) if item.name not in limits]
    if given.base is not None:
        if given.sites is not None:
            yield "base", "cannot be given with a site and a user file"
        for key in changed(setting, (*environment, "devices", "offload_points")):
            yield key, "cannot be given with a base instance, which says it"
    elif isinstance(setting, DagbenchSetting) and setting.network == "file" and given.sites is None:
        said = ("device_cpu", "point_cpu", "uplink", "downlink", "unconnected", "area", "reach", "radio")
        for key in changed(setting, (*said, "offload_points")):
            yield key, "cannot be given with the network of the file, which says it (network is 'file')"
        return
    if isinstance(setting, DagbenchSetting) and setting.device_nodes:
        yield "device_nodes", "says nothing of another network than that of the file"


def surroundings(setting: GraphSetting, given: Given, draws: Draws) -> Surroundings:
    """Devices, offload points and radio, from what is given beside the task graphs.

    Raises
    ------
    InputError
        With what is wrong with a file, or with a base of another kind, or of format 2 while more of that is
        to be drawn.
    """
    if given.base is None:
        maps = given.maps
        if not maps:
            return drawn(setting, draws.surroundings)
        sites, users = maps
        return on_a_map(setting, sites, users, draws.surroundings)
    path = given.base.name if isinstance(given.base, Instance) else given.base
    base = given.base if isinstance(given.base, Instance) else read(given.base)
    if not isinstance(base, Instance):
        raise InputError(path, [("kind", "must be structured: it has no offload points")])
    if setting.used and base.version == 2:
        raise InputError(path, [("version", "is 2: it has limits of its own, and none can be drawn")])
    return of_instance(base)


def _one_network(files: list[File]) -> Nodes:
    """The network that all files have.

    Raises
    ------
    InputError
        If they do not have the same one.
    """
    networks = [read_network(content, path) for path, content in files]
    if not same(networks):
        what = "differ: give files with one network, or take another one (network is 'drawn')"
        raise InputError("import", [("files", f"their networks {what}")])
    return networks[0]


def _read_graphs(kind: Format, files: list[File], setting: GraphSetting) -> list[TaskGraph]:
    """The task graphs, or the problems of all files together."""
    stems = Counter[str]()
    graphs: list[TaskGraph] = []
    errors: list[InputError] = []
    for path, content in files:
        stems[path.stem] += 1
        name = path.stem if stems[path.stem] == 1 else f"{path.stem}-{stems[path.stem]}"
        try:
            graph = kind.read(content, path, name, setting)
            if setting.normalise == "local" and not graph.work.any():
                what = "no task has any work, which cannot normalise (normalise is 'local')"
                raise InputError(path, [("", what)])
            graphs.append(graph)
        except InputError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        pairs = [(error.source, problem) for error in errors for problem in error.problems]
        raise InputError(
            "import",
            [(f"{file}: {place}" if place else file, what) for file, (place, what) in pairs],
        )
    return graphs


def combined(
    words: Words,
    graphs: Sequence[TaskGraph],
    around: Surroundings,
    setting: GraphSetting,
    draws: Draws,
    *,
    native: bool,
    about: dict[str, Any],
    name: str | None,
    description: str | None,
    runs: Ints | None = None,
) -> tuple[Instance, Report]:
    """The instance of task graphs and what is around them.

    Parameters
    ----------
    words
        How they are told.
    graphs
        As read.
    around
        Devices, offload points and the network.
    setting, draws
        How, and sources of the draws.
    native
        Whether work and data are in MI and Mbit, or at least of one size with the network, so that they are
        not scaled by default.
    about
        What ``source`` says of files.
    name, description
        Of the instance.
    runs
        (M,) numbers of the graphs that the devices run; none: as the setting says.
    """
    mean_data = setting.mean_data or (DATA_ON_A_MAP if around.has_map else DATA_DRAWN)
    setting = replace(setting, mean_data=mean_data)
    scales = setting.scale == "means" or (setting.scale is None and not native)
    graphs = [_sized(graph, setting, mean_data, scales, draws) for graph in graphs]
    facts = {
        "devices": len(around.network.connected_to),
        "offload_points": len(around.network.ids),
        "devices_without_connection": int((around.network.connected_to == LOCAL).sum()),
        **around.facts,
    }
    source = {
        "importer": "offloadlib",
        "version": VERSION,
        "seed": draws.seed,
        "parameters": recorded(setting),
        **about,
        "conversions": [],
        "workflows": [dict(graph.facts) for graph in graphs],
        "network": facts,
    }
    environment = setting if around.normalise is None else replace(setting, normalise=around.normalise)
    columns = around.devices | _tasks(setting, graphs, facts["devices"], draws.tasks, runs)
    assembling = partial(
        assemble,
        name=name or f"{words.noun}s-m{facts['devices']}-n{facts['offload_points']}-seed{draws.seed}",
        description=description,
        source={},
        environment=environment,
        points=around.points,
        network=around.network,
        applications=[graph.application for graph in graphs],
        rng=draws.limits,
    )
    instance = assembling(columns=columns)
    second = instance.version == 2
    if any(graph.outside for graph in graphs):
        if second:
            header, made = header_and_columns(instance)
            made |= dict(_kept_local(instance, graphs, made))
            instance = validated(versioned(header, made), made, instance.name)
        else:
            instance = assembling(columns=columns | dict(_pins(instance, graphs)))
    source["conversions"] = list(conversions(words, setting, graphs, around, scales, second))
    report = Report(tuple(lines(words, setting, graphs, around, source, scales)))
    return replace(instance, source=source), report


def _sized(
    graph: TaskGraph, setting: GraphSetting, mean_data: float, scales: bool, draws: Draws
) -> TaskGraph:
    """A graph with all that is not said, in mobile size if that is wanted."""
    said = graph.mobile_data[~np.isnan(graph.mobile_data)].any()

    def data(count: int) -> Floats:
        return uniform(draws.data, setting.data, count) * (1.0 if said else mean_data)

    whole = completed(graph, setting.clock, partial(uniform, draws.times, setting.run_time), data)
    if scales:
        return scaled(whole, setting.mean_work, mean_data)
    # Seconds of a server are of no size with what is in MI: work that nobody says is not left at them.
    unsaid = setting.scale is None and np.isnan(graph.work).all()
    return scaled(whole, setting.mean_work if unsaid else None, None)


def _tasks(
    setting: GraphSetting,
    graphs: Sequence[TaskGraph],
    devices: int,
    rng: np.random.Generator,
    runs: Ints | None,
) -> Columns:
    """Who runs which task graph, with its work and data times each device's own factors."""
    count = len(graphs)
    number = np.arange(devices) % count if runs is None else runs
    if setting.workflow_choice == "sample" and runs is None:
        number = rng.integers(count, size=devices)
    factors = 1 + setting.variation * (2 * rng.random((devices, 2)) - 1)
    columns: Columns = {"application": number}
    for i in np.unique(number).tolist():
        of_work, of_data = factors[number == i, :1], factors[number == i, 1:]
        columns[f"work.{i}"] = storable(of_work * graphs[i].work)
        for key in ("input", "output", "edge_data"):
            columns[f"{key}.{i}"] = storable(of_data * getattr(graphs[i], key))
    return columns


def _kept_local(
    instance: Instance, graphs: Sequence[TaskGraph], columns: Columns
) -> Iterator[tuple[str, Any]]:
    """``allowed`` of each application that has a subtask for files from outside, so that it stays local."""
    for group in instance.groups:
        i = int(instance.devices.application[group.members[0]])
        if graphs[i].outside:
            kept = {group.application.subtasks[-1]: [None]}
            given = columns.get(f"allowed.{i}") or [None] * len(group)
            yield f"allowed.{i}", [{**(allowed or {}), **kept} for allowed in given]


def _pins(instance: Instance, graphs: Sequence[TaskGraph]) -> Iterator[tuple[str, Floats]]:
    """The inputs of each application that has a subtask for files from outside, so that it stays local.

    With the weights a, b of delay and energy, sending for t seconds costs a t + b t p^send, and nothing
    costs less than 0: from t = C0/(a + b p^send) on, all-local, of cost C0, is no worse. Where that
    denominator is 0, sending is free, and what counts is energy alone: an input of the size of the files
    saves none.
    """
    for term in instance.terms:
        i = int(instance.devices.application[term.group.members[0]])
        if not graphs[i].outside:
            continue
        group, head = term.group, graphs[i].size
        held = group.edge_data[:, [j == head for j, _ in group.application.edges]].sum(axis=1)
        local = term.delay_weight * heaviest_path(group, term.local)
        local += term.energy_weight * term.execute * term.local.sum(axis=1)
        of_a_second = term.delay_weight + term.energy_weight * term.send
        uplink = np.nan_to_num(instance.devices.uplink[group.members])  # none where nothing is sent
        pinned = np.divide(PINNED * local, of_a_second, out=np.zeros_like(local), where=of_a_second > 0)
        inputs = group.input.copy()
        inputs[:, head] = storable(np.maximum(held, pinned * uplink))
        yield f"input.{i}", inputs
