"""Who may ask: the address that is listened on, the token, and web pages that must stay out.

On the loopback no token is needed, but a page in a browser can reach it too: a request that names another
host (a rebound name) or comes from a foreign page is refused, as Ollama does it.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from web4mlx.engines.endpoint import is_loopback
from web4mlx.errors import UsageError
from web4mlx.serving.asked import DIALECTS
from web4mlx.serving.failures import openai_or_not
from web4mlx.serving.shapes import error_body

TOKEN_VARIABLE = "WEB4MLX_SERVE_TOKEN"
SHORTEST_TOKEN = 16
# The origins that CORS lets read answers; `is_local_origin` says the same of those that may ask.
LOCAL_ORIGINS = (
    r"(app|file|tauri|vscode-webview|vscode-file)://.*|https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
)
LOCAL_SCHEMES = ("app", "file", "tauri", "vscode-webview", "vscode-file")


def check_bind(host: str, allow_remote: bool, token: str) -> None:
    """Refuse to listen where others are without their having to show a token.

    Args:
        host: The address to listen on.
        allow_remote: The user wants others to reach it.
        token: What they have to show; empty for none.

    Raises:
        UsageError: Says which of both is missing.
    """
    if token and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"the token in {TOKEN_VARIABLE} is too short: {len(token)} characters, at least {SHORTEST_TOKEN}",
            "Make one: `openssl rand -hex 24`.",
        )
    if is_loopback(host):
        return
    if not allow_remote:
        raise UsageError(
            f"{host} is not this machine alone: everyone who reaches it could use the model",
            "Listen on 127.0.0.1, or pass --allow-remote if others are to use it.",
        )
    if not token:
        raise UsageError(
            f"{host} is not this machine alone, and there is no token",
            f"Set one: `export {TOKEN_VARIABLE}=$(openssl rand -hex 24)`. "
            "Clients send it as their API key. It travels in the clear: use a tunnel or TLS in front.",
        )


class Guard:
    """Lets requests through that may ask.

    Args:
        app: What is behind it.
        token: What clients must show as a bearer token; empty demands none.
        is_local: Whether only this machine is listened on.
    """

    def __init__(self, app: ASGIApp, token: str = "", is_local: bool = True) -> None:
        self.app = app
        self.token = token
        self.is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] == "http" and (refused := self._refusal(Headers(scope=scope))):
            status, message = refused
            path = str(scope["path"])
            body = error_body(DIALECTS.get(path, openai_or_not(path)), status, message)
            await JSONResponse(body, status)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        shown = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if self.token and not hmac.compare_digest(shown.encode(), self.token.encode()):
            return 401, "unauthorized: this server wants its token as the API key"
        if self.is_local and not is_loopback(host_of(headers.get("host", ""))):
            return 403, "forbidden: this server answers to names of this machine only"
        origin = headers.get("origin", "")
        if origin and not self.token and not is_local_origin(origin):
            return 403, f"forbidden: pages of {origin} may not use this server"
        return None


def host_of(value: str) -> str:
    """The host of a Host header; none stands for this machine."""
    try:
        return urlsplit(f"//{value}").hostname or "localhost"
    except ValueError:
        return value


def is_local_origin(origin: str) -> bool:
    """Whether a page is one of this machine or of a program on it."""
    scheme, _, rest = origin.partition("://")
    return scheme in LOCAL_SCHEMES or (bool(rest) and is_loopback(host_of(rest)))
