"""Whether the servers answer: our own `web4mlx serve`, and Ollama with its models. Short waits only.

Our server writes every request into its log. So it is mostly only connected to, and asked for its health
when that connection is new and then seldom.
"""

import os
import socket
import time
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from web4mlx.deploy.names import parse_model_name
from web4mlx.engines.endpoint import OLLAMA_PORT, is_loopback, open_http, parse_endpoint
from web4mlx.errors import UsageError
from web4mlx.serving.guard import TOKEN_VARIABLE

WAIT_S = 1.5
HEALTH_EVERY_S = 15.0
ServeWord = Literal["answers", "unwell", "foreign", "silent"]


@dataclass(frozen=True)
class ServeState:
    """Our server. `silent` means that nobody listens, `foreign` that something else does."""

    url: str
    word: ServeWord
    behind: str = ""
    detail: str = ""
    waiting: int = 0


@dataclass(frozen=True)
class OllamaModel:
    """A model of Ollama; size in bytes. `role` is what it is to the configured name, empty for others."""

    name: str
    size: int
    digest: str
    role: str = ""
    is_loaded: bool = False


@dataclass(frozen=True)
class OllamaState:
    """Ollama: its version and models, or why there are none."""

    url: str
    version: str = ""
    models: tuple[OllamaModel, ...] = ()
    problem: str = ""


class ServeFeed:
    """Follows our own server."""

    def __init__(self) -> None:
        self._known: ServeState | None = None
        self._asked_at = 0.0

    def read(self, url: str) -> ServeState:
        """The state of the server at an address."""
        if not accepts(url):
            self._known = None
            return ServeState(url, "silent")
        is_due = time.monotonic() - self._asked_at > HEALTH_EVERY_S
        if self._known is None or self._known.url != url or is_due:
            self._asked_at = time.monotonic()
            self._known = read_health(url)
        return self._known


def accepts(url: str) -> bool:
    """Whether somebody accepts connections there."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), WAIT_S):
            return True
    except OSError:
        return False


def read_health(url: str) -> ServeState:
    """Ask our server how it is; the token is shown to this machine only."""
    import httpx

    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    is_own = is_loopback(urlsplit(url).hostname or "")
    headers = {"Authorization": f"Bearer {token}"} if token and is_own else {}
    try:
        response = httpx.get(f"{url}/healthz", headers=headers, timeout=WAIT_S, trust_env=False)
        if response.status_code == 401:
            return ServeState(url, "unwell", detail=f"it wants its token: set {TOKEN_VARIABLE}")
        return describe_health(url, response.json())
    except httpx.HTTPError as error:
        return ServeState(url, "unwell", detail=f"it does not answer: {type(error).__name__}")
    except ValueError:
        return ServeState(url, "foreign", detail="what listens there is not `web4mlx serve`")


def describe_health(url: str, health: Any) -> ServeState:
    """What `/healthz` says."""
    if not isinstance(health, dict) or not {"ok", "backend"} <= health.keys():
        return ServeState(url, "foreign", detail="what listens there is not `web4mlx serve`")
    behind = str(health.get("model") or health.get("upstream") or health["backend"])
    waiting = health.get("waiting", 0)
    return ServeState(
        url, "answers" if health["ok"] else "unwell", behind, str(health.get("error", "")),
        waiting if isinstance(waiting, int) else 0,
    )  # fmt: skip


def read_ollama(name: str, host: str = "") -> OllamaState:
    """Ollama's version and models.

    Args:
        name: The configured model, whose versions are told apart.
        host: Its address; empty takes OLLAMA_HOST, else this machine.
    """
    import httpx

    given = host or os.environ.get("OLLAMA_HOST", "")
    try:
        url = parse_endpoint(given, OLLAMA_PORT)
    except UsageError as error:
        return OllamaState(given, problem=error.message)
    try:
        with open_http(url, WAIT_S) as http:
            version = http.get("/api/version").json()
            tags, loaded = http.get("/api/tags").json(), http.get("/api/ps").json()
        return OllamaState(url, str(version["version"]), list_models(name, tags, loaded))
    except httpx.ConnectError:
        return OllamaState(url, problem="nobody answers there")
    except httpx.HTTPError as error:
        return OllamaState(url, problem=f"it does not answer: {type(error).__name__}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return OllamaState(url, problem="what listens there is not Ollama")


def list_models(name: str, tags: Any, loaded: Any) -> tuple[OllamaModel, ...]:
    """The models, those of the configured name first."""
    wanted = parse_model_name(name)
    in_memory = {str(one["name"]) for one in loaded.get("models") or ()}
    found = []
    for one in tags.get("models") or ():
        path, _, tag = str(one["name"]).rpartition(":")
        role = wanted.role_of(tag) if path.casefold() == wanted.path.casefold() else ""
        digest = str(one.get("digest", "")).removeprefix("sha256:")[:12]
        found.append(OllamaModel(str(one["name"]), int(one["size"]), digest, role, one["name"] in in_memory))
    order = ("production", "backup", "candidate", "undone", "other", "")
    return tuple(sorted(found, key=lambda one: (order.index(one.role), one.name)))
