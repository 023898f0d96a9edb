"""Removing an artifact: what would go, what becomes free, what suffers from it, and why not.

Only what this program made is removed, only from the outputs and models folders, and never what somebody
uses or what production was made from. It is renamed away in one step, then deleted.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from web4mlx.artifacts import explain_os_errors, is_running, sync_file
from web4mlx.config import RunConfig
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.inventory.artifacts import Artifact, belongings, list_artifacts, size_of
from web4mlx.inventory.lineage import keep_manifest, made_from
from web4mlx.inventory.marks import PRODUCTION, SOURCE, import_of, is_served
from web4mlx.inventory.usage import who_uses
from web4mlx.machine.awake import gpu_lease

TRASH = ".removed-"
REMAKE = {
    "download": "web4mlx download", "fuse": "web4mlx fuse", "export": "web4mlx export",
    "f16": "web4mlx export", "base_gguf": "web4mlx export --base",
}  # fmt: skip


class Removal(BaseModel):
    """What a removal would do. `refusal` says why it must not be; empty when it may.

    `effects` are consequences, one sentence each.
    """

    model_config = ConfigDict(frozen=True)
    artifact: Artifact
    paths: tuple[Path, ...]
    frees_bytes: int
    effects: tuple[str, ...] = ()
    refusal: str = ""
    hint: str = ""


def find_artifact(path: Path, artifacts: list[Artifact]) -> Artifact:
    """The artifact of a path or of its name.

    Raises:
        MissingPrerequisite: There is none of that name in the configuration's folders.
    """
    for artifact in artifacts:
        if artifact.path.absolute() == path.absolute() or str(path) == artifact.name:
            return artifact
    raise MissingPrerequisite(
        f"{path}: no model in the outputs and models folders of this configuration", "`web4mlx models list`."
    )


def plan_removal(path: Path, config: RunConfig, served: Mapping[str, str] | None = None) -> Removal:
    """What removing an artifact would do.

    Args:
        path: The artifact, or its name.
        config: Says which folders are the program's own.
        served: Digest by full name of what Ollama has; None when it could not be asked.

    Raises:
        MissingPrerequisite: There is no such artifact.
    """
    artifacts = list_artifacts(config)
    artifact = find_artifact(path, artifacts)
    paths = tuple(belongings(artifact.path))
    refusal, hint = why_not(artifact, artifacts, config, served)
    return Removal(
        artifact=artifact, paths=paths, frees_bytes=sum(size_of(one) for one in paths),
        effects=tuple(effects_of(artifact, artifacts, config.outputs)), refusal=refusal, hint=hint,
    )  # fmt: skip


def why_not(
    artifact: Artifact, artifacts: list[Artifact], config: RunConfig, served: Mapping[str, str] | None
) -> tuple[str, str]:
    """Why an artifact must not be removed, and what to do about it; two empty texts when it may be."""
    home = config.model.folder if artifact.kind == "base" else config.outputs
    if artifact.path.is_symlink():
        return "it is a link to something elsewhere", "Remove the link by hand; what it names stays."
    if artifact.path.resolve().parent != home.resolve():
        return f"it does not stand in {home}", "Only what this program keeps there is removed."
    if not artifact.is_ours:
        return "this program did not make it: it has no manifest", "Remove it by hand if you know it."
    records = [(gguf, record) for gguf in artifacts if (record := import_of(gguf)) is not None]
    for gguf, record in records:
        if served is not None and not is_served(record, served):
            continue
        name = next(iter(record.outputs), "production")
        if gguf is artifact:
            return f"it is in production as {name}", "Roll back or import another one first."
        if PRODUCTION in gguf.marks and SOURCE in artifact.marks:
            return f"{name} in production was made from it", "Without it that model cannot be made again."
    users = who_uses(artifact, config)
    if users:
        return f"it is in use: {users[0]}", "Wait for that, or stop it."
    return "", ""


def effects_of(artifact: Artifact, artifacts: list[Artifact], outputs: Path) -> Iterator[str]:
    """What a removal means for the rest."""
    children = [other.name for other in made_from(artifact, artifacts, outputs)]
    if children:
        more = f" and {len(children) - 2} more" if len(children) > 2 else ""
        yield f"{', '.join(children[:2])}{more} {'was' if len(children) == 1 else 'were'} made from it."
    if artifact.manifest is None:
        yield "It is not finished: training could be resumed from its checkpoints."
    elif artifact.kind == "adapter":
        yield "Training is the only way to make it again."
    else:
        yield f"It can be made again: `{REMAKE[artifact.manifest.stage]}`."
    if "cleared" in artifact.marks:
        yield "Its evaluation cleared exactly this file; without it the reports clear nothing."
    if "configured" in artifact.marks:
        yield "This configuration trains on it."


def remove(path: Path, config: RunConfig, served: Mapping[str, str] | None = None) -> Removal:
    """Remove an artifact.

    Returns:
        What was removed.

    Raises:
        UsageError: It must not be removed; says why.
        MissingPrerequisite: There is no such artifact, or it is being downloaded.
        StageCrashed: The folder cannot be written.
    """
    with quiet_machine(), folder_lock(config.outputs / ".removal.lock"):
        plan = plan_removal(path, config, served)
        if plan.refusal:
            raise UsageError(f"{plan.artifact.path} is not removed: {plan.refusal}", plan.hint)
        artifact = plan.artifact
        if artifact.kind == "base":
            with folder_lock(artifact.path.with_name(f".{artifact.name}.lock")):
                take_away(plan.paths)
            return plan
        if artifact.manifest is not None:
            keep_manifest(config.outputs, artifact.path, artifact.manifest)
        take_away(plan.paths)
        return plan


@contextmanager
def quiet_machine() -> Iterator[None]:
    """Hold the machine's lease when nobody has it, so that no heavy job begins meanwhile."""
    with ExitStack() as stack:
        with suppress(MissingPrerequisite):  # who holds it is asked about by `who_uses`
            stack.enter_context(gpu_lease("removing a model"))
        yield


@contextmanager
def folder_lock(path: Path) -> Iterator[None]:
    """Hold a lock file.

    Raises:
        MissingPrerequisite: Somebody has it.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise MissingPrerequisite(
                f"{path.parent}: another process is working there", "Wait for it."
            ) from error
    try:
        yield
    finally:
        lock.release()


def take_away(paths: tuple[Path, ...]) -> None:
    """Rename paths of one folder into a folder that readers pass over, then delete it.

    When one cannot be renamed, those that were are put back.
    """
    if not paths:
        return
    parent = paths[0].parent
    clear_trash(parent)
    trash = parent / f"{TRASH}{os.getpid()}"
    moved: list[Path] = []
    with explain_os_errors(trash):
        trash.mkdir()
        try:
            for path in paths:
                path.replace(trash / path.name)
                moved.append(path)
        except OSError:
            for path in moved:
                (trash / path.name).replace(path)
            trash.rmdir()
            raise
        sync_file(parent)
        shutil.rmtree(trash)


def clear_trash(folder: Path) -> None:
    """Delete what killed removals had renamed and not deleted."""
    for trash in folder.glob(f"{TRASH}*"):
        pid = trash.name.removeprefix(TRASH)
        if pid.isdecimal() and int(pid) != os.getpid() and not is_running(int(pid)):
            shutil.rmtree(trash, ignore_errors=True)
