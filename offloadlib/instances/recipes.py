"""The library: every generated or imported file of ``instances/library`` as a recipe.

``python -m offloadlib.instances.recipes --data DIR`` writes the files anew; DIR holds the real data as
``eua/*.csv`` and ``wfinstances/*.json``, and without it the recipes that need them are left out.
Names may follow, to write those alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files.instances import write
from .hybrid import HybridInstance
from .hybrid.generate import HybridSetting
from .importers import ImportSetting, import_wfformat
from .kind import AnyInstance, kind_named
from .structured.generate import Setting
from .structured.instance import Instance

LIBRARY = Path(__file__).with_name("library")

SITES, USERS = "eua/site-optus-melbCBD.csv", "eua/users-melbcbd-generated.csv"
WORKFLOWS = tuple(
    f"wfinstances/{name}.json"
    for name in (
        "bacass-dirt02-001",
        "methylseq-dirt02-001",
        "sarek-dirt02-001",
        "scrnaseq-dirt02-001",
        "srasearch-chameleon-10a-001",
    )
)
LICENCES = (
    "sites and users: EUA data sets, copyright 2018 Swin Edge, MIT",
    "workflows: WfInstances, the WfCommons project, LGPL-3.0",
)


@dataclass(frozen=True)
class Recipe:
    """How one file of the library is made.

    Parameters
    ----------
    name
        Of the instance, and of its file without ``.json``.
    description
        One sentence.
    setting
        Parameters of the generator, or of the importer where real data are needed.
    seed
        Of the draws.
    kind
        Whose generator it is.
    """

    name: str
    description: str
    setting: Setting | HybridSetting | ImportSetting
    seed: int
    kind: str = Instance.kind

    @property
    def needs_data(self) -> bool:
        """Whether the recipe reads real data."""
        return isinstance(self.setting, ImportSetting)

    def make(self, data: Path | None = None) -> AnyInstance:
        """The instance.

        Parameters
        ----------
        data
            Folder of the real data.

        Raises
        ------
        ValueError
            If the recipe needs data and there is no folder.
        InputError
            If the data cannot be used.
        """
        about: dict[str, Any] = {"seed": self.seed, "name": self.name, "description": self.description}
        if not isinstance(self.setting, ImportSetting):
            instance: AnyInstance = kind_named(self.kind).generate(self.setting, **about)
            return instance
        if data is None:
            raise ValueError(f"{self.name} needs the folder of the real data")
        imported, _ = import_wfformat(
            [data / name for name in WORKFLOWS],
            sites=data / SITES,
            users=data / USERS,
            setting=self.setting,
            licences=LICENCES,
            **about,
        )
        return imported


def _paper(devices: int) -> Recipe:
    return Recipe(
        name=f"paper-m{devices:03d}",
        description=f"The setting of Kuang et al. 2020 (Table 1) with {devices} devices.",
        setting=Setting(devices=devices),
        seed=devices,
    )


def _melbourne(size: str, devices: int, sites: int, capacity: int, channels: int | None, seed: int) -> Recipe:
    return Recipe(
        name=f"melbourne-{size}",
        description=(
            f"{devices} users and the {sites} busiest cell sites of Melbourne's centre (EUA), "
            "with five bioinformatics workflows (WfInstances) in mobile size."
        ),
        setting=ImportSetting(
            devices=devices,
            offload_points=sites,
            capacity=capacity,
            channels=channels,
            covered_only=True,
            outside="leave-out",
            variation=0.2,
        ),
        seed=seed,
    )


def _hybrid(size: str, setting: HybridSetting, description: str) -> Recipe:
    return Recipe(f"hybrid-{size}", description, setting, seed=setting.devices, kind=HybridInstance.kind)


RECIPES = (
    *(_paper(devices) for devices in (5, 10, 20, 40, 70, 100)),
    Recipe(
        "chain-8-m015",
        "Chains of 8 subtasks, 5 offload points of capacity 12.",
        Setting(devices=15, offload_points=5, capacity=12, applications=("chain-8",)),
        seed=1,
    ),
    Recipe(
        "fork-join-8-m020",
        "A fork into 8 branches and a join; 6 offload points of capacity 15.",
        Setting(devices=20, offload_points=6, capacity=15, applications=("fork-join-8",)),
        seed=2,
    ),
    Recipe(
        "layered-12-m030",
        "A layered random graph of 12 subtasks with data of its own on every arc.",
        Setting(
            devices=30,
            offload_points=8,
            capacity=25,
            applications=("layered-12",),
            edge_data=(0.1, 0.6),
        ),
        seed=3,
    ),
    Recipe(
        "series-parallel-20-m012",
        "A random series-parallel graph of 20 subtasks, 5 offload points of capacity 30.",
        Setting(devices=12, offload_points=5, capacity=30, applications=("series-parallel-20",)),
        seed=4,
    ),
    Recipe(
        "channels-m040",
        "The paper's setting with 2 radio channels per offload point: half of the devices stay local.",
        Setting(devices=40, channels=2),
        seed=5,
    ),
    Recipe(
        "scarce-m060",
        "The paper's setting with room for 50 of 300 subtasks.",
        Setting(devices=60, capacity=5),
        seed=6,
    ),
    Recipe(
        "mixed-m030",
        "Five applications, arc data, channels, a fifth of the devices unconnected, raw costs.",
        Setting(
            devices=30,
            offload_points=6,
            capacity=15,
            channels=4,
            unconnected=0.2,
            normalise="none",
            applications=("face", "chain-5", "fork-join-3", "layered-9", "series-parallel-10"),
            edge_data=(0.1, 0.8),
        ),
        seed=7,
    ),
    Recipe(
        "radio-m025",
        "Devices and offload points on a map, rates by path loss, some devices out of reach.",
        Setting(
            devices=25,
            offload_points=6,
            capacity=12,
            area=600.0,
            reach=200.0,
            applications=("face", "series-parallel-8"),
            input=(2.0, 10.0),
            output=(2.0, 10.0),
        ),
        seed=8,
    ),
    _melbourne("s", devices=8, sites=3, capacity=20, channels=None, seed=1),
    _melbourne("m", devices=30, sites=8, capacity=30, channels=None, seed=2),
    _melbourne("l", devices=120, sites=20, capacity=50, channels=5, seed=3),
    _hybrid("3x3", HybridSetting(), "3 devices with 3 tasks, edge and cloud: the default setting."),
    _hybrid(
        "3x3-edge",
        HybridSetting(cloud_rate=None, bandwidth=104.8576),
        "The system of DDLO (no cloud), with its uplink shared out instead of split equally.",
    ),
    _hybrid(
        "n010",
        HybridSetting(devices=10, weight=(0.5, 2.0)),
        "10 devices of unequal weights with 3 tasks on one uplink of 100 Mbit/s.",
    ),
    _hybrid("n030", HybridSetting(devices=30), "30 devices with 3 tasks on one uplink of 100 Mbit/s."),
    _hybrid(
        "n100",
        HybridSetting(devices=100, bandwidth=1000.0),
        "100 devices with 3 tasks on one uplink of 1000 Mbit/s.",
    ),
)
"""Every file of the library but the worked example, which is written by hand."""


def rebuild(
    folder: Path, data: Path | None = None, names: Sequence[str] = ()
) -> Iterator[tuple[Recipe, AnyInstance | None]]:
    """Write the library's files.

    Parameters
    ----------
    folder
        Where to.
    data
        Folder of the real data; without it the recipes that need them are left out.
    names
        The recipes to follow; all by default.

    Yields
    ------
    recipe, instance
        None where the recipe was left out.
    """
    for recipe in RECIPES:
        if names and recipe.name not in names:
            continue
        if recipe.needs_data and data is None:
            yield recipe, None
            continue
        instance = recipe.make(data)
        write(instance, folder / f"{recipe.name}.json")
        yield recipe, instance


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m offloadlib.instances.recipes``."""
    parser = argparse.ArgumentParser(prog="python -m offloadlib.instances.recipes", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="write these files alone")
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--folder", type=Path, default=LIBRARY, help="where to write")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {recipe.name for recipe in RECIPES}
    if unknown:
        parser.error(f"no recipe {', '.join(sorted(unknown))}")
    for recipe, instance in rebuild(options.folder, options.data, options.names):
        if instance is None:
            print(f"{recipe.name}: left out, it needs --data")
        else:
            local = instance.evaluate(instance.all_local).total
            print(f"{recipe.name}: {instance.summary}, all-local cost {local:.6g}")


if __name__ == "__main__":
    main()
