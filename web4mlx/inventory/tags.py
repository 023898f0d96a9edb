"""The models in an Ollama server: sizes, digests, and what each tag is to the configured name."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from web4mlx.deploy.names import ModelName, parse_model_name
from web4mlx.deploy.promote import delete
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, UsageError

REMOVABLE = ("candidate", "backup", "undone")


class Tag(BaseModel):
    """One tag. `role` is what it is to the configured name: production, candidate, backup, undone, other."""

    model_config = ConfigDict(frozen=True)
    name: str
    digest: str
    size_bytes: int
    modified: float | None
    role: str


class Server(BaseModel):
    """An Ollama server and its tags; `problem` and `hint` say why there are none."""

    model_config = ConfigDict(frozen=True)
    url: str
    version: str = ""
    tags: tuple[Tag, ...] = ()
    problem: str = ""
    hint: str = ""

    @property
    def digests(self) -> dict[str, str] | None:
        """Digest by full name; None when the server did not answer."""
        return None if self.problem else {tag.name: tag.digest for tag in self.tags}


def list_tags(server: OllamaServer, name: str) -> Server:
    """Ask a server what it has.

    Args:
        server: The connection.
        name: The configured name, which roles refer to.

    Raises:
        Web4Error: It does not answer, or not as Ollama does.
    """
    wanted = parse_model_name(name)
    version = server.version()
    with server.failures("listing models"):
        models = server.client.list().models
    tags = tuple(
        Tag(
            name=str(model.model), digest=str(model.digest), size_bytes=int(model.size or 0),
            modified=model.modified_at.timestamp() if model.modified_at else None,
            role=role_of(str(model.model), wanted),
        )
        for model in models
    )  # fmt: skip
    return Server(url=server.url, version=version, tags=tags)


def role_of(full: str, wanted: ModelName) -> str:
    """What a tag is to the configured name; `other` for another model."""
    path, _, tag = full.rpartition(":")
    return wanted.role_of(tag) if path.casefold() == wanted.path.casefold() else "other"


def freed_bytes(tag: Tag, tags: Sequence[Tag]) -> int:
    """What removing a tag frees: nothing when another tag has the same model."""
    shares = any(other.digest == tag.digest and other.name != tag.name for other in tags)
    return 0 if shares else tag.size_bytes


def why_not_tag(tag: Tag) -> str:
    """Why a tag must not be removed; empty when it may."""
    if tag.role == "production":
        return "it is in production"
    return "" if tag.role in REMOVABLE else "it was not made by an import of this configuration"


def find_removable(server: OllamaServer, full: str, name: str) -> Tag:
    """A tag that an import made and production does not need.

    Raises:
        UsageError: It is in production, or not made by an import.
        MissingPrerequisite: There is no such tag, or no server.
    """
    found = next((tag for tag in list_tags(server, name).tags if tag.name == full), None)
    if found is None:
        raise MissingPrerequisite(f"{server.url} has no {full}", "`web4mlx models list` shows what it has.")
    reason = why_not_tag(found)
    if reason:
        raise UsageError(f"{full} is not removed: {reason}", "`ollama rm` removes it without asking.")
    return found


def remove_tag(server: OllamaServer, full: str, name: str) -> Tag:
    """Remove a tag that an import made, as `find_removable` allows; returns what was removed."""
    found = find_removable(server, full, name)
    path, _, tag = full.rpartition(":")
    delete(server, ModelName(path, tag))
    return found
