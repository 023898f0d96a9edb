"""Isolation for every test: own home, own caches, own folder, no network."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
settings.register_profile("shared-cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-cores")
_connect = socket.socket.connect


def _refuse_network(self: socket.socket, address: object) -> None:
    host = address[0] if isinstance(address, tuple) else ""
    if self.family == socket.AF_UNIX or host in ("127.0.0.1", "::1", "localhost"):
        _connect(self, address)
        return
    raise OSError(f"tests do not use the network; something tried to reach {address}")


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point everything a program may write to at a temporary folder, and refuse connections."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("WEB4MLX_", "OLLAMA_", "HF_", "LLAMA_CPP")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WEB4MLX_CACHE", str(home / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("WEB4MLX_THREADS", "1")  # spinning threads of parallel tests would stall each other
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setattr(socket.socket, "connect", _refuse_network)


OFF_BY_DEFAULT = {
    "slow": "minutes of compute",
    "mac": "needs Apple silicon",
    "gpu": "needs a GPU",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip slow, mac and gpu tests, with a reason, unless -m asks for them."""
    if config.getoption("-m"):
        return
    for item in items:
        for name, reason in OFF_BY_DEFAULT.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"NOT TESTED HERE: {reason}; run with -m {name}"))


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
