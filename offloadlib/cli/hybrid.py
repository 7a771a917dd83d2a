"""The command that makes hybrid instances, or frames of them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from offloadlib.instances import write
from offloadlib.instances.errors import counted
from offloadlib.instances.hybrid import generate as hybrid
from offloadlib.instances.hybrid import write_frames
from offloadlib.instances.hybrid.generate import HybridSetting

from .making import tell
from .options import Description, Name, NewInstance, Seed
from .settings import with_setting


@with_setting(HybridSetting)
def generate_hybrid(
    setting: HybridSetting,
    path: NewInstance,
    seed: Seed = 0,
    name: Name = None,
    description: Description = None,
    frames: Annotated[
        int | None, typer.Option(metavar="F", help="Write a file of so many draws of the sizes.")
    ] = None,
) -> None:
    """Make a random instance of the hybrid problem (--kind hybrid), or frames of it."""
    if frames is not None:
        drawn = hybrid.generate_frames(setting, frames, seed=seed, name=name, description=description)
        write_frames(drawn, path)
        print(f"{path}: {counted(len(drawn), 'frame')} of {drawn[0].summary}", file=sys.stderr)
        return
    instance = hybrid.generate(setting, seed=seed, name=name, description=description)
    write(instance, path)
    tell(instance, path)
