"""Asking an Ollama server that may not be there, without waiting long for it."""

from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import Web4Error
from web4mlx.inventory.tags import Server, list_tags

READ_TIMEOUT_S = 5.0


def ask_ollama(name: str, host: str = "") -> Server:
    """What the server has; when there is none, a `Server` that says why, with the hint.

    Args:
        name: The configured name, which roles refer to.
        host: As in OLLAMA_HOST; empty takes that.
    """
    try:
        with OllamaServer(host, read_timeout_s=READ_TIMEOUT_S) as server:
            return list_tags(server, name)
    except Web4Error as error:
        return Server(url=host, problem=error.message, hint=error.hint)
