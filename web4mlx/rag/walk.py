"""Walks a source folder and reads its text files; never leaves the folder, never stops at a bad file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from web4mlx.artifacts import sha256_bytes
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.rag.documents import COMPONENTS, PDCA, PROCESS, Failure
from web4mlx.rag.pdca import is_pdca_by_content
from web4mlx.rag.settings import SourceRules

CONFLICT_MARKS = ("<<<<<<< ", "\n>>>>>>> ")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that was read and belongs to a collection; `note` says what was odd about it."""

    path: str
    collection: str
    rule: str
    text: str
    sha256: str
    note: str = ""


def walk_source(root: Path, rules: SourceRules) -> Iterator[TextFile | Failure]:
    """The files of a source that belong to a collection, in the order of their paths, and what failed.

    Raises:
        MissingPrerequisite: There is no such folder.
        UsageError: It is no folder.
    """
    if not root.exists():
        raise MissingPrerequisite(f"{root}: no such folder", "Name the repository that is to be indexed.")
    if not root.is_dir():
        raise UsageError(f"{root}: not a folder", "Name the repository that is to be indexed.")
    for path in list_files(root, rules):
        relative = path.relative_to(root).as_posix()
        if path.is_symlink():
            if not is_inside(path, root):
                yield Failure(relative, "a symbolic link out of the source, or to nothing: not followed")
            continue
        found = read_file(path, relative, rules)
        if found is not None:
            yield found


def list_files(root: Path, rules: SourceRules) -> Iterator[Path]:
    """All files that a rule may concern; folders behind symbolic links are not entered."""
    for folder, subfolders, names in os.walk(root, followlinks=False):
        here = Path(folder)
        relative = here.relative_to(root).as_posix()
        links = [name for name in subfolders if (here / name).is_symlink()]
        subfolders[:] = sorted(
            name for name in subfolders if name not in links and not is_ignored(f"{relative}/{name}", rules)
        )
        for name in sorted([*names, *links]):
            path = here / name
            if path.is_symlink() or may_concern(path.relative_to(root).as_posix(), rules):
                yield path


def is_ignored(relative: str, rules: SourceRules) -> bool:
    """Whether a path matches a glob of `ignore`."""
    return matches(relative, rules.ignore) or matches(f"{relative}/", rules.ignore)


def matches(relative: str, globs: tuple[str, ...]) -> bool:
    """Whether a path matches one of the globs, in any case, with a `/` before it."""
    path = "/" + relative.removeprefix("./").casefold()
    return any(fnmatchcase(path, pattern.casefold()) for pattern in globs)


def may_concern(relative: str, rules: SourceRules) -> bool:
    """Whether a file may belong to a collection, by its path alone."""
    globs = (*rules.pdca, *rules.components, *rules.process_docs)
    by_content = rules.pdca_by_content and relative.casefold().endswith(".md")
    return not is_ignored(relative, rules) and (by_content or matches(relative, globs))


def is_inside(path: Path, root: Path) -> bool:
    """Whether a symbolic link leads to something in the source."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def read_file(path: Path, relative: str, rules: SourceRules) -> TextFile | Failure | None:
    """Read and classify a file; None when it belongs to no collection."""
    try:
        if not path.is_file():
            return Failure(relative, "not a regular file")
        size = path.stat().st_size
        if size > rules.max_file_bytes:
            limit = f"{rules.max_file_bytes / 1e6:g} MB (source.max_file_bytes)"
            return Failure(relative, f"{size / 1e6:.1f} MB, more than {limit}")
        raw = path.read_bytes()
    except OSError as error:
        return Failure(relative, f"cannot be read: {error.strerror}")
    if b"\0" in raw:
        return Failure(relative, "binary, not text")
    text, note = decode(raw)
    collection, rule = classify(relative, text, rules)
    if not collection:
        return None
    if not text.strip():
        return Failure(relative, "empty")
    return TextFile(relative, collection, rule, text, sha256_bytes(raw), note)


def decode(raw: bytes) -> tuple[str, str]:
    """The text of a file with plain line ends, and a note when it is not UTF-8."""
    try:
        text, note = raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        text, note = raw.decode("latin-1"), "not UTF-8: read as Latin-1"
    if text.startswith(CONFLICT_MARKS[0]) or "\n" + CONFLICT_MARKS[0] in text:
        note = f"{note}; conflict markers" if note else "conflict markers"
    return text.replace("\r\n", "\n").replace("\r", "\n"), note


def classify(relative: str, text: str, rules: SourceRules) -> tuple[str, str]:
    """The collection of a file and the rule that says so; empty when none does."""
    for collection, globs in ((PDCA, rules.pdca), (COMPONENTS, rules.components)):
        found = next((glob for glob in globs if matches(relative, (glob,))), "")
        if found:
            return collection, found
    is_markdown = relative.casefold().endswith(".md")
    if is_markdown and rules.pdca_by_content and is_pdca_by_content(text):
        return PDCA, "by content"
    found = next((glob for glob in rules.process_docs if matches(relative, (glob,))), "")
    return (PROCESS, found) if found else ("", "")
