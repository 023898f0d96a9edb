"""The address of a model server: every form that OLLAMA_HOST has, and a refusal of other machines.

Model servers have no authentication, so only this machine is talked to unless the user says otherwise.
Proxies of the environment are never used, no key is ever sent, redirects are not followed.
"""

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from web4mlx.errors import UsageError

if TYPE_CHECKING:
    import httpx

OLLAMA_PORT = 11434
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 600.0  # a cold start of a large model takes minutes on some machines
_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_endpoint(text: str, default_port: int, *, allow_remote: bool = False) -> str:
    """The URL of a server, complete with scheme and port and without a slash at its end.

    Args:
        text: `host`, `host:port`, `:port`, `[::1]:port` or a URL; empty is this machine at `default_port`.
        default_port: Taken when neither port nor scheme is given, as Ollama does.
        allow_remote: Accept another machine.

    Raises:
        UsageError: It is no address, or not one of this machine.
    """
    cleaned = text.strip().strip("\"'").strip()
    scheme, given, rest = cleaned.rpartition("://")
    scheme = scheme.lower() or "http"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host = parts.hostname or "127.0.0.1"
        port = parts.port or (_DEFAULT_PORTS[scheme] if given else default_port)
    except (ValueError, KeyError) as error:
        raise _no_address(text) from error
    if " " in host or parts.username is not None or parts.query or parts.fragment:
        raise _no_address(text)
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"  # what a server listens on, not where it is
    if not (allow_remote or is_loopback(host)):
        raise UsageError(
            f"{text}: not this machine; whoever can reach a model server can change its models",
            "Use a server on this machine, or pass --allow-remote if you trust that one and the way to it.",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}{parts.path.rstrip('/')}"


def _no_address(text: str) -> UsageError:
    return UsageError(f"{text!r} is no address of a server", "Expected for example 127.0.0.1:11434.")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine; no name is looked up but `localhost`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def drop_authorization(request: "httpx.Request") -> None:
    """Remove a key that a client library took from the environment."""
    request.headers.pop("authorization", None)


def explicit_timeout(read_s: float = READ_TIMEOUT_S) -> "httpx.Timeout":
    """Limits in seconds for every phase of a request; the reading limit is between two pieces."""
    import httpx

    return httpx.Timeout(read_s, connect=min(CONNECT_TIMEOUT_S, read_s))


def open_http(url: str, read_s: float = READ_TIMEOUT_S) -> "httpx.Client":
    """An HTTP client for one server: no proxies, no redirects, explicit limits, no key."""
    import httpx

    return httpx.Client(
        base_url=url,
        timeout=explicit_timeout(read_s),
        trust_env=False,
        follow_redirects=False,
        event_hooks={"request": [drop_authorization]},
    )
