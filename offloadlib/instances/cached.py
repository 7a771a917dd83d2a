"""Importing this module takes the kernels of all modules that are there from the cache.

For a process from which others are forked: these have them then.
"""

from .compiled import load_all

load_all()
