"""Memory of this process and this machine, in bytes."""

import os
import resource
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryReading:
    """What the training report shows: this process's resident memory and its peak, and swap in use."""

    process_bytes: int
    process_peak_bytes: int
    swap_used_bytes: int


def read_memory() -> MemoryReading:
    """Read the process's resident memory, its peak, and the machine's swap use."""
    import psutil

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return MemoryReading(
        process_bytes=psutil.Process(os.getpid()).memory_info().rss,
        process_peak_bytes=peak if sys.platform == "darwin" else peak * 1024,
        swap_used_bytes=psutil.swap_memory().used,
    )
