"""Where the dashboard stands: the configuration, its outputs folder, and whether it shows a recording."""

from dataclasses import dataclass
from pathlib import Path

from web4mlx.config import RunConfig, find_config, load_config


@dataclass(frozen=True)
class Place:
    """What all screens know.

    `config` is the configuration as typed, for commands; `outputs` is absolute. `replayed` names the
    recording that is shown instead of live work; nothing is started then.
    """

    config: str
    settings: RunConfig
    outputs: Path
    replayed: str = ""

    @property
    def config_arguments(self) -> tuple[str, ...]:
        """The options that give a command this configuration."""
        return ("--config", self.config)


def find_place(config: str) -> Place:
    """The place of a configuration.

    Raises:
        Web4Error: There is no such configuration, or it is not valid.
    """
    settings = load_config(find_config(config))
    return Place(config, settings, settings.outputs.absolute())
