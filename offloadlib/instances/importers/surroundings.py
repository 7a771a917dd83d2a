"""Devices, offload points and the network between them, from whatever an importer is given.

That is one of: nothing but a setting, of which all is drawn (:func:`drawn`), a site and a user file
(:func:`on_a_map`), another instance (:func:`of_instance`), and the network of the file itself
(:mod:`.importers.dagbench`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats, Ints
from ..errors import InputError, counted
from ..files.archive import Columns
from ..files.document import Document
from ..structured.columnar import LATENCY, LIMITS, POWER
from ..structured.form import header_and_columns
from ..structured.generate import Network, draw_devices, draw_points, drawn_network, radio_network
from ..structured.instance import Instance
from ..structured.model import LOCAL, SUBTASKS, Normalise
from ..structured.radio import nearest_points
from .eua import Locations, centre, local_metres, read_locations
from .report import File
from .setting import GraphSetting

DEFAULT_COUNT = 10
"""Devices and offload points where no file says how many."""


@dataclass(frozen=True, eq=False)
class Streams:
    """Sources of the draws."""

    points: np.random.Generator
    devices: np.random.Generator
    network: np.random.Generator


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where tasks run.

    Attributes
    ----------
    points
        As in the header of an instance.
    network
        Who is connected to what.
    devices
        Columns of the devices.
    facts
        What was counted: key -> number or text.
    conversions
        What was assumed, in words.
    told
        What the facts say, in words.
    drawn
        What of it was drawn, in words.
    normalise
        None: as the setting says.
    has_map
        Whether there are positions, from which rates follow.
    """

    points: list[Document]
    network: Network
    devices: Columns
    facts: Mapping[str, Any] = field(default_factory=dict)
    conversions: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    normalise: Normalise | None = None
    has_map: bool = False


def drawn(setting: GraphSetting, streams: Streams) -> Surroundings:
    """As in a random instance."""
    devices = draw_devices(setting, setting.devices or DEFAULT_COUNT, streams.devices)
    points = setting.offload_points or DEFAULT_COUNT
    network = drawn_network(setting, points, devices["power.send"], streams.network)
    area = setting.area is not None
    return Surroundings(
        points=draw_points(setting, network, streams.points),
        network=network,
        devices=devices,
        conversions=(_RATES,) if area else (),
        told=(places(setting),),
        drawn=("speeds", "powers", "weights", "positions" if area else "connections and rates"),
    )


def places(setting: GraphSetting) -> str:
    """What the setting says of each offload point, in words."""
    channels = "" if setting.channels is None else f" and {counted(setting.channels, 'channel')}"
    return f"at each offload point: room for {counted(setting.capacity, 'subtask')}{channels}"


_RATES = "rates: from distance by log-distance path loss and Shannon's formula"


def on_a_map(setting: GraphSetting, site_file: File, user_file: File, streams: Streams) -> Surroundings:
    """Sites are the offload points, users the devices, and the nearest site is that of a device's radio.

    Raises
    ------
    InputError
        With what is wrong with the files.
    """
    sites = read_locations(site_file[1], site_file[0], "site")
    users = read_locations(user_file[1], user_file[0], "user")
    origin = centre(sites.degrees)
    site_position = local_metres(sites.degrees, origin)
    user_position = local_metres(users.degrees, origin)
    chosen_sites = _choose_sites(setting, sites, site_position, user_position, site_file[0], streams.network)
    nearest, _ = nearest_points(site_position[chosen_sites], user_position, setting.reach)
    candidates = np.flatnonzero((nearest != LOCAL) | (not setting.covered_only))
    chosen_users = _choose_users(setting, candidates, user_file[0], streams.network)
    devices = draw_devices(setting, len(chosen_users), streams.devices)
    network = radio_network(
        setting,
        tuple(sites.ids[n] for n in chosen_sites.tolist()),
        site_position[chosen_sites],
        user_position[chosen_users],
        devices["power.send"],
        streams.network,
    )
    facts = {
        "sites_in_file": len(sites.ids),
        "users_in_file": len(users.ids),
        "users_in_file_within_reach": int((nearest != LOCAL).sum()),
        "sites_sharing_a_position": len(chosen_sites) - len(np.unique(site_position[chosen_sites], axis=0)),
        "origin_in_degrees": origin.tolist(),
    }
    drawn = ["speeds", "powers", "weights"]
    if setting.user_choice == "sample" and setting.devices is not None:
        drawn.append("users")
    if setting.site_choice == "sample" and setting.offload_points is not None:
        drawn.append("sites")
    return Surroundings(
        points=draw_points(setting, network, streams.points),
        network=network,
        devices=devices,
        facts=facts,
        conversions=(
            "positions: degrees to metres on a plane around the mean of the sites (equirectangular)",
            _RATES,
        ),
        told=(*_map_lines(facts, len(network.ids), setting), places(setting)),
        drawn=tuple(drawn),
        has_map=True,
    )


def _choose_sites(
    setting: GraphSetting,
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


def _choose_users(setting: GraphSetting, candidates: Ints, path: Path, rng: np.random.Generator) -> Ints:
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


def _map_lines(facts: Mapping[str, Any], points: int, setting: GraphSetting) -> Iterator[str]:
    reach = "at any distance" if setting.reach is None else f"within {setting.reach:g} m"
    yield (
        f"map: {facts['users_in_file_within_reach']} of {facts['users_in_file']} users have one of "
        f"the {points} sites taken (of {facts['sites_in_file']}) {reach}"
    )
    if facts["sites_sharing_a_position"]:
        again = facts["sites_sharing_a_position"]
        yield f"sites where another one stands already, whose users take them in turn: {again}"


_KEPT = ("weight", *LATENCY)
"""Columns of version 2 that say something of a device, and nothing of its task."""


def of_instance(base: Instance) -> Surroundings:
    """The devices and offload points of another instance, without its tasks and what is said of those."""
    header, columns = header_and_columns(base)
    points = [dict(point) for point in header["offload_points"]]
    left: set[str] = {key for key in ("resources", "limits", "totals") if key in header}
    left |= {key for key in LIMITS if key in columns and key not in _KEPT}
    left |= {
        key for key in ("demand", "at", "allowed") if any(name.startswith(f"{key}.") for name in columns)
    }
    for point in points:
        if isinstance(point["capacity"], dict):
            amounts = point["capacity"]
            point["capacity"] = amounts.get(SUBTASKS, {})
    devices, located = base.devices, not np.isnan(base.devices.position).any()
    network = Network(
        ids=base.points.ids,
        point_uplink=base.points.uplink,
        point_downlink=base.points.downlink,
        connected_to=devices.connected_to,
        uplink=columns["uplink"],
        downlink=columns["downlink"],
        device_position=devices.position if located else None,
    )
    kept = ("id", "cpu", "alpha", *(f"power.{key}" for key in POWER), *_KEPT)
    told = [f"of {base.name}: devices, offload points and radio"]
    if left:
        told.append(
            f"of {base.name} left out, as of its tasks or of limits on them: {', '.join(sorted(left))}"
        )
    return Surroundings(
        points=points,
        network=network,
        devices={key: columns[key] for key in kept if key in columns},
        facts={"base": base.name, "base_sha256": base.fingerprint, "left_out": sorted(left)},
        told=tuple(told),
        normalise=base.normalise,
        has_map=located,
    )
