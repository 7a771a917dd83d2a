"""The hybrid offloading problem as frozen data.

==============  ==========================  ================================================  ===========
symbol          name in the code            meaning                                           unit
==============  ==========================  ================================================  ===========
i = 1..N        row of ``sizes``            device
j = 1..M        column of ``sizes``         task of a device
D_ij            ``sizes``                   size of a task                                    Mbit
weight_i        ``weight``                  weight of a device in the objective, positive
tau             ``Parameters.tau``          local execution                                   s/Mbit
eps_l           ``Parameters.eps_l``        energy of local execution                         J/Mbit
eps_t           ``Parameters.eps_t``        energy of the upload                              J/Mbit
price_e         ``Parameters.price_e``      price of the edge server, counted like energy     1/Mbit
price_c         ``Parameters.price_c``      price of the cloud, counted like energy           1/Mbit
kappa           ``Parameters.kappa``        work                                              Mcycle/Mbit
f_e, f_c        ``Parameters.f_e, f_c``     speed of the edge server, of the cloud            Mcycle/s
r_c             ``Parameters.r_c``          link from the edge to the cloud                   Mbit/s
B               ``Parameters.bandwidth``    uplink that the devices share                     Mbit/s
rho             ``Parameters.rho``          weight of delay against energy, positive          J/s
==============  ==========================  ================================================  ===========

All devices have the same number of tasks; one with fewer has tasks of size 0, which cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, frozen
from ..errors import counted
from ..files.mapped import Mapped

if TYPE_CHECKING:
    from .cost import HybridEvaluation
    from .solution import HybridSolution

TaskPlaces = NDArray[np.int8]
"""Decisions: (..., N, M) places of tasks."""

DEVICE, EDGE, CLOUD = 0, 1, 2
"""The places of a task."""


@dataclass(frozen=True)
class Parameters:
    """What all devices share; the defaults are those of ``docs/theory/hybrid.md``.

    Without a cloud ``r_c``, ``f_c`` and ``price_c`` are 0.
    """

    tau: float = 0.475
    eps_l: float = 0.325
    eps_t: float = 0.142
    price_e: float = 0.15
    price_c: float = 0.15
    kappa: float = 1900.0
    f_e: float = 10000.0
    f_c: float = 20000.0
    r_c: float = 8.0
    bandwidth: float = 100.0
    rho: float = 1.0

    @property
    def cloud(self) -> bool:
        """Whether there is a cloud."""
        return self.r_c > 0

    @property
    def edge_time(self) -> float:
        """Seconds that an Mbit takes at the edge, after its upload: kappa/f_e."""
        return self.kappa / self.f_e

    @property
    def cloud_time(self) -> float:
        """Seconds that an Mbit takes on its way to the cloud and there: 1/r_c + kappa/f_c; 0 without one."""
        return 1.0 / self.r_c + self.kappa / self.f_c if self.cloud else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class HybridInstance(Mapped):
    """An instance of the hybrid offloading problem.

    Parameters
    ----------
    name
        Of the instance.
    devices
        Ids of the N devices.
    sizes
        (N, M) sizes of the tasks in Mbit.
    weight
        (N,) weights of the devices.
    parameters
        What all devices share.
    description, source
        What it is and where it comes from.
    """

    kind = "hybrid"

    devices: tuple[str, ...]
    sizes: Floats
    weight: Floats
    parameters: Parameters = field(default_factory=Parameters)
    description: str | None = None
    source: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for key in ("sizes", "weight"):  # adding 0 turns -0 into 0, so that equal instances have equal bits
            object.__setattr__(self, key, frozen(np.asarray(getattr(self, key)) + 0.0, np.float64))

    @property
    def num_devices(self) -> int:
        """N."""
        return len(self.sizes)

    @property
    def num_tasks(self) -> int:
        """M, tasks of each device."""
        tasks: int = self.sizes.shape[1]
        return tasks

    @property
    def num_points(self) -> int:
        """Where a task can be offloaded to: the edge, and the cloud if there is one."""
        return 2 if self.parameters.cloud else 1

    @property
    def places(self) -> tuple[int, ...]:
        """Where a task can run: all places, or all but the cloud."""
        return (DEVICE, EDGE, CLOUD)[: 1 + self.num_points]

    def part(self, devices: slice) -> HybridInstance:
        """Some of the devices by themselves, with the whole uplink."""
        return replace(
            self, devices=self.devices[devices], sizes=self.sizes[devices], weight=self.weight[devices]
        )

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The devices, in file order."""
        return self.devices

    @property
    def all_local(self) -> HybridSolution:
        """The solution that offloads nothing."""
        return cast("HybridSolution", super().all_local)

    def evaluate(self, solution: HybridSolution) -> HybridEvaluation:
        """What a solution costs and uses."""
        return cast("HybridEvaluation", super().evaluate(solution))

    @property
    def summary(self) -> str:
        """Its size in words."""
        where = "edge and cloud" if self.parameters.cloud else "edge alone"
        return f"{counted(self.num_devices, 'device')}, {counted(self.sizes.size, 'task')}, {where}"
