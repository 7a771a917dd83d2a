"""Heuristics for the hybrid problem."""

from .ddto import Ddto, Scale, Training

__all__ = ["Ddto", "Scale", "Training"]
