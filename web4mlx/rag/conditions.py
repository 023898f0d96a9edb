"""From a query's conditions to Chroma's filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from web4mlx.errors import UsageError
from web4mlx.rag.documents import PDCA, Scalar


def collection_filter(
    collection: str, where: Mapping[str, Any] | None, untrained: bool, allowed: Sequence[str] | None
) -> dict[str, Any] | None:
    """The filter of one collection: `{}` for none, None when nothing of the collection can match.

    Args:
        collection: Its name; days and authors concern PDCAs only.
        where: Wanted metadata.
        untrained: Only what is not marked as trained.
        allowed: Ids of the PDCAs that count; None for all.
    """
    parts: list[dict[str, Any]] = [{key: value} for key, value in (where or {}).items()]
    if untrained:
        parts.append({"trained_in_adapter": False})
    if allowed is not None and collection == PDCA:
        if not allowed:
            return None
        parts.append({"pdca_id": {"$in": list(allowed)}})
    return {"$and": parts} if len(parts) > 1 else parts[0] if parts else {}


def parse_where(pairs: Sequence[str]) -> dict[str, Scalar]:
    """`key=value` texts as wanted metadata: true and false are truth values, digits are numbers.

    Raises:
        UsageError: A text is no pair.
    """
    found: dict[str, Scalar] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"--where {pair}: expected KEY=VALUE", "For example --where chunk_type=pdca_plan."
            )
        found[key.strip()] = parse_value(text.strip())
    return found


def parse_value(text: str) -> Scalar:
    """A truth value, a whole number or a text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.removeprefix("-").isdecimal() else text
