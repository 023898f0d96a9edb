"""The dashboard in a browser: one process a visitor, on this machine only."""

import shlex
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"


def serve_in_browser(config: str, screen: str, replay: Path | None, speed: float, port: int) -> None:
    """Serve the dashboard on the loopback interface until interrupted.

    Raises:
        MissingPrerequisite: The port is taken.
    """
    from textual_serve.server import Server

    require_free_port(port)
    command = [sys.executable, "-m", "tui", "--config", config]
    command += ["--screen", screen] if screen else []
    command += ["--replay", str(replay), "--speed", str(speed)] if replay is not None else []
    Server(shlex.join(command), host=LOOPBACK, port=port, title="web4mlx").serve()


def require_free_port(port: int) -> None:
    """Make sure that nobody listens there.

    Raises:
        MissingPrerequisite: Somebody does.
    """
    import socket

    from web4mlx.errors import MissingPrerequisite

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise MissingPrerequisite(
                f"port {port} cannot be used: {error.strerror}", "Name another with --port."
            ) from error
