"""The doctor: what this machine and this configuration are ready for, and what to do about the rest.

`facts` reads the machine, `hardware`, `software` and `exposure` judge what was read, `project` looks at the
files of a configuration. Nothing here uses the network.
"""

from web4mlx.machine.doctor.checkup import Checkup, examine
from web4mlx.machine.doctor.item import Item

__all__ = ["Checkup", "Item", "examine"]
