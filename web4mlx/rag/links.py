"""From links as people wrote them to relationships between documents: resolved, ambiguous or dangling.

Explicit PRECEDES and FOLLOWS win. Otherwise FOLLOWS is the "Previous PDCA" link and PRECEDES its inverse.
A target is tried as a relative path, as the path inside a URL (a branch name may hold slashes, so leading
segments are dropped until a known file matches), as a path from the root, as the path in its label, as a
name in the same folder, and as a name that only one document has. An ambiguous name is never guessed.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from web4mlx.rag.documents import Dangling, Relationship

_LINK = re.compile(r"\[([^\]\n]*)\](?:\(<?([^)>\n]*)>?\))?")
_NOTHING = re.compile(r"\W*(?:(?:none|n/a|na|nothing|first|null|tbd)\b.*)?$", re.IGNORECASE)
_ORIGIN = {"previous pdca": "Previous PDCA", "follows": "FOLLOWS", "precedes": "PRECEDES"}


class Targets:
    """The documents that links may lead to.

    Args:
        ids: Paths of all documents, relative to the root.
        copies: Paths of files that equal a document, with that document.
    """

    def __init__(self, ids: Iterable[str], copies: Mapping[str, str]) -> None:
        self.known = {one: one for one in ids} | dict(copies)
        self.by_name: dict[str, set[str]] = defaultdict(set)
        for path, owner in self.known.items():
            self.by_name[posixpath.basename(path)].add(owner)

    def resolve(self, source: str, label: str, url: str) -> tuple[str, str]:
        """The document a link leads to, or why there is none."""
        folder = posixpath.dirname(source)
        for candidate in self._candidates(folder, label, url):
            if candidate in self.known:
                return self.known[candidate], ""
        name = posixpath.basename(url_path(url)[0]) or posixpath.basename(label)
        owners = {owner for one in (name, f"{name}.md") for owner in self.by_name.get(one, ())}
        if len(owners) > 1:
            return "", f"ambiguous: {len(owners)} documents have this name"
        return (owners.pop(), "") if owners else ("", "no such document")

    def _candidates(self, folder: str, label: str, url: str) -> Iterator[str]:
        path, is_remote = url_path(url)
        if path and not is_remote:
            yield posixpath.normpath(posixpath.join(folder, path))
        if path and is_remote:
            segments = path.strip("/").split("/")
            yield from ("/".join(segments[start:]) for start in range(len(segments)))
        yield posixpath.normpath(path.lstrip("/")) if path else ""
        yield posixpath.normpath(label.removeprefix("§").lstrip("/")) if label else ""
        yield from (posixpath.join(folder, posixpath.basename(one)) for one in (path, label) if one)


def url_path(url: str) -> tuple[str, bool]:
    """The path of a URL or of a relative link, and whether it is a URL; empty for what is neither."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", False
    return unquote(parts.path), bool(parts.scheme)


def link_targets(value: str) -> list[tuple[str, str]]:
    """The (label, url) pairs of a field's value; a bare name is a label without a URL."""
    found = [(label.strip(), (url or "").strip()) for label, url in _LINK.findall(value)]
    if found:
        return found
    bare = value.strip(" *_`|").strip()
    return [] if _NOTHING.match(bare) else [(bare, "")]


def resolve_links(
    documents: Mapping[str, tuple[tuple[str, str], ...]], copies: Mapping[str, str]
) -> tuple[list[Relationship], list[Dangling]]:
    """Relationships of all documents, each pair once, and the links that lead nowhere.

    Args:
        documents: For each document its link fields as (key, value).
        copies: Paths of files that equal a document, with that document.
    """
    targets = Targets(documents, copies)
    edges: dict[tuple[str, str], str] = {}
    dangling = []
    for source, fields in documents.items():
        for key, value in effective_fields(fields):
            found, reason = resolve_value(targets, source, key, value)
            for other in found:
                pair = (source, other) if key == "precedes" else (other, source)
                edges.setdefault(pair, f"{_ORIGIN[key]} of {source}")
            if reason:
                dangling.append(Dangling(source, value[:300], reason))
    return [Relationship(first, then, origin) for (first, then), origin in sorted(edges.items())], dangling


def effective_fields(fields: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The fields that count: "Previous PDCA" only where no FOLLOWS names a document."""
    explicit = any(key == "follows" and link_targets(value) for key, value in fields)
    return [(key, value) for key, value in fields if not (explicit and key == "previous pdca")]


def resolve_value(targets: Targets, source: str, key: str, value: str) -> tuple[list[str], str]:
    """The documents of a field and why it leads nowhere, if it does.

    The links of a "Previous PDCA" are several ways to one document: the first that leads somewhere counts.
    PRECEDES and FOLLOWS may name several documents.
    """
    found: list[str] = []
    reasons = []
    for label, url in link_targets(value):
        one, reason = targets.resolve(source, label, url)
        if one and key == "previous pdca":
            return [one], ""
        if one:
            found.append(one)
        else:
            reasons.append(reason)
    return found, reasons[0] if reasons else ""
