"""Random instances: the paper's setting (Table 1 of Kuang et al. 2020) and its variations.

An instance is made in four steps, which the importers share: :func:`draw_devices` (speeds, powers,
weights), a :class:`Network` (who is connected to what, at which rates: :func:`drawn_network` as in the
paper, or :func:`radio_network` from positions), the tasks, and :func:`assemble`, which validates.

Draws are made of uniform numbers in [0, 1) with elementary arithmetic alone, and each step has a
random stream of its own, so that equal seeds give equal instances on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Floats, Ints
from ..draws import Range, number_problems, range_problems, recorded, seed_problems, uniform, whole_problems
from ..errors import InputError, Problem, shown
from ..files.archive import Columns
from ..files.document import Document
from ..files.schema import LARGEST, SMALLEST
from . import graphs
from .draw_limits import LimitSetting, draw_limits, limit_problems
from .form import header_of, validated, versioned
from .instance import Instance
from .model import LOCAL, Application, Normalise
from .radio import Radio, link_rates, nearest_points, radio_problems

VERSION = 1
"""Raised when the same seed and parameters no longer give the same instance."""

MOST_DEVICES = 10_000_000

NOMINAL_DISTANCE = 100.0
"""Metres at which an offload point's own rates are computed where every device has rates of its own."""


@dataclass(frozen=True, kw_only=True)
class Environment(LimitSetting):
    """Devices, offload points and the network between them; the defaults are the paper's (Table 1).

    Parameters
    ----------
    capacity
        Subtasks that each offload point can take (q1).
    channels
        Devices that may use each offload point's radio (q2); none: no limit.
    device_cpu, point_cpu
        Speeds in MIPS.
    uplink, downlink
        Rates of each offload point's radio in Mbit/s, drawn independently.
    execute, send, receive
        Powers of a device in mW.
    alpha
        Weight of delay against energy.
    normalise
        ``local``: costs relative to the all-local decision; ``none``: raw.
    unconnected
        Share of the devices, wherever they are, that are left without a connection; rounded to a whole
        number of devices.
    area
        Side in metres of a square over which devices and offload points are spread uniformly: each
        device is connected to the nearest offload point, and its rates follow from the distance.
        None: no positions, a connection drawn uniformly, and the rates of the offload point.
    reach
        Largest distance of a connection in metres, where there are positions; none: no limit.
    radio
        From distance to rates, where there are positions.
    """

    capacity: int = 20
    channels: int | None = None
    device_cpu: Range = (0.8, 1.8)
    point_cpu: Range = (1.6, 2.6)
    uplink: Range = (0.5, 0.9)
    downlink: Range = (0.5, 0.9)
    execute: Range = (10.0, 20.0)
    send: Range = (1.0, 2.0)
    receive: Range = (2.0, 4.0)
    alpha: Range = (0.0, 1.0)
    normalise: Normalise = "local"
    unconnected: float = 0.0
    area: float | None = None
    reach: float | None = None
    radio: Radio = field(default_factory=Radio)


@dataclass(frozen=True, kw_only=True)
class Setting(Environment):
    """What :func:`generate` makes an instance of; the defaults are the paper's.

    Table 1 gives no distribution of the tasks: U[1, 3] MI and U[0.2, 1] Mbit make the optimum save
    about 60% against all-local at 40 devices, as the paper reports for its exact method.

    Parameters
    ----------
    devices, offload_points
        How many, M and N.
    applications
        Names of graphs, face, chain-K, fork-join-B, layered-K[-WIDTH[-P]] or series-parallel-K[-P]; each
        device draws one of them uniformly.
    work
        Workload of each subtask in MI.
    input, output
        Data of each subtask in Mbit.
    edge_data
        Data along each arc in Mbit; none: the output of the arc's first subtask.
    """

    devices: int = 10
    offload_points: int = 10
    applications: tuple[str, ...] = ("face",)
    work: Range = (1.0, 3.0)
    input: Range = (0.2, 1.0)
    output: Range = (0.2, 1.0)
    edge_data: Range | None = None


def generate(
    setting: Setting | None = None, *, seed: int = 0, name: str | None = None, description: str | None = None
) -> Instance:
    """A random instance.

    Parameters
    ----------
    setting
        Numbers, ranges and graphs; the paper's by default.
    seed
        Whole number; equal settings and seeds give equal instances.
    name, description
        Of the instance; a name is made up by default.

    Returns
    -------
    Instance
        Its ``source`` records the generator, its version, the seed and every parameter.

    Raises
    ------
    InputError
        With everything that is wrong with the setting.
    """
    setting = setting or Setting()
    problems = [*environment_problems(setting), *_setting_problems(setting), *seed_problems(seed)]
    if problems:
        raise InputError("generate", problems)
    for_graphs, for_points, for_devices, for_network, for_tasks, for_limits = np.random.default_rng(
        seed
    ).spawn(6)
    applications = [graphs.maker(text)(for_graphs) for text in setting.applications]
    devices = draw_devices(setting, setting.devices, for_devices)
    network = drawn_network(setting, setting.offload_points, devices["power.send"], for_network)
    return assemble(
        name=name or _name(setting, seed),
        description=description,
        source={
            "generator": "offloadlib",
            "version": VERSION,
            "seed": seed,
            "parameters": recorded(setting),
        },
        environment=setting,
        points=draw_points(setting, network, for_points),
        network=network,
        applications=applications,
        columns=devices | _draw_tasks(setting, applications, for_tasks),
        rng=for_limits,
    )


def _name(setting: Setting, seed: int) -> str:
    return f"{'+'.join(setting.applications)}-m{setting.devices}-n{setting.offload_points}-seed{seed}"


def draw_devices(environment: Environment, count: int, rng: np.random.Generator) -> Columns:
    """Speeds, powers and weights of the devices."""
    return {
        "cpu": uniform(rng, environment.device_cpu, count),
        "power.execute": uniform(rng, environment.execute, count),
        "power.send": uniform(rng, environment.send, count),
        "power.receive": uniform(rng, environment.receive, count),
        "alpha": uniform(rng, environment.alpha, count),
    }


def _draw_tasks(setting: Setting, applications: list[Application], rng: np.random.Generator) -> Columns:
    """Who runs which application, and the work and data of every subtask."""
    number = rng.integers(len(applications), size=setting.devices)
    columns: Columns = {"application": number}
    for i in np.unique(number).tolist():
        members, application = int((number == i).sum()), applications[i]
        for key in ("work", "input", "output"):
            columns[f"{key}.{i}"] = uniform(rng, getattr(setting, key), (members, application.size))
        if setting.edge_data is not None:
            columns[f"edge_data.{i}"] = uniform(rng, setting.edge_data, (members, len(application.edges)))
    return columns


@dataclass(frozen=True)
class Network:
    """Who is connected to what, and at which rates.

    Attributes
    ----------
    ids
        Names of the N offload points.
    point_uplink, point_downlink
        (N,) Mbit/s.
    connected_to
        (M,) offload points, :data:`~.structured.model.LOCAL` for none.
    uplink, downlink
        (M,) Mbit/s, NaN where the offload point's hold.
    point_position, device_position
        (N, 2) and (M, 2) metres; none: unknown.
    """

    ids: tuple[str, ...]
    point_uplink: Floats
    point_downlink: Floats
    connected_to: Ints
    uplink: Floats
    downlink: Floats
    point_position: Floats | None = None
    device_position: Floats | None = None


def drawn_network(environment: Environment, points: int, send: Floats, rng: np.random.Generator) -> Network:
    """A network without a map: drawn uniformly as in the paper, or over an area where there is one.

    Parameters
    ----------
    environment
        Its ``area`` decides which.
    points
        Number of offload points, N.
    send
        (M,) the devices' ``power.send`` in mW.
    rng
        Source of the draws.
    """
    ids = tuple(f"op{n + 1}" for n in range(points))
    if environment.area is not None:
        side = (0.0, environment.area)
        point_position, position = uniform(rng, side, (points, 2)), uniform(rng, side, (len(send), 2))
        return radio_network(environment, ids, point_position.round(2), position.round(2), send, rng)
    none = np.full(len(send), np.nan)
    return Network(
        ids=ids,
        point_uplink=uniform(rng, environment.uplink, points),
        point_downlink=uniform(rng, environment.downlink, points),
        connected_to=_disconnect(environment, rng.integers(points, size=len(send)), rng),
        uplink=none,
        downlink=none,
    )


def radio_network(
    environment: Environment,
    ids: tuple[str, ...],
    point_position: Floats,
    device_position: Floats,
    send: Floats,
    rng: np.random.Generator,
) -> Network:
    """The network of a map: each device at the nearest offload point, with rates from its distance.

    Every connected device has rates of its own. Those of an offload point itself, which the file
    format asks for, are what its radio gives at :data:`NOMINAL_DISTANCE` to a device that sends with
    the mean power.
    """
    connected_to, distance = nearest_points(point_position, device_position, environment.reach)
    connected_to = _disconnect(environment, connected_to, rng)
    rates = link_rates(distance, send, environment.radio)
    nominal = link_rates(NOMINAL_DISTANCE, math.fsum(send) / len(send), environment.radio)
    linked = connected_to != LOCAL
    return Network(
        ids=ids,
        point_uplink=np.full(len(ids), nominal[0]),
        point_downlink=np.full(len(ids), nominal[1]),
        connected_to=connected_to,
        uplink=np.where(linked, rates[0], np.nan),
        downlink=np.where(linked, rates[1], np.nan),
        point_position=point_position,
        device_position=device_position,
    )


def _disconnect(environment: Environment, connected_to: Ints, rng: np.random.Generator) -> Ints:
    """Take the connection from a share of the devices."""
    count = round(environment.unconnected * len(connected_to))
    chosen = np.argsort(rng.random(len(connected_to)), kind="stable")[:count]
    result = connected_to.copy()
    result[chosen] = LOCAL
    return result


def draw_points(environment: Environment, network: Network, rng: np.random.Generator) -> list[Document]:
    """The offload points of a network, with their speeds, as in the header of an instance."""
    speeds = uniform(rng, environment.point_cpu, len(network.ids))
    items: list[Document] = []
    for n, name in enumerate(network.ids):
        item: Document = {
            "id": name,
            "cpu": float(speeds[n]),
            "capacity": environment.capacity,
            "uplink": float(network.point_uplink[n]),
            "downlink": float(network.point_downlink[n]),
        }
        if environment.channels is not None:
            item["channels"] = environment.channels
        if network.point_position is not None:
            item["position"] = network.point_position[n].tolist()
        items.append(item)
    return items


def assemble(
    *,
    name: str,
    description: str | None,
    source: Mapping[str, Any],
    environment: Environment,
    points: list[Document],
    network: Network,
    applications: list[Application],
    columns: Columns,
    rng: np.random.Generator,
) -> Instance:
    """The validated instance of its parts.

    Parameters
    ----------
    name, description, source
        As in the file.
    environment
        Its ``normalise`` counts, and what it asks for of format 2.
    points
        The offload points (:func:`draw_points`).
    network
        Connections, rates and positions.
    applications
        The graphs.
    columns
        The devices' own columns and those of their tasks (:mod:`.structured.columnar`); ids are made up
        where there are none.
    rng
        Source of the draws of format 2; it stays as it is.

    Raises
    ------
    InputError
        With every value that the file format does not allow.
    """
    header = header_of(
        applications, points, environment.normalise, name=name, description=description, source=source
    )
    columns = (
        {"id": [f"ud{m + 1}" for m in range(len(network.connected_to))]}
        | columns
        | {
            "connected_to": network.connected_to,
            "uplink": network.uplink,
            "downlink": network.downlink,
        }
    )
    if network.device_position is not None:
        columns["position"] = network.device_position
    if environment.used:
        added, more = draw_limits(
            environment, applications, points, columns, environment.normalise == "local", deepcopy(rng)
        )
        header |= {**added, "cost": {**header["cost"], "objective": environment.objective}}
        columns |= more
    return validated(header if environment.used else versioned(header, columns), columns, name)


def environment_problems(environment: Environment) -> Iterator[Problem]:
    """Everything that is wrong with an environment: (name of the parameter, what)."""
    yield from whole_problems("capacity", environment.capacity, 0, int(LARGEST))
    if environment.channels is not None:
        yield from whole_problems("channels", environment.channels, 0, int(LARGEST))
    for name in ("device_cpu", "point_cpu", "uplink", "downlink"):
        yield from range_problems(name, getattr(environment, name), SMALLEST, LARGEST)
    for name in ("execute", "send", "receive"):
        yield from range_problems(name, getattr(environment, name), 0, LARGEST)
    yield from range_problems("alpha", environment.alpha, 0, 1)
    if environment.normalise not in ("none", "local"):
        yield "normalise", f'must be "none" or "local", not {environment.normalise!r}'
    elif environment.normalise == "local" and environment.execute == (0, 0) and environment.alpha != (1, 1):
        yield "execute", "the all-local energy would be 0 and cannot normalise (normalise is 'local')"
    yield from number_problems("unconnected", environment.unconnected, 0, 1)
    for name in ("area", "reach"):
        if getattr(environment, name) is not None:
            yield from number_problems(name, getattr(environment, name), 1, LARGEST)
    yield from radio_problems(environment.radio)
    yield from limit_problems(environment)


def _setting_problems(setting: Setting) -> Iterator[Problem]:
    for name in ("devices", "offload_points"):
        yield from whole_problems(name, getattr(setting, name), 1, MOST_DEVICES)
    for name in ("work", "input", "output", "edge_data"):
        if name != "edge_data" or setting.edge_data is not None:
            yield from range_problems(name, getattr(setting, name), 0, LARGEST)
    if setting.normalise == "local" and setting.work == (0, 0):
        yield "work", "the all-local delay would be 0 and cannot normalise (normalise is 'local')"
    if not setting.applications:
        yield "applications", "must name at least one application"
    for i, name in enumerate(setting.applications):
        if name in setting.applications[:i]:
            yield f"applications[{i}]", f"names {shown(name)} again"
        try:
            graphs.maker(name)
        except ValueError as error:
            yield f"applications[{i}]", str(error)
