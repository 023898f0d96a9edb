"""A healthy Mac as the doctor sees it, and how its items are looked at."""

from collections.abc import Iterable

from web4mlx.machine.describe import Machine
from web4mlx.machine.doctor import Item, software
from web4mlx.machine.doctor.facts import Facts

GB = 10**9
MAC = Machine(
    system="Darwin 24.0 arm64",
    chip="Apple M1 Max",
    cores=10,
    memory_bytes=34 * GB,
    memory_available_bytes=28 * GB,
    swap_total_bytes=0,
    swap_used_bytes=0,
    device="metal",
    working_set_bytes=23 * GB,
    dtype="float16",
)
PC = MAC.model_copy(
    update={"system": "Linux 6 x86_64", "device": "cpu", "dtype": "float32", "working_set_bytes": None}
)
VERSIONS = dict.fromkeys(software.NEEDED, "1.0")
HEALTHY = Facts(machine=MAC, blas="Accelerate", gflops=900.0, python="3.11.7 arm64", versions=VERSIONS)
SEVEN_B = 15_231_000_000


def verdict(item: Item) -> str:
    """An item's verdict, whose fix and exit code fit to it."""
    assert (item.fix == "") == (item.verdict == "ok"), "a fix goes with every trouble, and only with one"
    assert (item.exit_code == 0) == (item.verdict != "problem")
    return item.verdict


def by_name(items: Iterable[Item]) -> dict[str, Item]:
    """Items by what they are about."""
    return {item.name: item for item in items}
