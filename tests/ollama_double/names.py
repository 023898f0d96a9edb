"""Model names as an Ollama server takes them."""

import re
from dataclasses import dataclass

HOST, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")


@dataclass(frozen=True)
class Name:
    host: str
    namespace: str
    model: str
    tag: str

    @property
    def shown(self) -> str:
        """As lists show it: without the default host and namespace, with the tag."""
        short = f"{self.model}:{self.tag}"
        if self.namespace != NAMESPACE:
            short = f"{self.namespace}/{short}"
        return short if self.host == HOST else f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def parts(self) -> tuple[str, str, str, str]:
        return (self.host, self.namespace, self.model, self.tag)


def parse_name(text: str) -> Name | None:
    """The complete name, or None when it is not valid."""
    path, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        path, tag = text, TAG
    pieces = path.split("/")
    if len(pieces) > 3:
        return None
    host, namespace, model = ([HOST, NAMESPACE] + pieces)[-3:] if len(pieces) < 3 else pieces
    if len(pieces) == 2:
        host, namespace = HOST, pieces[0]
    valid = (
        _HOST.fullmatch(host)
        and _NAMESPACE.fullmatch(namespace)
        and _PART.fullmatch(model)
        and _PART.fullmatch(tag)
    )
    return Name(host, namespace, model, tag) if valid else None
