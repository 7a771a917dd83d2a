"""Pictures of structured instances and their solutions."""

from .loads import Utilisation, utilisation
from .map import network_map
from .prices import prices
from .schedule import device_timeline

__all__ = ["Utilisation", "device_timeline", "network_map", "prices", "utilisation"]
