"""The whole checkup: every item for a configuration, and the exit code they add up to."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, computed_field

from web4mlx.config import RunConfig, find_config, load_config
from web4mlx.config.schema import HardwareConfig
from web4mlx.errors import ExitCode, Web4Error
from web4mlx.machine.doctor.exposure import check_exposure, check_hub
from web4mlx.machine.doctor.facts import Facts
from web4mlx.machine.doctor.hardware import check_hardware
from web4mlx.machine.doctor.item import Item, from_error, ok
from web4mlx.machine.doctor.project import check_project, weights_bytes
from web4mlx.machine.doctor.software import check_software

WORST_FIRST = (
    ExitCode.MISSING_PREREQUISITE,
    ExitCode.USAGE,
    ExitCode.CHECK_FAILED,
    ExitCode.STAGE_CRASHED,
)


class Checkup(BaseModel):
    """What the doctor found."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    config: str
    items: tuple[Item, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exit_code(self) -> ExitCode:
        """3 when something must be there first, else 2 or 1 for other problems, 0 without any."""
        codes = {item.exit_code for item in self.items if item.verdict == "problem"}
        return next((code for code in WORST_FIRST if code in codes), ExitCode.OK)


def examine(config: str, facts: Facts) -> Checkup:
    """Examine this machine for a configuration.

    Args:
        config: A configuration file or a shipped name.
        facts: What was read from the machine.
    """
    return Checkup(config=config, items=tuple(_items(config, facts)))


def _items(name: str, facts: Facts) -> Iterator[Item]:
    settings, item = _load(name)
    hardware, base_bytes = HardwareConfig(), None
    if settings is not None:
        hardware, base_bytes = settings.hardware, weights_bytes(settings)
    yield from check_hardware(facts, hardware, base_bytes)
    yield from check_software(facts)
    yield check_hub(facts)
    yield item
    if settings is not None:
        yield from check_project(settings, base_bytes)
    yield from check_exposure(facts)


def _load(name: str) -> tuple[RunConfig | None, Item]:
    try:
        file = find_config(name)
        return load_config(file), ok("config", str(file))
    except Web4Error as error:
        return None, from_error("config", error)
