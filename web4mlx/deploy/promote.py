"""Putting a checked model into production, and taking it back. Ollama replaces a tag without history.

So the old one is first copied to a tag of its own; a copy has the same digest, which is compared each time.
"""

from dataclasses import dataclass

from web4mlx.deploy.names import BACKUP, UNDONE, ModelName
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, StageCrashed, Web4Error


@dataclass(frozen=True, slots=True)
class Promotion:
    """What production is now, and where the one before is kept; `backup` is empty when there was none."""

    name: str
    digest: str
    backup: str


@dataclass(frozen=True, slots=True)
class Version:
    """One tag of a model: `role` is production, candidate, backup, undone or other."""

    name: str
    digest: str
    role: str


def digest_of(server: OllamaServer, name: ModelName) -> str:
    """The digest of a model there; empty when there is none."""
    wanted = str(name).casefold()
    return next((d for known, d in server.digests().items() if known.casefold() == wanted), "")


def promote(server: OllamaServer, candidate: ModelName, name: ModelName) -> Promotion:
    """Copy a candidate to its final name, after a backup of what is there.

    Raises:
        Web4Error: It failed; production is what it was before.
    """
    new, old = digest_of(server, candidate), digest_of(server, name)
    if not new:
        raise StageCrashed(f"{server.url}: {candidate} is gone", "Import again. Production was not touched.")
    if new == old:
        return Promotion(str(name), new, "")
    backup = name.tagged(BACKUP, old) if old else None
    if backup is not None:
        copy_checked(server, name, backup)
    replace(server, candidate, name, backup)
    return Promotion(str(name), new, str(backup or ""))


def replace(server: OllamaServer, source: ModelName, name: ModelName, backup: ModelName | None) -> None:
    """Copy over production; when that fails, restore it from the backup.

    Raises:
        Web4Error: It failed; says in which state production is.
    """
    try:
        copy_checked(server, source, name)
    except Web4Error as error:
        state = restore(server, name, backup)
        raise type(error)(f"{error.message}; {state}", error.hint) from error


def restore(server: OllamaServer, name: ModelName, backup: ModelName | None) -> str:
    """Bring production back to what the backup is; says what became of it."""
    try:
        if backup is not None:
            if digest_of(server, name) != digest_of(server, backup):
                copy_checked(server, backup, name)
            return f"{name} is what it was before"
        delete(server, name)
        return f"{name} does not exist, as before"
    except Web4Error:
        by_hand = f"`ollama cp {backup} {name}`" if backup else f"`ollama rm {name}`"
        return f"{name} could not be restored: run {by_hand}"


def copy_checked(server: OllamaServer, source: ModelName, destination: ModelName) -> None:
    """Copy a tag and compare the digests.

    Raises:
        StageCrashed: They differ.
    """
    with server.failures(f"copying {source} to {destination}"):
        server.client.copy(str(source), str(destination))
    if digest_of(server, source) != digest_of(server, destination):
        raise StageCrashed(f"{server.url}: {destination} is not what {source} is", "Is its disk full?")


def delete(server: OllamaServer, name: ModelName) -> None:
    """Remove a tag if it is there."""
    if digest_of(server, name):
        with server.failures(f"removing {name}"):
            server.client.delete(str(name))


def roll_back(server: OllamaServer, name: ModelName) -> Promotion:
    """Put the newest backup into production; what was there is kept under a tag of its own.

    A second time changes nothing: production is the newest backup then.

    Raises:
        MissingPrerequisite: There is no backup.
    """
    backups = [version for version in list_versions(server, name) if version.role == "backup"]
    if not backups:
        raise MissingPrerequisite(
            f"{server.url} has no backup of {name}", "An import makes one when it replaces a model."
        )
    backup = ModelName(name.path, backups[0].name.rpartition(":")[2])
    current = digest_of(server, name)
    if current == backups[0].digest:
        return Promotion(str(name), current, "")
    undone = name.tagged(UNDONE, current) if current else None
    if undone is not None:
        copy_checked(server, name, undone)
    replace(server, backup, name, undone)
    return Promotion(str(name), backups[0].digest, str(undone or ""))


def list_versions(server: OllamaServer, name: ModelName) -> list[Version]:
    """All tags of a model, the newest first."""
    found = []
    for known, digest in server.digests().items():
        path, _, tag = known.rpartition(":")
        if path.casefold() == name.path.casefold():
            found.append(Version(known, digest, name.role_of(tag)))
    return found
