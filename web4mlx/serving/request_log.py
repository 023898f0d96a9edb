"""One event for every request: what was asked, how it was answered, how long it took. No texts."""

import asyncio
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web4mlx.events import EventLog, Served
from web4mlx.serving.failures import CLIENT_LEFT


class RequestLog:
    """Writes an event when an answer has been sent.

    What the application knows of a request it puts into `scope["state"]["served"]`, under the names of the
    event's fields.

    Args:
        app: What is behind it.
        log: Where to.
    """

    def __init__(self, app: ASGIApp, log: EventLog) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        state["served"] = {}
        timing = _Timing(send)
        try:
            await self.app(scope, receive, timing)
        except asyncio.CancelledError:
            state.setdefault("left", "stopped")
            raise
        finally:
            self._write(scope, state, timing)

    def _write(self, scope: Scope, state: dict[str, Any], timing: "_Timing") -> None:
        status = CLIENT_LEFT if state.get("left") == "client left" else timing.status
        known = {key: value for key, value in state["served"].items() if value is not None}
        if state.get("left"):
            known["note"] = "; ".join(filter(None, (known.get("note"), state["left"])))
        self.log.write(
            Served,
            method=scope["method"],
            path=scope["path"],
            status=status,
            first_byte_ms=timing.first_ms,
            total_ms=timing.elapsed_ms(),
            **known,
        )


class _Timing:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._start = time.perf_counter()
        self.status = 500
        self.first_ms = 0.0

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._start) * 1e3, 3)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif not self.first_ms and message.get("body"):
            self.first_ms = self.elapsed_ms()
        await self._send(message)
