"""Twenty clients chat with a served GGUF for a minute: are all answered, and does anything leak?

    python benchmarks/serve_load.py GGUF --modelfile FILE [--clients N] [--seconds S] [--json] [--out FILE]

The server is a process of its own, the clients are the official one of Ollama. A third of the chats is left
after its first piece. Threads, open files and memory of the server are taken after the first ten chats and in
the end, when it is idle again.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ollama
import psutil
from options import plain_parser, show

CONFIG = 'outputs = "{folder}"\nmodelfile = "{modelfile}"\n[data]\ntrain = ["a.jsonl"]\neval = "e.jsonl"\n'
QUESTION = [{"role": "user", "content": "Explain the empty constructor pattern."}]
SETTLE_S = 8.0  # longer than the server keeps an idle connection


@dataclass
class Load:
    """What came of the chats."""

    url: str
    model: str
    outcomes: Counter[str] = field(default_factory=Counter)
    first_s: list[float] = field(default_factory=list)

    def chat(self, number: int) -> None:
        """One chat; every third is left early."""
        client = ollama.Client(self.url, trust_env=False, timeout=120)
        start = time.perf_counter()
        try:
            pieces = client.chat(self.model, QUESTION, stream=True, options={"num_predict": 32})
            said = [next(pieces)]
            self.first_s.append(time.perf_counter() - start)
            if number % 3 == 0:
                self.outcomes["left"] += 1
                return
            said += pieces
            self.outcomes["answered" if said[-1].done else "cut off"] += 1
        except (ollama.ResponseError, ConnectionError) as error:
            self.outcomes[f"error: {error}"] += 1

    def keep_chatting(self, client: int, deadline: float) -> None:
        """Chats until the time is over."""
        number = client
        while time.monotonic() < deadline:
            self.chat(number)
            number += 1


def state(process: psutil.Process) -> dict[str, float]:
    """Threads, open files and memory."""
    memory = process.memory_info().rss
    return {"threads": process.num_threads(), "files": process.num_fds(), "memory_mb": round(memory / 1e6, 1)}


def measure(gguf: Path, modelfile: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Start the server, chat, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "load.toml"
        config.write_text(CONFIG.format(folder=folder, modelfile=modelfile.absolute()), "utf-8")
        command = [sys.executable, "-m", "web4mlx", "serve", "-c", str(config), "--gguf", str(gguf)]
        server = subprocess.Popen(
            [*command, "--port", "0", "--name", "load"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            load = Load(server.stdout.readline().strip(), "load")
            return run(load, psutil.Process(server.pid), clients, seconds)
        finally:
            server.terminate()
            server.wait(60)


def run(load: Load, process: psutil.Process, clients: int, seconds: float) -> dict[str, Any]:
    """The chats, and the server's state before and after."""
    for number in range(1, 11):
        load.chat(number)
    time.sleep(SETTLE_S)
    before = state(process)
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda client: load.keep_chatting(client, deadline), range(clients)))
    time.sleep(SETTLE_S)
    cuts = statistics.quantiles(load.first_s, n=20)
    return {
        "clients": clients,
        "outcomes": dict(load.outcomes),
        "first piece": {"median_s": round(statistics.median(load.first_s), 3), "p95_s": round(cuts[18], 3)},
        "before": before,
        "after": state(process),
    }


def render(result: dict[str, Any]) -> str:
    """As lines."""
    return "\n".join(f"{name}: {value}" for name, value in result.items())


def main() -> None:
    """Measure and show."""
    parser = plain_parser(__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--modelfile", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    show(measure(args.gguf, args.modelfile, args.clients, args.seconds), args, render)


if __name__ == "__main__":
    main()
