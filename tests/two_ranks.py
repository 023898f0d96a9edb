"""Two ranks of MLX's ring backend on loopback, started by `mlx.launch` or directly."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

LAUNCHER = [sys.executable, "-c", "from mlx._distributed_utils.launch import main; main()"]


def free_port() -> int:
    """A port of loopback that is free together with the next one, as `mlx.launch` takes them."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def launch(command: str, folder: Path) -> "subprocess.Popen[str]":
    """Run a shell command as two ranks with `mlx.launch`, in `folder`."""
    port = str(free_port())
    return subprocess.Popen(
        [*LAUNCHER, "-n", "2", "--backend", "ring", "-p", port, "--", "sh", "-c", command],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def start_ranks(script: str, folder: Path) -> "list[subprocess.Popen[str]]":
    """Start a Python script as two ranks, without `mlx.launch`."""
    port = free_port()
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps([[f"127.0.0.1:{port}"], [f"127.0.0.1:{port + 1}"]]))
    return [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        for rank in range(2)
    ]
