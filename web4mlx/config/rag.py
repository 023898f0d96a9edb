"""The part of a configuration that is about a run's retrieval store: where it is, what it is made from."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from web4mlx.config.section import Section

REPOSITORY, TOOLS = "repo", "tools"


class RagConfig(Section):
    """The retrieval store of a run.

    `settings` is a file like configs/rag.toml, or a shipped name. `db` is the store's folder; None is `rag`
    in the outputs. `source` is the repository that the line indexes, `tools` the folder of tool examples;
    without a source the line builds no store. With `sample_scale` a missing source is generated.
    """

    settings: str = "rag"
    db: Path | None = None
    source: Path | None = None
    tools: Path | None = None
    sample_scale: Literal["demo", "full"] | None = None
    sample_seed: int = 7

    @model_validator(mode="after")
    def _sample_has_its_places(self) -> "RagConfig":
        places = (self.source, self.tools)
        wanted = self.source and (self.source.parent / REPOSITORY, self.source.parent / TOOLS)
        if self.sample_scale and places != wanted:
            raise ValueError(
                f"with rag.sample_scale, source and tools are FOLDER/{REPOSITORY} and FOLDER/{TOOLS}"
            )
        return self
