"""Ollama behind the server: requests go on to it, and its answers come back byte for byte.

Only what Ollama itself would not say is said here: that it cannot be reached, broke off, or is too slow.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

from web4mlx.engines.endpoint import CONNECT_TIMEOUT_S
from web4mlx.serving.asked import Asked
from web4mlx.serving.backend import ModelFacts
from web4mlx.serving.disconnect import LimitedStream, unless_disconnected
from web4mlx.serving.failures import TooSlow, UpstreamGone
from web4mlx.serving.shapes import encode, error_body
from web4mlx.serving.shown_model import ShownModels

if TYPE_CHECKING:
    import httpx

SENT_ON = ("content-type", "accept", "accept-encoding", "user-agent")
NOT_SENT_BACK = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "date", "server"}
)
START_IT = "Start it: `web4mlx serve --start-ollama`, or `ollama serve`."


class OllamaBackend:
    """Serves what an Ollama server serves.

    Args:
        url: Its address, as `parse_endpoint` gives it.
        stall_s: Longest silence of it, a first load included.
        answer_s: Longest time of one answer.
    """

    kind = "ollama"

    def __init__(self, url: str, *, stall_s: float = 600, answer_s: float = 1800) -> None:
        self.url = url
        self.stall_s = stall_s
        self.answer_s = answer_s
        self._http: httpx.AsyncClient | None = None
        self._shown = ShownModels(self._show)

    async def open(self) -> None:
        """Open the connections."""
        import httpx

        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=httpx.Timeout(self.stall_s, connect=min(CONNECT_TIMEOUT_S, self.stall_s), pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    @property
    def http(self) -> "httpx.AsyncClient":
        """The opened client."""
        if self._http is None:
            raise UpstreamGone("the server is not open")
        return self._http

    async def health(self) -> dict[str, Any]:
        """Ollama's version, or why it does not answer."""
        shown = {"backend": self.kind, "upstream": self.url}
        try:
            async with self._failures():
                response = await self.http.get("/api/version", timeout=CONNECT_TIMEOUT_S)
                return {"ok": response.status_code == 200, **shown, **response.json()}
        except (UpstreamGone, TooSlow, ValueError) as error:
            return {"ok": False, **shown, "error": str(error)}

    async def facts(self, asked: Asked) -> ModelFacts | None:
        """What `show` says of the model; None when it refuses, since the request's own answer says why."""
        return await self._shown.facts(asked)

    async def _show(self, model: str) -> Mapping[str, Any] | None:
        async with self._failures():
            response = await self.http.post("/api/show", json={"model": model, "verbose": True})
        if response.status_code != 200:
            return None
        try:
            shown = response.json()
        except ValueError:
            return None
        return shown if isinstance(shown, dict) else None

    async def answer(self, asked: Asked, http: HttpRequest, headers: dict[str, str]) -> HttpResponse:
        """Send a request on; its answer comes back as it is, piece by piece if it is a stream."""
        return await self._forward(http, asked.raw, headers, asked)

    async def look(self, path: str, raw: bytes, http: HttpRequest) -> HttpResponse | None:
        """Send any other request on."""
        return await self._forward(http, raw, {}, None)

    async def _forward(
        self, http: HttpRequest, raw: bytes, headers: dict[str, str], asked: Asked | None
    ) -> HttpResponse:
        sent = {name: value for name, value in http.headers.items() if name in SENT_ON}
        target = http.url.path + (f"?{http.url.query}" if http.url.query else "")
        request = self.http.build_request(http.method, target, content=raw or None, headers=sent)
        response = await unless_disconnected(http, self._send(request), self.answer_s)
        back = {k: v for k, v in response.headers.items() if k not in NOT_SENT_BACK} | headers
        if asked is not None and asked.wants_stream and response.status_code == 200:
            back.pop("content-length", None)
            stream = self._pieces(response, asked)
            return LimitedStream(stream, None, self.answer_s, response.status_code, back)
        whole = await unless_disconnected(http, self._whole(response), self.answer_s)
        return HttpResponse(whole, response.status_code, back)

    async def _send(self, request: "httpx.Request") -> "httpx.Response":
        async with self._failures():
            return await self.http.send(request, stream=True)

    async def _whole(self, response: "httpx.Response") -> bytes:
        try:
            async with self._failures():
                return b"".join([part async for part in response.aiter_raw()])
        finally:
            await response.aclose()

    async def _pieces(self, response: "httpx.Response", asked: Asked) -> AsyncGenerator[bytes, None]:
        """The bytes of a stream; one that breaks off ends with an error in the stream's own form."""
        last = b"\n"
        try:
            async with self._failures():
                async for part in response.aiter_raw():
                    last = part[-1:] or last
                    yield part
        except (UpstreamGone, TooSlow) as error:
            line = encode(asked.dialect, error_body(asked.dialect, 502, error.message))
            yield line if last == b"\n" else b"\n" + line
        finally:
            await response.aclose()

    @asynccontextmanager
    async def _failures(self) -> AsyncGenerator[None, None]:
        import httpx

        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UpstreamGone(f"{self.url}: no Ollama server answers", START_IT) from error
        except httpx.TimeoutException as error:
            raise TooSlow(f"{self.url}: silent for {self.stall_s:g} s") from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UpstreamGone(f"{self.url}: the connection broke off: {reason}", START_IT) from error
