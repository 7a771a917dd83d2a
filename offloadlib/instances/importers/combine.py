"""Workflows on devices, on a map: real data become one instance.

Every workflow becomes an application; the devices run them in turn, or draw one. With a site file and a
user file the sites are the offload points and the users the devices: each user is connected to the
nearest site within reach, at rates that follow from the distance (:mod:`.structured.radio`). Without
them the network is that of :mod:`.structured.generate`. Speeds, powers and weights are drawn as there:
no data set has them.

Files from outside that a task with parents reads are on the device: a subtask without work stands for
them, with an arc to each reader. Its place is its device, which version 1 of the file format cannot say;
so its input is made so large that sending it would cost the device alone :data:`PINNED` times what all
of its task costs at home. An optimum without that exists, and the input is never sent.

Workflows of minutes and gigabytes are brought to mobile size by two linear factors each, so that a
mean subtask has ``mean_work`` and a mean transfer ``mean_data``. What was assumed, counted, left out
or scaled stands in the instance's ``source`` and, in words, in the :class:`Report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from ..arrays import Floats, Ints
from ..draws import (
    Range,
    number_problems,
    range_problems,
    recorded,
    seed_problems,
    storable,
    uniform,
    whole_problems,
)
from ..errors import InputError, Problem, counted
from ..files.archive import Columns
from ..files.document import read_bytes
from ..files.schema import LARGEST, SMALLEST
from ..structured.generate import (
    Environment,
    Network,
    assemble,
    draw_devices,
    draw_points,
    drawn_network,
    environment_problems,
    radio_network,
)
from ..structured.instance import Instance
from ..structured.model import LOCAL
from ..structured.radio import nearest_points
from ..structured.sides import heaviest_path
from .eua import Locations, centre, local_metres, read_locations
from .report import File, Report, provenance
from .wfformat import Workflow, read_workflow, scaled

VERSION = 2
"""Raised when the same files, seed and parameters no longer give the same instance."""

DATA_DRAWN, DATA_ON_A_MAP = 0.6, 10.0
"""Default of ``mean_data`` in Mbit without and with a map: a mean transfer takes about 0.9 s on the
paper's links of U[0.5, 0.9] Mbit/s, and on a radio that is some fifteen times faster."""

PINNED = 2.0
"""What sending the input of the subtask for files from outside costs, in all-local costs of its device.
Any factor of at least 1 makes all-local no worse, whatever the rest of the decision."""

DEFAULT_COUNT = 10
"""Devices and offload points where no file says how many."""


@dataclass(frozen=True, kw_only=True)
class ImportSetting(Environment):
    """How real data become an instance.

    Parameters
    ----------
    devices, offload_points
        How many; none: all users and all sites of the files, 10 of each without them.
    reach
        Largest distance in metres between a user and its site (150 m: 99% of EUA's users in Melbourne's
        centre have a site within it); none: no limit.
    user_choice
        ``sample``: draw the users; ``first``: take the first of the file.
    site_choice
        ``busiest``: take the sites that are the nearest of most users; ``sample``: draw them.
    covered_only
        Take users within reach of a chosen site alone; otherwise those out of reach become devices
        without a connection.
    workflow_choice
        ``in-turn``: the workflows go round over the devices; ``sample``: each device draws one.
    outside
        ``send``: what a task with parents reads from outside comes from the device, as input of a head
        does; ``leave-out``: such data are only counted.
    run_time
        Run times in seconds for workflows without any (``execution`` is optional).
    clock
        Nominal clock in MIPS that run times are multiplied with (2400: 2.4 GHz, an instruction per
        cycle).
    mean_work
        Mean work in MI that the tasks of each workflow are scaled to (2: the paper's).
    mean_data
        Mean transfer in Mbit that the data of each workflow are scaled to; none: 0.6, the paper's,
        without a map and 10 with one.
    variation
        Half-width v of the factors, drawn from U[1-v, 1+v], that each device's work and data are
        multiplied with, so that devices with the same workflow differ; 0: they do not.
    """

    devices: int | None = None
    offload_points: int | None = None
    reach: float | None = 150.0
    user_choice: Literal["sample", "first"] = "sample"
    site_choice: Literal["busiest", "sample"] = "busiest"
    covered_only: bool = False
    workflow_choice: Literal["in-turn", "sample"] = "in-turn"
    outside: Literal["send", "leave-out"] = "send"
    run_time: Range = (1.0, 3.0)
    clock: float = 2400.0
    mean_work: float = 2.0
    mean_data: float | None = None
    variation: float = 0.0


def import_wfformat(
    files: Sequence[str | Path],
    *,
    sites: str | Path | None = None,
    users: str | Path | None = None,
    setting: ImportSetting | None = None,
    seed: int = 0,
    name: str | None = None,
    description: str | None = None,
    licences: Sequence[str] = (),
) -> tuple[Instance, Report]:
    """An instance of real workflows, on real or drawn devices and offload points.

    Parameters
    ----------
    files
        Workflows in WfFormat 1.0 to 1.6 (:mod:`.instances.importers.wfformat`).
    sites, users
        CSV files (:mod:`.instances.importers.eua`), both or neither.
    setting
        Everything else.
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
    setting = setting or ImportSetting()
    problems = list(_setting_problems(setting, files, sites, users, seed))
    if problems:
        raise InputError("import", problems)
    mean_data = setting.mean_data or (DATA_DRAWN if sites is None else DATA_ON_A_MAP)
    setting = replace(setting, mean_data=mean_data)
    sources = [(Path(path), read_bytes(path)) for path in files]
    streams = np.random.default_rng(seed).spawn(6)
    for_points, for_devices, for_network, for_tasks, for_times, for_limits = streams
    workflows = _read_workflows(sources, setting, mean_data, for_times)
    if sites is None or users is None:
        facts: dict[str, Any] = {}
        devices = draw_devices(setting, setting.devices or DEFAULT_COUNT, for_devices)
        points = setting.offload_points or DEFAULT_COUNT
        network = drawn_network(setting, points, devices["power.send"], for_network)
    else:
        site_file, user_file = ((Path(path), read_bytes(path)) for path in (sites, users))
        sources += [site_file, user_file]
        network, devices, facts = _map(setting, site_file, user_file, for_devices, for_network)
    facts = {
        "devices": len(network.connected_to),
        "offload_points": len(network.ids),
        "devices_without_connection": int((network.connected_to == LOCAL).sum()),
        **facts,
    }
    source = {
        "importer": "offloadlib",
        "version": VERSION,
        "seed": seed,
        "parameters": recorded(setting),
        "files": [provenance(file) for file in sources],
        "licences": list(licences),
        "conversions": list(_conversions(setting, workflows, on_a_map=sites is not None)),
        "workflows": [dict(workflow.facts) for workflow in workflows],
        "network": facts,
    }
    columns = devices | _tasks(setting, workflows, facts["devices"], for_tasks)
    assembled = partial(
        assemble,
        name=name or f"workflows-m{facts['devices']}-n{facts['offload_points']}-seed{seed}",
        description=description,
        source=source,
        environment=setting,
        points=draw_points(setting, network, for_points),
        network=network,
        applications=[workflow.application for workflow in workflows],
        rng=for_limits,
    )
    instance = assembled(columns=columns)
    pins = dict(_pins(instance, workflows))
    if pins:
        instance = assembled(columns=columns | pins)
    return instance, Report(tuple(_lines(source, setting)))


def _setting_problems(
    setting: ImportSetting,
    files: Sequence[str | Path],
    sites: str | Path | None,
    users: str | Path | None,
    seed: int,
) -> Iterator[Problem]:
    yield from environment_problems(setting)
    yield from seed_problems(seed)
    for key in ("devices", "offload_points"):
        if getattr(setting, key) is not None:
            yield from whole_problems(key, getattr(setting, key), 1, 10_000_000)
    hints = get_type_hints(ImportSetting)
    for key in ("user_choice", "site_choice", "workflow_choice", "outside"):
        if getattr(setting, key) not in (choices := get_args(hints[key])):
            yield key, f"must be one of {', '.join(choices)}, not {getattr(setting, key)!r}"
    yield from range_problems("run_time", setting.run_time, 0, 1e15)
    for key in ("clock", "mean_work", "mean_data"):
        if getattr(setting, key) is not None:
            yield from number_problems(key, getattr(setting, key), SMALLEST, LARGEST)
    yield from number_problems("variation", setting.variation, 0, 0.99)
    if not files:
        yield "files", "must name at least one workflow"
    if (sites is None) != (users is None):
        yield "sites" if sites is None else "users", "is needed too: a site and a user file go together"
    if sites is not None and setting.area is not None:
        yield "area", "cannot be given with a site and a user file, which have positions"


def _read_workflows(
    files: list[File], setting: ImportSetting, mean_data: float, for_times: np.random.Generator
) -> list[Workflow]:
    """The workflows in mobile size, or the problems of all files together."""
    stems = Counter[str]()
    workflows: list[Workflow] = []
    errors: list[InputError] = []
    for path, content in files:
        stems[path.stem] += 1
        name = path.stem if stems[path.stem] == 1 else f"{path.stem}-{stems[path.stem]}"
        try:
            workflow = read_workflow(
                content,
                path,
                setting.clock,
                name,
                partial(uniform, for_times, setting.run_time),
                outside=setting.outside == "send",
            )
            if setting.normalise == "local" and not workflow.work.any():
                what = "no task has any work, which cannot normalise (normalise is 'local')"
                raise InputError(path, [("", what)])
            workflows.append(scaled(workflow, setting.mean_work, mean_data))
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
    return workflows


def _map(
    setting: ImportSetting,
    site_file: File,
    user_file: File,
    for_devices: np.random.Generator,
    for_network: np.random.Generator,
) -> tuple[Network, Columns, dict[str, Any]]:
    """The network of sites and users, the devices' columns, and what was counted."""
    sites = read_locations(site_file[1], site_file[0], "site")
    users = read_locations(user_file[1], user_file[0], "user")
    origin = centre(sites.degrees)
    site_position = local_metres(sites.degrees, origin)
    user_position = local_metres(users.degrees, origin)
    chosen_sites = _choose_sites(setting, sites, site_position, user_position, site_file[0], for_network)
    nearest, _ = nearest_points(site_position[chosen_sites], user_position, setting.reach)
    candidates = np.flatnonzero((nearest != LOCAL) | (not setting.covered_only))
    chosen_users = _choose_users(setting, candidates, user_file[0], for_network)
    devices = draw_devices(setting, len(chosen_users), for_devices)
    network = radio_network(
        setting,
        tuple(sites.ids[n] for n in chosen_sites.tolist()),
        site_position[chosen_sites],
        user_position[chosen_users],
        devices["power.send"],
        for_network,
    )
    facts = {
        "sites_in_file": len(sites.ids),
        "users_in_file": len(users.ids),
        "users_in_file_within_reach": int((nearest != LOCAL).sum()),
        "sites_sharing_a_position": len(chosen_sites) - len(np.unique(site_position[chosen_sites], axis=0)),
        "origin_in_degrees": origin.tolist(),
    }
    return network, devices, facts


def _choose_sites(
    setting: ImportSetting,
    sites: Locations,
    site_position: Floats,
    user_position: Floats,
    path: Path,
    rng: np.random.Generator,
) -> Ints:
    """Numbers of the sites that become offload points, ascending."""
    count = len(sites.ids) if setting.offload_points is None else setting.offload_points
    if count > len(sites.ids):
        raise InputError(path, [("", f"has {counted(len(sites.ids), 'site')}; wanted: {count:,}")])
    if setting.site_choice == "sample":
        rank = rng.random(len(sites.ids))
    else:
        nearest, _ = nearest_points(site_position, user_position, setting.reach)
        rank = -np.bincount(nearest[nearest != LOCAL], minlength=len(sites.ids)).astype(np.float64)
    return np.sort(np.argsort(rank, kind="stable")[:count])


def _choose_users(setting: ImportSetting, candidates: Ints, path: Path, rng: np.random.Generator) -> Ints:
    """Numbers of the users that become devices, ascending."""
    count = len(candidates) if setting.devices is None else setting.devices
    if count > len(candidates) or count == 0:
        which = " within reach of a chosen site" if setting.covered_only else ""
        raise InputError(
            path, [("", f"has {counted(len(candidates), 'user')}{which}; wanted: {max(count, 1):,}")]
        )
    if setting.user_choice == "first":
        return candidates[:count]
    return np.sort(candidates[np.argsort(rng.random(len(candidates)), kind="stable")[:count]])


def _tasks(
    setting: ImportSetting, workflows: list[Workflow], devices: int, rng: np.random.Generator
) -> Columns:
    """Who runs which workflow, with its work and data times each device's own factors."""
    count = len(workflows)
    number = np.arange(devices) % count
    if setting.workflow_choice == "sample":
        number = rng.integers(count, size=devices)
    factors = 1 + setting.variation * (2 * rng.random((devices, 2)) - 1)
    columns: Columns = {"application": number}
    for i in np.unique(number).tolist():
        of_work, of_data = factors[number == i, :1], factors[number == i, 1:]
        columns[f"work.{i}"] = storable(of_work * workflows[i].work)
        for key in ("input", "output", "edge_data"):
            columns[f"{key}.{i}"] = storable(of_data * getattr(workflows[i], key))
    return columns


def _pins(instance: Instance, workflows: list[Workflow]) -> Iterator[tuple[str, Floats]]:
    """The inputs of each application that has a subtask for files from outside, so that it stays local.

    With the weights a, b of delay and energy, sending for t seconds costs a t + b t p^send, and nothing
    costs less than 0: from t = C0/(a + b p^send) on, all-local, of cost C0, is no worse. Where that
    denominator is 0, sending is free, and what counts is energy alone: an input of the size of the files
    saves none.
    """
    for term in instance.terms:
        i = int(instance.devices.application[term.group.members[0]])
        if not workflows[i].outside:
            continue
        group, head = term.group, workflows[i].size
        held = group.edge_data[:, [j == head for j, _ in group.application.edges]].sum(axis=1)
        local = term.delay_weight * heaviest_path(group, term.local)
        local += term.energy_weight * term.execute * term.local.sum(axis=1)
        of_a_second = term.delay_weight + term.energy_weight * term.send
        uplink = np.nan_to_num(instance.devices.uplink[group.members])  # none where nothing is sent
        pinned = np.divide(PINNED * local, of_a_second, out=np.zeros_like(local), where=of_a_second > 0)
        inputs = group.input.copy()
        inputs[:, head] = storable(np.maximum(held, pinned * uplink))
        yield f"input.{i}", inputs


def _conversions(setting: ImportSetting, workflows: list[Workflow], on_a_map: bool) -> Iterator[str]:
    if any(workflow.facts["tasks_without_run_time"] for workflow in workflows):
        low, high = setting.run_time
        drawn = f"drawn from U[{low:g}, {high:g}] s" if low < high else f"taken as {low:g} s"
        yield f"run times: {drawn} for the workflows that have none"
    yield (
        f"work: run time x avgCPU x a nominal clock of {setting.clock:g} MIPS, "
        f"scaled to a mean of {setting.mean_work:g} MI in each workflow"
    )
    empty = [workflow for workflow in workflows if not workflow.mobile_data.any()]
    if len(empty) < len(workflows):
        which = " that has data" if empty else ""
        yield (
            f"data: file sizes, scaled to a mean transfer of {setting.mean_data:g} Mbit "
            f"in each workflow{which}"
        )
    else:
        yield "data: none, so that no transfer takes time or energy"
    if any(workflow.outside for workflow in workflows):
        yield (
            "files from outside: held by the subtask 'outside', with so large an input that it stays on "
            "its device"
        )
    if on_a_map:
        yield "positions: degrees to metres on a plane around the mean of the sites (equirectangular)"
    if on_a_map or setting.area is not None:
        yield "rates: from distance by log-distance path loss and Shannon's formula"


_COUNTED = {
    "arcs_said_by_one_end": "arcs said by parents or children alone, kept",
    "tasks_without_run_time": "tasks without run time, which are given one",
    "tasks_without_work": "tasks without work, kept at 0",
    "tasks_without_avgCPU": "tasks without avgCPU, taken as 100%",
    "files_of_zero_bytes": "files of 0 bytes",
    "arcs_without_data": "arcs without data, kept at 0",
    "values_rounded_to_zero": f"values below {SMALLEST:g} after scaling, set to 0",
}
"""Fact of a workflow -> in words; those that are 0 are not printed."""


def _lines(source: dict[str, Any], setting: ImportSetting) -> Iterator[str]:
    for facts in source["workflows"]:
        yield "; ".join(_workflow_facts(facts, setting))
    yield from source["conversions"]
    yield from _network_lines(source["network"], setting)
    yield f"drawn with seed {source['seed']}: {', '.join(_drawn(source, setting))}"
    for licence in source["licences"]:
        yield f"licence: {licence}"


def _workflow_facts(facts: dict[str, Any], setting: ImportSetting) -> Iterator[str]:
    """What is to be said of one workflow."""
    size = f"{counted(facts['tasks'], 'task')}, {counted(facts['arcs'], 'arc')}"
    yield f"{facts['application']} (WfFormat {facts['schema']}): {size}"
    sent, outside = facts["bytes_that_may_be_sent"], facts["bytes_from_outside_to_tasks_with_parents"]
    apart = facts["bytes_between_tasks_without_an_arc"]
    everything = sent + outside + apart
    idle = facts["tasks_without_work"] == facts["tasks"]
    yield "no work" if idle else f"work scaled by {facts['work_factor']:.4g}"
    yield "no data" if not everything else f"data scaled by {facts['data_factor']:.4g}"
    yield from (f"{words}: {facts[key]:,}" for key, words in _COUNTED.items() if facts[key])
    what = "left out" if setting.outside == "leave-out" else "sent from their device"
    if outside:
        share = _share(outside, everything)
        yield f"bytes from outside read by tasks with parents, {what}: {outside:,} ({share} of all)"
    if apart:
        share = _share(apart, everything)
        yield f"bytes between tasks that no arc joins, left out: {apart:,} ({share} of all)"


def _drawn(source: dict[str, Any], setting: ImportSetting) -> Iterator[str]:
    """What no file says and nothing fixes."""
    yield from ("speeds", "powers", "weights")
    network = source["network"]
    if "sites_in_file" not in network:
        yield "positions" if setting.area is not None else "connections and rates"
    else:
        if setting.user_choice == "sample" and setting.devices is not None:
            yield "users"
        if setting.site_choice == "sample" and setting.offload_points is not None:
            yield "sites"
    if setting.unconnected:
        yield "devices without a connection"
    yield from setting.used
    if setting.workflow_choice == "sample":
        yield "workflows of the devices"
    if setting.variation:
        yield "variation of work and data"
    low, high = setting.run_time
    if low < high and any(facts["tasks_without_run_time"] for facts in source["workflows"]):
        yield "run times"


def _share(part: int, whole: int) -> str:
    """In percent; what is too small to show is not shown as 0."""
    return f"{100 * part / whole:.1f} %" if part >= whole / 1000 else "<0.1 %"


def _network_lines(network: dict[str, Any], setting: ImportSetting) -> Iterator[str]:
    apart = network["devices_without_connection"]
    yield (
        f"{counted(network['devices'], 'device')}, {apart:,} of them without a connection, "
        f"and {counted(network['offload_points'], 'offload point')}"
    )
    if "sites_in_file" not in network:
        return
    reach = "at any distance" if setting.reach is None else f"within {setting.reach:g} m"
    yield (
        f"map: {network['users_in_file_within_reach']} of {network['users_in_file']} users have one of "
        f"the {network['offload_points']} sites taken (of {network['sites_in_file']}) {reach}"
    )
    if network["sites_sharing_a_position"]:
        again = network["sites_sharing_a_position"]
        yield f"sites where another one stands already, whose users take them in turn: {again}"
