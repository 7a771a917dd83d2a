"""A third kind of problems, as small as one can be: this folder, and the one entry below.

Each device runs its task itself or away, where there is room for so many; both have their cost.
"""

from offloadlib.instances.kind import KINDS, Entry

KINDS["toy"] = Entry("toy_kind.kind:KIND", "toy_kind.face:FACE")
