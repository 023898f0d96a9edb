"""Who can reach a port of this machine: the addresses at which something listens on it."""

import ipaddress
import re
import subprocess
import sys


def listening_addresses(port: int, platform: str = sys.platform) -> tuple[str, ...] | None:
    """The local addresses with a TCP listener on a port, sorted; None when the system does not tell.

    Args:
        port: The port.
        platform: `sys.platform`, a parameter for tests.
    """
    if platform == "darwin":  # psutil needs root there, netstat does not
        return _from_netstat(port)
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return None
    local = [c.laddr for c in connections if c.status == psutil.CONN_LISTEN and c.laddr]
    found = {address.ip for address in local if address.port == port}
    return tuple(sorted(found))


def _from_netstat(port: int) -> tuple[str, ...] | None:
    command = ["/usr/sbin/netstat", "-an", "-p", "tcp"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_netstat(answer.stdout, port)


def parse_netstat(text: str, port: int) -> tuple[str, ...]:
    """The addresses of listeners in macOS's `netstat -an -p tcp`; `*` is every address.

    A line reads `tcp4  0  0  127.0.0.1.11434  *.*  LISTEN`.
    """
    pattern = re.compile(rf"^tcp\w*\s+\d+\s+\d+\s+(\S+)\.{port}\s+\S+\s+LISTEN", re.MULTILINE)
    return tuple(sorted({match[1] for match in pattern.finditer(text)}))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is reachable from this machine only."""
    host = host.strip("[]").split("%")[0]
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
