"""Listening and serving until told to stop."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from web4mlx.errors import MissingPrerequisite, UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

STOP_WITHIN_S = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: Name or address.
        port: 0 takes a free one.

    Raises:
        UsageError: There is no such address here.
        MissingPrerequisite: The port is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"{host}: no such address: {error.strerror}") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise MissingPrerequisite(
            f"{host}:{port}: cannot listen there: {error.strerror}",
            "Another server may have the port: choose one with --port.",
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: "ASGIApp", on_ready: Callable[[], object] = lambda: None) -> "uvicorn.Server":
    """The server of an application; its `should_exit` ends it.

    Args:
        app: The application.
        on_ready: Called when requests are answered.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready()

    config = uvicorn.Config(
        app,
        loop="asyncio",  # whatever else is installed: this is what is tested
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    return Server(config)


def serve(app: "ASGIApp", listener: socket.socket, on_ready: Callable[[], object]) -> None:
    """Serve until SIGINT or SIGTERM; open answers get a few seconds to end.

    Args:
        app: The application.
        listener: From `listen`; closed afterwards.
        on_ready: Called when requests are answered.
    """
    with listener, suppress(KeyboardInterrupt):  # being told to stop is how a server ends
        make_server(app, on_ready).run(sockets=[listener])


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C, so that what was started is stopped, at whatever moment."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
