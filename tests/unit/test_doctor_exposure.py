"""The doctor on the network: what others can reach is found, and what is offline is said."""

import os
import socket
from dataclasses import replace

import pytest

from tests.doctor_facts import HEALTHY, verdict
from web4mlx.errors import ExitCode
from web4mlx.machine.doctor import exposure
from web4mlx.machine.doctor.listeners import is_loopback, listening_addresses, parse_netstat

NETSTAT = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp46      0      0  *.11434                *.*                    LISTEN
tcp4       0      0  127.0.0.1.11434        *.*                    LISTEN
tcp4       0      0  127.0.0.1.8080         *.*                    LISTEN
tcp4       0      0  192.168.1.5.11434      192.168.1.9.50000      ESTABLISHED
"""


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((), "ok"),
        (("127.0.0.1",), "ok"),
        (("127.0.0.1", "::1", "::ffff:127.0.0.1"), "ok"),
        (("0.0.0.0",), "problem"),
        (("::",), "problem"),
        (("*",), "problem"),
        (("127.0.0.1", "192.168.1.5"), "problem"),
        (None, "warning"),
    ],
)
def test_a_listener_that_others_can_reach_fails_the_check(
    addresses: tuple[str, ...] | None, expected: str
) -> None:
    item = exposure.check_listeners(addresses)
    assert verdict(item) == expected
    assert item.exit_code == (ExitCode.CHECK_FAILED if expected == "problem" else 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "ok"),
        ("127.0.0.1", "ok"),
        ("127.0.0.1:11434", "ok"),
        ("localhost:11434", "ok"),
        (":5000", "ok"),
        ("http://127.0.0.1", "ok"),
        ("[::1]:11434", "ok"),
        ("::1", "ok"),
        (' "127.0.0.1" ', "ok"),
        ("0.0.0.0", "problem"),
        ("0.0.0.0:11434", "problem"),
        ("http://0.0.0.0:11434/", "problem"),
        ("::", "problem"),
        ("[::]:11434", "problem"),
        ("*", "problem"),
        ("gpu-box", "problem"),
        ("https://ollama.example.org", "problem"),
        ("127.0.0.1.example.org", "problem"),
        ("http://[broken", "problem"),
    ],
)
def test_only_a_loopback_host_is_accepted(host: str, expected: str) -> None:
    assert verdict(exposure.check_settings({"OLLAMA_HOST": host})) == expected


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ("", "ok"),
        ("http://localhost:*,app://obsidian.md", "ok"),
        ("https://*.example.org", "ok"),
        ("*", "problem"),
        ("http://localhost, http://*", "problem"),
        ("https://*:*", "problem"),
    ],
)
def test_origins_that_let_any_page_in_fail_the_check(origins: str, expected: str) -> None:
    assert verdict(exposure.check_settings({"OLLAMA_ORIGINS": origins})) == expected


def test_offline_flags_are_said_with_how_to_lift_them() -> None:
    item = exposure.check_hub(replace(HEALTHY, environment={"HF_HUB_OFFLINE": "1"}))
    assert verdict(item) == "warning"
    assert "`unset HF_HUB_OFFLINE`" in item.fix
    assert verdict(exposure.check_hub(replace(HEALTHY, environment={"HF_HUB_OFFLINE": "0"}))) == "ok"


def test_netstat_of_a_mac_tells_the_listeners_of_the_port() -> None:
    assert parse_netstat(NETSTAT, 11434) == ("*", "127.0.0.1")
    assert parse_netstat(NETSTAT, 1434) == ()


def test_no_netstat_means_that_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("subprocess.run", run)
    assert listening_addresses(11434, "darwin") is None


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="NOT TESTED HERE: reads Linux's sockets")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_real_listener_is_seen_with_its_address(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        assert listening_addresses(port) == (address,)
    assert listening_addresses(port) == ()


def test_loopback_is_127_and_1_and_localhost_only() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.8.8.8", "[::1]", "::1%lo0"))
    assert not any(is_loopback(host) for host in ("", "*", "10.0.0.1", "fe80::1%en0", "localhost.org"))
