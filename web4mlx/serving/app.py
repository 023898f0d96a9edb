"""The application: routes, limits, and errors in the shape of the route that was asked.

Which errors have which status is decided here and nowhere else.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from web4mlx.errors import MissingPrerequisite, UsageError, Web4Error
from web4mlx.serving.asked import DIALECTS, parse_asked
from web4mlx.serving.backend import Backend
from web4mlx.serving.gguf_backend import BUSY
from web4mlx.serving.shapes import error_body

MAX_BODY_BYTES = 32 * 1024 * 1024
CLIENT_LEFT = 499  # nobody reads it; it stands in the log
LOOKS = {
    "/api/tags": "GET",
    "/api/version": "GET",
    "/api/ps": "GET",
    "/api/show": "POST",
    "/v1/models": "GET",
}


class TooLarge(UsageError):
    """The body of a request is larger than the server reads."""


def build_app(backend: Backend) -> Starlette:
    """The application in front of a backend."""

    async def ask(http: Request) -> Response:
        path = http.url.path
        try:
            asked = parse_asked(path, await read_body(http))
            return await backend.answer(asked, http)
        except Web4Error as error:
            return failure(path, error)
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT)

    async def look(http: Request) -> Response:
        path = http.url.path
        try:
            return await backend.look(path, http) or PlainTextResponse("404 page not found", 404)
        except Web4Error as error:
            return failure(path, error)

    async def healthz(_: Request) -> Response:
        health = await backend.health()
        return JSONResponse(health, 200 if health["ok"] else 503)

    async def root(_: Request) -> Response:
        return PlainTextResponse("Ollama is running")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await backend.open()
        try:
            yield
        finally:
            await backend.close()

    routes = [Route(path, ask, methods=["POST"]) for path in DIALECTS]
    routes += [Route(path, look, methods=[method]) for path, method in LOOKS.items()]
    routes += [Route("/healthz", healthz), Route("/", root)]
    handlers = {404: _plain(404, "404 page not found"), 405: _plain(405, "405 method not allowed")}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


def _plain(status: int, text: str):  # type: ignore[no-untyped-def]
    async def handler(_: Request, __: Exception) -> Response:
        return PlainTextResponse(text, status)

    return handler


async def read_body(http: Request) -> bytes:
    """The body of a request.

    Raises:
        TooLarge: It has more bytes than the server reads.
    """
    parts: list[bytes] = []
    size = 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"http: request body too large: at most {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def failure(path: str, error: Web4Error) -> Response:
    """An error of ours in the shape of a route."""
    status = status_of(error)
    return JSONResponse(error_body(DIALECTS.get(path), status, error.message), status)


def status_of(error: Web4Error) -> int:
    """The status of an error."""
    if isinstance(error, TooLarge):
        return 413
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, MissingPrerequisite):
        return 404
    return 503 if error.message == BUSY else 500
