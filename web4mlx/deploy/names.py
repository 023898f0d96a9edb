"""Names of models in Ollama, checked before anything is sent, and the tags that an import makes of one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from web4mlx.errors import UsageError

CANDIDATE, BACKUP, UNDONE = "candidate-", "rollback-", "undone-"
ROLES = {CANDIDATE: "candidate", BACKUP: "backup", UNDONE: "undone"}
DIGEST_LETTERS = 12
LONGEST_TAG = 80 - max(map(len, ROLES)) - 1 - DIGEST_LETTERS
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True, slots=True)
class ModelName:
    """`model:tag` or `namespace/model:tag`; `path` is what stands before the tag."""

    path: str
    tag: str

    def __str__(self) -> str:
        return f"{self.path}:{self.tag}"

    def tagged(self, prefix: str, digest: str) -> "ModelName":
        """The same model under a tag of ours; names of other tags than `latest` stand in it."""
        return ModelName(self.path, self.stem(prefix) + digest.removeprefix("sha256:")[:DIGEST_LETTERS])

    def stem(self, prefix: str) -> str:
        """What the tags of ours begin with, before the digest."""
        return prefix if self.tag == "latest" else f"{prefix}{self.tag}-"

    def role_of(self, tag: str) -> str:
        """What another tag of the same model is to this one: production, candidate, backup, undone, other."""
        if tag.casefold() == self.tag.casefold():
            return "production"
        for prefix, role in ROLES.items():
            if re.fullmatch(re.escape(self.stem(prefix)) + f"[0-9a-f]{{{DIGEST_LETTERS}}}", tag):
                return role
        return "other"


def parse_model_name(text: str) -> ModelName:
    """A name as a user gives it; without a tag it is `latest`.

    Raises:
        UsageError: Ollama would refuse it, ask its registry or take it for a model in the cloud, or the tag
            is one of those that an import makes.
    """
    path, colon, tag = text.partition(":")
    tag = tag if colon else "latest"
    *namespaces, model = path.split("/")
    is_valid = len(namespaces) <= 1 and all(_NAMESPACE.fullmatch(part) for part in namespaces)
    if not (is_valid and _PART.fullmatch(model) and _PART.fullmatch(tag) and len(tag) <= LONGEST_TAG):
        raise UsageError(
            f"{text!r} is no name for a model",
            "Expected model:tag of letters, digits, `_`, `.` and `-`, such as web4-agent:latest; a model has "
            f"at most 80 of them, a tag {LONGEST_TAG}.",
        )
    lowered = tag.lower()
    if lowered in ("local", "cloud") or lowered.endswith("-cloud"):
        raise UsageError(
            f"{text!r}: the tag {tag} means a place to Ollama, not a version", "Take another tag."
        )
    if lowered.startswith((CANDIDATE, BACKUP, UNDONE)):
        raise UsageError(
            f"{text!r}: tags that begin so are made by imports", "Take another tag, e.g. latest."
        )
    return ModelName(path, tag)


def refuse_case_clash(name: ModelName, existing: Iterable[str]) -> None:
    """Ollama does not tell names apart by case: it would write to the existing one.

    Raises:
        UsageError: There is a model whose name differs in case only.
    """
    for other in existing:
        path, _, tag = other.rpartition(":")
        for mine, theirs in ((name.path, path), (str(name), f"{path}:{tag}")):
            if mine != theirs and mine.casefold() == theirs.casefold():
                raise UsageError(
                    f"{name}: there is {other} already, which differs in case only", f"Use {other}."
                )
