"""Random hybrid instances and frames; the defaults are those of ``docs/theory/hybrid.md``, and our own.

Draws are made of uniform numbers in [0, 1) with elementary arithmetic alone, and sizes and weights have a
random stream each, so that equal seeds give equal instances on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..draws import Range, recorded, seed_problems, uniform
from ..errors import InputError, Problem, shown
from ..files.archive import Columns
from ..files.document import Document, instance_header
from .form import FLAT, SERVERS, from_columns, validated
from .frames import Frames
from .model import HybridInstance
from .schema import FramesHeaderPart, HybridHeaderPart

VERSION = 1
"""Raised when the same seed and parameters no longer give the same instance."""

GENERATOR = "offloadlib hybrid"
"""What the source of an instance from here names."""

MOST_SIZES = 10**8

MEBIBYTE = 8.388608
"""Mbit; the sizes of DDLO's data are whole numbers of it."""


@dataclass(frozen=True, kw_only=True)
class HybridSetting:
    """What :func:`generate` makes an instance of.

    Parameters
    ----------
    devices
        How many, N.
    tasks
        How many each device has, M.
    sizes
        Least and greatest size of a task in units, a whole number drawn uniformly.
    unit
        Of the sizes, in Mbit; a mebibyte by default.
    weight
        Weight of a device.
    bandwidth
        Of the shared uplink in Mbit/s.
    local_time
        Time of local execution in s/Mbit.
    local_energy
        Energy of local execution in J/Mbit.
    transmit_energy
        Energy of the upload in J/Mbit.
    cycles
        Work in Mcycle/Mbit.
    edge_speed, cloud_speed
        Speed of the server in Mcycle/s.
    edge_price, cloud_price
        Price of the server per Mbit; it counts like energy.
    cloud_rate
        Of the link to the cloud in Mbit/s; none: there is no cloud.
    delay_weight
        Weight of delay against energy.
    """

    devices: int = 3
    tasks: int = 3
    sizes: tuple[int, int] = (10, 30)
    unit: float = MEBIBYTE
    weight: Range = (1.0, 1.0)
    bandwidth: float = 100.0
    local_time: float = 0.475
    local_energy: float = 0.325
    transmit_energy: float = 0.142
    cycles: float = 1900.0
    edge_speed: float = 10000.0
    edge_price: float = 0.15
    cloud_speed: float = 20000.0
    cloud_price: float = 0.15
    cloud_rate: float | None = 8.0
    delay_weight: float = 1.0

    @property
    def parameters(self) -> Document:
        """What all devices share, as in the document."""
        found: Document = {key: getattr(self, key) for key in FLAT}
        for server, keys in SERVERS.items():
            found[server] = {key: getattr(self, f"{server}_{key}") for key in keys}
        return found if self.cloud_rate is not None else {**found, "cloud": None}


def generate(
    setting: HybridSetting | None = None,
    *,
    seed: int = 0,
    name: str | None = None,
    description: str | None = None,
) -> HybridInstance:
    """A random instance; its ``source`` records the generator, its version, the seed and every parameter.

    Raises
    ------
    InputError
        With everything that is wrong with the setting.
    """
    header, columns = _drawn(setting or HybridSetting(), 1, seed, name, description)
    columns["sizes"] = columns["sizes"][0]
    return from_columns(*validated(header, columns, "generate", HybridHeaderPart))


def generate_frames(
    setting: HybridSetting | None = None,
    frames: int = 1000,
    *,
    seed: int = 0,
    name: str | None = None,
    description: str | None = None,
) -> Frames:
    """Many draws of the sizes for one system; the first is that of :func:`generate`.

    Raises
    ------
    InputError
        With everything that is wrong with the setting.
    """
    header, columns = _drawn(setting or HybridSetting(), frames, seed, name, description)
    header["format"] = "offloadlib-frames"
    return Frames.from_columns(*validated(header, columns, "generate", FramesHeaderPart))


def _drawn(
    setting: HybridSetting, frames: int, seed: int, name: str | None, description: str | None
) -> tuple[Document, Columns]:
    problems = [*seed_problems(seed), *_setting_problems(setting, frames)]
    if problems:
        raise InputError("generate", problems)
    for_sizes, for_weights = np.random.default_rng(seed).spawn(2)
    low, high = setting.sizes
    draws: Floats = for_sizes.random((frames, setting.devices, setting.tasks))
    columns: Columns = {
        "id": [f"d{i + 1}" for i in range(setting.devices)],
        "weight": uniform(for_weights, setting.weight, setting.devices),
        "sizes": setting.unit * np.minimum(low + np.floor(draws * (high - low + 1)), high),
    }
    header = instance_header(
        "hybrid",
        name=name or f"hybrid-n{setting.devices}-m{setting.tasks}-seed{seed}",
        description=description,
        source={
            "generator": GENERATOR,
            "version": VERSION,
            "seed": seed,
            "parameters": recorded(setting),
        },
        parameters=setting.parameters,
    )
    return header, columns


def _setting_problems(setting: HybridSetting, frames: int) -> list[Problem]:
    counts = {"devices": setting.devices, "tasks": setting.tasks, "frames": frames}
    found = [
        (key, f"must be at least 1, not {shown(count)}") for key, count in counts.items() if not count >= 1
    ]
    if not found and setting.devices * setting.tasks * frames > MOST_SIZES:
        found.append(("devices", f"times tasks and frames must be at most {MOST_SIZES}"))
    if setting.cloud_rate is not None and not setting.cloud_rate > 0:
        found.append(("cloud_rate", f"must be positive or none, not {shown(setting.cloud_rate)}"))
    for key in ("sizes", "weight"):
        low, high = getattr(setting, key)
        if not 0 <= low <= high < np.inf:
            found.append((key, f"must be two numbers from 0 on in ascending order, not {low} and {high}"))
    return found
