"""What decisions of a hybrid instance cost.

For device i with tasks of size D_ij, a share c_i of the uplink, and places local (L), edge (E), cloud (C):

- L_i = sum over L of tau D, the local execution, beside which the rest goes on;
- U_i = sum over E and C of D, uploaded in U_i/c_i seconds (0 where U_i = 0, whatever c_i);
- K_i = max(sum over E of kappa D/f_e, sum over C of (D/r_c + kappa D/f_c)): after the upload, edge and
  cloud work side by side;
- T_i = max(L_i, U_i/c_i + K_i), the delay;
- E_i = sum over L of eps_l D + sum over E of (eps_t + price_e) D + sum over C of (eps_t + price_c) D.

The objective is Q = sum_i weight_i (E_i + rho T_i), under c_i >= 0 and sum_i c_i <= B.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..kind import AnyEvaluation
from .model import CLOUD, DEVICE, EDGE, HybridInstance
from .solution import HybridSolution


class Loads(NamedTuple):
    """What decisions ask of each device, before the uplink is shared; all of shape (..., N).

    Attributes
    ----------
    local
        L_i in s.
    upload
        U_i in Mbit.
    remote
        K_i in s.
    energy
        E_i in J, prices included.
    """

    local: Floats
    upload: Floats
    remote: Floats
    energy: Floats


def loads(instance: HybridInstance, places: NDArray[np.integer], sizes: Floats | None = None) -> Loads:
    """L, U, K and E of one decision or of many.

    Parameters
    ----------
    instance
        The instance.
    places
        (..., N, M) decisions, or what broadcasts to that: (P, 1, M) are P patterns for every device.
    sizes
        (..., N, M) sizes in Mbit, of many frames of the instance's system; its own by default.

    Returns
    -------
    Loads
        Of shape (..., N).
    """
    parameters = instance.parameters
    sizes = instance.sizes if sizes is None else sizes
    on_device, at_edge, in_cloud = (
        np.where(places == place, sizes, 0.0).sum(axis=-1) for place in (DEVICE, EDGE, CLOUD)
    )
    return Loads(
        local=parameters.tau * on_device,
        upload=at_edge + in_cloud,
        remote=np.maximum(parameters.edge_time * at_edge, parameters.cloud_time * in_cloud),
        energy=parameters.eps_l * on_device
        + (parameters.eps_t + parameters.price_e) * at_edge
        + (parameters.eps_t + parameters.price_c) * in_cloud,
    )


def delays(load: Loads, split: Floats) -> Floats:
    """T_i in s, of shape (..., N): infinite where a device uploads something without a share."""
    with np.errstate(divide="ignore"):
        upload = np.divide(load.upload, split, out=np.zeros(_shape(load, split)), where=load.upload > 0)
    slowest: Floats = np.maximum(load.local, upload + load.remote)
    return slowest


def _shape(load: Loads, split: Floats) -> tuple[int, ...]:
    return np.broadcast_shapes(load.upload.shape, split.shape)


def device_costs(instance: HybridInstance, load: Loads, split: Floats) -> Floats:
    """weight_i (E_i + rho T_i), of shape (..., N)."""
    costs: Floats = instance.weight * (load.energy + instance.parameters.rho * delays(load, split))
    return costs


@dataclass(frozen=True)
class HybridViolation:
    """A rule that a solution breaks."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


@dataclass(frozen=True, eq=False, repr=False)
class HybridEvaluation(AnyEvaluation):
    """What decisions cost and use.

    Attributes
    ----------
    instance, solution
        What is evaluated.
    delay, energy, cost
        (N,) T_i in s, E_i in J, weight_i (E_i + rho T_i).
    """

    instance: HybridInstance
    solution: HybridSolution

    @property
    def placed(self) -> Floats:
        """(3,) shares of all Mbit that run on the devices, at the edge and in the cloud."""
        sizes, places = self.instance.sizes, self.solution.places
        mbit = np.array([sizes[places == place].sum() for place in (DEVICE, EDGE, CLOUD)])
        return mbit / max(float(sizes.sum()), np.finfo(np.float64).tiny)

    @property
    def given(self) -> float:
        """Mbit/s of the uplink that are given away."""
        return math.fsum(self.solution.split.tolist())

    @property
    def utilisation(self) -> float:
        """Share of the uplink that is given away."""
        return self.given / self.instance.parameters.bandwidth

    @property
    def usage(self) -> str:
        """The uplink in words."""
        return f"{self.given:.6g} of {self.instance.parameters.bandwidth:.6g} Mbit/s"

    @property
    def violations(self) -> list[HybridViolation]:
        """Every rule that is broken; empty for a feasible solution."""
        return list(self._violations())

    def _violations(self) -> Iterator[HybridViolation]:
        names, split = self.instance.devices, self.solution.split
        if not self.instance.parameters.cloud:
            for i in np.flatnonzero((self.solution.places == CLOUD).any(axis=1)):
                yield HybridViolation("cloud", f"{names[i]!r} uses one, and there is none")
        for i in np.flatnonzero(~(split >= 0)):
            yield HybridViolation("split", f"{names[i]!r} gets {split[i]} Mbit/s")
        for i in np.flatnonzero(np.isinf(self.delay)):
            yield HybridViolation("split", f"{names[i]!r} uploads, and gets nothing")
        bandwidth = self.instance.parameters.bandwidth
        if within(split, bandwidth):
            return
        yield HybridViolation(
            "bandwidth", f"{math.fsum(split.tolist())!r} of {bandwidth!r} Mbit/s given away"
        )


def within(split: Floats, bandwidth: float) -> bool:
    """Whether (N,) shares add up to at most the bandwidth, without tolerance.

    The sum of shares and minus the bandwidth is rounded once, so its sign is right.
    """
    return math.fsum([*split.tolist(), -bandwidth]) <= 0


def evaluate(instance: HybridInstance, solution: HybridSolution) -> HybridEvaluation:
    """Evaluate decisions.

    Raises
    ------
    ValueError
        If the decisions do not have the shape of the instance.
    IndexError
        If there is no such place.
    """
    shapes = solution.places.shape, solution.split.shape
    if shapes != (instance.sizes.shape, instance.weight.shape):
        raise ValueError(f"decisions of shapes {shapes} are not decisions of {instance!r}")
    strange = (solution.places < DEVICE) | (solution.places > CLOUD)
    if strange.any():
        raise IndexError(f"there is no place {solution.places[strange][0]}")
    load = loads(instance, solution.places)
    return HybridEvaluation(
        instance=instance,
        solution=solution,
        delay=delays(load, solution.split),
        energy=load.energy,
        cost=device_costs(instance, load, solution.split),
    )
