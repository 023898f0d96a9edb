"""A unit for the system's own supervisor: launchd on macOS, systemd on Linux, both for the user alone."""

import plistlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from web4mlx.artifacts import atomic_write
from web4mlx.errors import UsageError

LABEL = "dev.web4mlx.serve"
UNIT = "web4mlx-serve.service"


@dataclass(frozen=True, slots=True)
class ServiceUnit:
    """A file for the supervisor, and the commands that enable and disable it."""

    path: Path
    text: str
    enable: str
    disable: str


def service_unit(arguments: Sequence[str], folder: Path, platform: str = sys.platform) -> ServiceUnit:
    """The unit that runs `web4mlx serve` with these arguments.

    The token is not written into it: it belongs into a file that only the user reads.

    Args:
        arguments: Options of `serve`.
        folder: Where it is started; paths of the configuration count from there.
        platform: `sys.platform`, a parameter for tests.

    Raises:
        UsageError: The system has neither supervisor, or an argument cannot be written.
    """
    command = [sys.executable, "-m", "web4mlx", "serve", *arguments]
    if platform == "darwin":
        return _launchd(command, folder)
    if platform == "linux":
        return _systemd(command, folder)
    raise UsageError(f"no service for {platform}: launchd on macOS and systemd on Linux are known")


def _launchd(command: list[str], folder: Path) -> ServiceUnit:
    path = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    content = {
        "Label": LABEL,
        "ProgramArguments": command,
        "WorkingDirectory": str(folder),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "StandardErrorPath": str(Path.home() / "Library" / "Logs" / f"{LABEL}.log"),
    }
    return ServiceUnit(
        path,
        plistlib.dumps(content, sort_keys=False).decode(),
        f"launchctl bootstrap gui/$(id -u) {path}",
        f"launchctl bootout gui/$(id -u)/{LABEL}",
    )


def _systemd(command: list[str], folder: Path) -> ServiceUnit:
    path = Path.home() / ".config" / "systemd" / "user" / UNIT
    text = f"""[Unit]
Description=web4mlx: the assistant's server
After=network.target

[Service]
ExecStart={" ".join(map(systemd_quoted, command))}
WorkingDirectory={systemd_quoted(str(folder))}
Restart=on-failure
RestartSec=5
NoNewPrivileges=true
PrivateTmp=true

[Install]
WantedBy=default.target
"""
    enable = f"systemctl --user daemon-reload && systemctl --user enable --now {UNIT}"
    return ServiceUnit(path, text, enable, f"systemctl --user disable --now {UNIT}")


def systemd_quoted(argument: str) -> str:
    """An argument as systemd reads it back.

    Raises:
        UsageError: It contains a line break.
    """
    if "\n" in argument:
        raise UsageError(f"{argument!r}: a unit cannot hold a line break")
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != argument or " " in argument or not argument else argument


def install(unit: ServiceUnit) -> None:
    """Write the unit; an existing one is replaced."""
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(unit.path, unit.text)
