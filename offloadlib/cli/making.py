"""The commands that make random instances."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from offloadlib.instances import AnyInstance, write
from offloadlib.instances.kind import kind_named
from offloadlib.kinds import face

from .options import Description, Name, NewInstance, Seed
from .settings import with_setting


def generator(name: str) -> Callable[..., None]:
    """The command that makes a random instance of a kind."""
    kind = kind_named(name)

    def generate_instance(
        setting: Any,
        path: NewInstance,
        seed: Seed = 0,
        name: Name = None,
        description: Description = None,
    ) -> None:
        instance = kind.generate(setting, seed=seed, name=name, description=description)
        write(instance, path)
        tell(instance, path)

    generate_instance.__doc__ = face(name).making
    return with_setting(kind.setting)(generate_instance)


def tell(instance: AnyInstance, path: Path) -> None:
    """Say what was made."""
    print(f"{path}: {instance.summary}, fingerprint {instance.fingerprint[:12]}", file=sys.stderr)
