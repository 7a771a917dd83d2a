"""The structured problem, as code for every kind sees it."""

from __future__ import annotations

from ..features import Feature
from ..kind import Kind
from . import exact, form
from .cost import evaluate
from .generate import Setting, generate
from .instance import Instance
from .model import UNLIMITED
from .schema import InstanceFile, StructuredCertificate
from .series_parallel import decompose
from .solution import Solution


def limited_channels(instance: Instance) -> str | None:
    """Why a method without channels cannot solve an instance, or None."""
    for name, channels in zip(instance.points.ids, instance.points.channels, strict=True):
        if channels != UNLIMITED:
            return f"knows no limits on channels, and {name!r} has one"
    return None


def not_series_parallel(instance: Instance) -> str | None:
    """Why a method for series-parallel applications cannot solve an instance, or None."""
    for group in instance.groups:
        if decompose(group.application) is None:
            return f"needs series-parallel applications, and {group.application.id!r} is not one"
    return None


KIND = Kind(
    file=InstanceFile,
    form=form,
    solution=Solution,
    all_local=Solution.all_local,
    evaluate=evaluate,
    exact=exact,
    certificate=StructuredCertificate,
    setting=Setting,
    generate=generate,
    features={Feature.CHANNELS: limited_channels, Feature.ANY_GRAPH: not_series_parallel},
)
