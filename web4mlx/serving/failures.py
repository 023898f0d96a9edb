"""Errors that only a server has, and which status every error has."""

from starlette.responses import JSONResponse, Response

from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error
from web4mlx.serving.asked import DIALECTS
from web4mlx.serving.shapes import error_body

CLIENT_LEFT = 499  # nobody reads it; it stands in the log


class TooLarge(UsageError):
    """The body of a request is larger than the server reads."""


class Busy(StageCrashed):
    """Too many requests wait already."""


class UpstreamGone(StageCrashed):
    """The server behind this one cannot be reached, or broke off."""


class TooSlow(StageCrashed):
    """An answer, or the server behind this one, took too long."""


STATUS: tuple[tuple[type[Web4Error], int], ...] = (
    (TooLarge, 413),
    (UsageError, 400),
    (MissingPrerequisite, 404),
    (Busy, 503),
    (UpstreamGone, 502),
    (TooSlow, 504),
)


def status_of(error: Web4Error) -> int:
    """The status of an error; 500 for one that is the server's own fault."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def failure(path: str, error: Web4Error) -> Response:
    """An error in the shape of the route that was asked."""
    status = status_of(error)
    return JSONResponse(error_body(DIALECTS.get(path, openai_or_not(path)), status, error.message), status)


def openai_or_not(path: str) -> str | None:
    """The dialect of a route that asks for no answer."""
    return "openai" if path.startswith("/v1/") else None
