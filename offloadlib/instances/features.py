"""What an instance may have that not every method can deal with.

A method declares the features that it supports, a kind tells of each feature which of its instances have it,
and whether a method applies follows from the two. What a new version of the format adds is a new feature
here, which a method does not support until it says so.
"""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """A feature of instances."""

    CHANNELS = "channels"
    """Limits on the devices that use an offload point's radio."""

    ANY_GRAPH = "any graph"
    """Applications that are not series-parallel."""

    NO_CLOUD = "no cloud"
    """The edge is the only place to offload to."""

    RESOURCES = "resources"
    """Demands on resources, limits on these, limits that points share, points without a capacity."""

    UNLIKE_PLACES = "unlike places"
    """Executions and demands that differ by place, and places that are not allowed."""

    FEES = "fees"
    """Fees for subtasks."""

    LATENCY = "latency"
    """Latencies of transfers."""

    DEADLINES = "deadlines"
    """Deadlines and energy budgets of devices."""

    TOTALS = "totals"
    """Caps on the delay or the energy of all devices."""

    REFUSAL = "refusal"
    """Devices that may be refused."""

    WEIGHTS = "weights"
    """Devices that count differently."""

    MAX = "max"
    """The largest cost as objective, not the sum."""


FORMAT_1 = frozenset({Feature.CHANNELS, Feature.ANY_GRAPH, Feature.NO_CLOUD})
"""What instances in format 1 may have."""

FORMAT_2 = frozenset(
    {
        *(Feature.RESOURCES, Feature.UNLIKE_PLACES, Feature.FEES, Feature.LATENCY, Feature.DEADLINES),
        *(Feature.TOTALS, Feature.REFUSAL, Feature.WEIGHTS, Feature.MAX),
    }
)
"""What format 2 adds for structured instances."""
