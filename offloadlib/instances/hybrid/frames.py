"""Frames: many draws of task sizes for one hybrid system, as one columnar file.

A method that learns sees the same devices again and again, with other tasks each time. The file is a zip
as that of an instance, with the format ``offloadlib-frames`` in its header and ``sizes`` of (F, N, M).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats, frozen
from ..files.archive import Archive, Columns, write_zip
from ..files.document import Document, read_bytes, replacing
from .form import header_and_columns, layout, parameters_of, unpacked
from .model import HybridInstance, Parameters
from .schema import FramesHeaderPart

FORMAT = "offloadlib-frames"


@dataclass(frozen=True, eq=False)
class Frames:
    """Many draws of sizes for one system; each of them is an instance.

    Parameters
    ----------
    parameters
        What all devices share.
    weight
        (N,) weights of the devices.
    sizes
        (F, N, M) in Mbit.
    name
        The frames are instances of this name with their number.
    devices
        Ids of the N devices; numbered by default.
    description, source
        What they are and where they come from.
    """

    parameters: Parameters
    weight: Floats
    sizes: Floats
    name: str = "frames"
    devices: tuple[str, ...] = ()
    description: str | None = None
    source: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for key in ("sizes", "weight"):
            object.__setattr__(self, key, frozen(np.asarray(getattr(self, key)) + 0.0, np.float64))
        if not self.devices:
            object.__setattr__(self, "devices", tuple(f"d{i + 1}" for i in range(len(self.weight))))

    @classmethod
    def from_columns(cls, header: Document, columns: Columns) -> Frames:
        """From a sound header and sound columns."""
        return cls(
            parameters=parameters_of(header["parameters"]),
            weight=columns["weight"],
            sizes=columns["sizes"],
            name=header["name"],
            devices=tuple(columns["id"]),
            description=header.get("description"),
            source=header.get("source"),
        )

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, frame: int) -> HybridInstance:
        """One frame as an instance.

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        number = range(len(self))[frame]
        return HybridInstance(
            f"{self.name}-{number}", self.devices, self.sizes[number], self.weight, self.parameters
        )

    def __iter__(self) -> Iterator[HybridInstance]:
        return (self[frame] for frame in range(len(self)))


def write_frames(frames: Frames, path: str | Path) -> None:
    """Write frames as a columnar file, whatever its name.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    header, columns = header_and_columns(frames[0])
    header |= {"format": FORMAT, "name": frames.name}
    header |= {"description": frames.description} if frames.description is not None else {}
    header |= {"source": dict(frames.source)} if frames.source is not None else {}
    with replacing(path) as file:
        columns |= {"sizes": frames.sizes}
        write_zip(file, header, columns, layout(header, columns))


def read_frames(path: str | Path) -> Frames:
    """Read frames.

    Raises
    ------
    InputError
        With every problem of the header, or else of the columns.
    """
    archive = Archive(read_bytes(path), path, FORMAT)
    return Frames.from_columns(*unpacked(archive, FramesHeaderPart, ("F", "N", "M")))
