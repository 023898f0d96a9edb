"""The application: routes and limits. Every failure is answered in the shape of its route."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from web4mlx.errors import StageCrashed, Web4Error
from web4mlx.events import EventLog
from web4mlx.serving.asked import DIALECTS, Asked, parse_asked
from web4mlx.serving.backend import Backend
from web4mlx.serving.failures import CLIENT_LEFT, TooLarge, failure
from web4mlx.serving.guard import LOCAL_ORIGINS, Guard
from web4mlx.serving.injecting import Injected, Injector
from web4mlx.serving.request_log import RequestLog

MAX_BODY_BYTES = 32 * 1024 * 1024
GET, POST = ("GET",), ("POST",)
LOOKS = {
    "/api/tags": GET,
    "/api/version": GET,
    "/api/ps": GET,
    "/api/show": POST,
    "/api/embed": POST,
    "/api/embeddings": POST,
    "/v1/models": GET,
    "/v1/models/{model:path}": GET,
    "/v1/completions": POST,
    "/v1/embeddings": POST,
}
CORS: dict[str, Any] = {
    "allow_origin_regex": LOCAL_ORIGINS,
    "allow_methods": ("GET", "HEAD", "POST"),
    "allow_headers": ("*",),
    "expose_headers": ("x-web4mlx-route", "x-web4mlx-sources"),
}
Handler = Callable[[Request], Awaitable[Response]]


class Service:
    """What the routes do.

    Args:
        backend: Answers.
        injector: Brings context in.
    """

    def __init__(self, backend: Backend, injector: Injector) -> None:
        self.backend = backend
        self.injector = injector

    async def ask(self, http: Request) -> Response:
        """The three routes that ask for answers."""
        asked = parse_asked(http.url.path, await read_body(http))
        injected = await self._inject(asked)
        http.state.served.update(injected.served)
        return await self.backend.answer(injected.asked, http, injected.headers)

    async def _inject(self, asked: Asked) -> Injected:
        facts = await self.backend.facts(asked)
        if facts is None:
            return Injected(asked)
        return await run_in_threadpool(self.injector.inject, asked, facts)

    async def look(self, http: Request) -> Response:
        """All other routes of the backend."""
        raw = await read_body(http)
        return await self.backend.look(http.url.path, raw, http) or not_found()

    async def health(self, _: Request) -> Response:
        """Whether it can answer: 200 or 503."""
        health = await self.backend.health()
        return JSONResponse(health, 200 if health["ok"] else 503)

    async def root(self, _: Request) -> Response:
        """What clients look at to see whether Ollama is there."""
        return PlainTextResponse("Ollama is running")


def build_app(
    backend: Backend, injector: Injector, log: EventLog, *, token: str = "", is_local: bool = True
) -> Starlette:
    """The application in front of a backend.

    Args:
        backend: Opened and closed with the application.
        injector: Brings context into requests.
        log: Gets one event for every request.
        token: What clients must show; empty demands none.
        is_local: Whether only this machine is listened on.
    """
    service = Service(backend, injector)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await backend.open()
        try:
            yield
        finally:
            await backend.close()

    return Starlette(
        routes=list(routes(service)),
        lifespan=lifespan,
        exception_handlers={404: plain(not_found()), 405: plain(wrong_method()), Exception: unforeseen},
        middleware=[
            Middleware(RequestLog, log=log),
            Middleware(CORSMiddleware, **CORS),
            Middleware(Guard, token=token, is_local=is_local),
        ],
    )


def routes(service: Service) -> Sequence[Route]:
    """Every route with its methods."""
    asking = [Route(path, explained(service.ask), methods=POST) for path in DIALECTS]
    looking = [Route(path, explained(service.look), methods=methods) for path, methods in LOOKS.items()]
    return [*asking, *looking, Route("/healthz", service.health), Route("/", service.root)]


def explained(handler: Handler) -> Handler:
    """The handler with errors answered in the shape of the route."""

    async def answer(http: Request) -> Response:
        try:
            return await handler(http)
        except Web4Error as error:
            return failure(http.url.path, error)
        except ClientDisconnect:
            http.scope["state"]["left"] = "client left"
            return Response(status_code=CLIENT_LEFT)

    return answer


def plain(response: Response) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A handler that gives one answer."""

    async def handler(_: Request, __: Exception) -> Response:
        return response

    return handler


async def unforeseen(http: Request, error: Exception) -> Response:
    """A fault of the server itself, in the shape of the route; the server's own log has the traceback."""
    return failure(http.url.path, StageCrashed(f"unexpected {type(error).__name__}: {error}"))


def not_found() -> Response:
    """Ollama's answer to an unknown route."""
    return PlainTextResponse("404 page not found", 404)


def wrong_method() -> Response:
    """Ollama's answer to a wrong method."""
    return PlainTextResponse("405 method not allowed", 405)


async def read_body(http: Request) -> bytes:
    """The body of a request.

    Raises:
        TooLarge: It has more bytes than the server reads.
        ClientDisconnect: The client has gone meanwhile.
    """
    parts: list[bytes] = []
    size = 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"http: request body too large: at most {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
