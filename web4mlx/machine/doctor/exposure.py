"""Whether Ollama can be reached by others, and what the environment says about the Hugging Face Hub.

Ollama has no authentication: whoever reaches its port can create, delete and read models.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from web4mlx.errors import ExitCode
from web4mlx.machine.doctor.facts import OLLAMA_PORT, Facts
from web4mlx.machine.doctor.item import Item, ok, warning
from web4mlx.machine.doctor.listeners import is_loopback

ANY_ORIGIN = re.compile(r"(\w+://)?\*(:(\*|\d+))?")
TRUE_WORDS = ("1", "true", "yes", "on")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
STAY_LOCAL = (
    "Restart Ollama with `OLLAMA_HOST=127.0.0.1:11434` (macOS app: Settings, turn off "
    "`Expose Ollama to the network`)."
)


def check_exposure(facts: Facts) -> Iterator[Item]:
    """Look at Ollama's listeners and at its settings in the environment."""
    yield check_listeners(facts.listeners)
    yield check_settings(facts.environment)


def check_listeners(addresses: tuple[str, ...] | None) -> Item:
    """Judge the addresses at which something listens on Ollama's port."""
    name = "Ollama port"
    if addresses is None:
        return warning(
            name,
            f"cannot see who listens on {OLLAMA_PORT}",
            f"Look for yourself: `netstat -an | grep {OLLAMA_PORT}` should show 127.0.0.1 only.",
        )
    exposed = [address for address in addresses if not is_loopback(address)]
    if exposed:
        detail = f"port {OLLAMA_PORT} listens on {', '.join(exposed)}: others can use and delete your models"
        return _refused(name, detail, STAY_LOCAL)
    if not addresses:
        return ok(name, f"nothing listens on {OLLAMA_PORT}")
    return ok(name, f"listens on {', '.join(addresses)} only")


def check_settings(environment: Mapping[str, str]) -> Item:
    """Judge OLLAMA_HOST and OLLAMA_ORIGINS."""
    name = "Ollama settings"
    host = environment.get("OLLAMA_HOST", "").strip(" \"'")
    origins = environment.get("OLLAMA_ORIGINS", "").strip(" \"'")
    problems = []
    if host and not is_loopback(host_name(host)):
        problems.append(f"OLLAMA_HOST={host} is not this machine alone")
    if any(ANY_ORIGIN.fullmatch(origin.strip()) for origin in origins.split(",")):
        problems.append(f"OLLAMA_ORIGINS={origins} lets any web page use Ollama")
    if problems:
        return _refused(name, "; ".join(problems), "`unset OLLAMA_HOST OLLAMA_ORIGINS`, then restart Ollama.")
    return ok(name, f"OLLAMA_HOST={host}" if host else "defaults (127.0.0.1)")


def host_name(setting: str) -> str:
    """The host in a value of OLLAMA_HOST: `host`, `host:port`, `:port`, or a URL; none is 127.0.0.1."""
    if setting.count(":") > 1 and "/" not in setting and "[" not in setting:
        return setting  # a bare IPv6 address
    try:
        host = urlsplit(setting if "://" in setting else f"http://{setting}").hostname
    except ValueError:
        return setting
    return host or "127.0.0.1"


def check_hub(facts: Facts) -> Item:
    """Say whether the environment keeps us from the Hub, or sends us elsewhere."""
    name = "Hugging Face Hub"
    flags = [flag for flag in OFFLINE if facts.environment.get(flag, "").lower() in TRUE_WORDS]
    if flags:
        return warning(
            name,
            f"{' and '.join(flags)} set: nothing will be downloaded from the Hub",
            f"`unset {' '.join(flags)}` to download a base from the Hub; training itself needs no network.",
        )
    endpoint = facts.environment.get("HF_ENDPOINT", "")
    return ok(name, f"HF_ENDPOINT={endpoint}" if endpoint else "no offline flags")


def _refused(name: str, detail: str, fix: str) -> Item:
    return Item(name=name, verdict="problem", detail=detail, fix=fix, exit_code=ExitCode.CHECK_FAILED)
