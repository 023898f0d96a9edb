"""How long `data check` takes on a corpus of the real size: 39,000 samples, about 20 M tokens.

Usage: python benchmarks/data_check.py --tokenizer models/smollm2-135m-instruct [--folder DIR]

The corpus is generated once into the folder: `--source sample` is that of `web4mlx data sample --scale full`,
`--source random` is made of pseudo-words and code lines.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from web4mlx.config.schema import RunConfig
from web4mlx.data.check import check_data
from web4mlx.data.corpus import write_corpus
from web4mlx.data.report import DataReport
from web4mlx.events import Event, EventLog, Metric
from web4mlx.models.tokenizer import ChatTokenizer

SHARES = {
    "style_core": 12, "domain_patterns": 8, "process_framework": 5, "domain_representatives": 3,
    "style_refactor": 3, "guardrails": 2, "tool_awareness": 1, "reporting_protocol": 3, "eval": 2,
}  # fmt: skip
WORDS_PER_SAMPLE = 150
LIMIT_S = 180.0


def make_words(chance: random.Random, count: int) -> list[str]:
    parts = (
        "sce",
        "na",
        "rio",
        "lay",
        "er",
        "com",
        "po",
        "nent",
        "in",
        "it",
        "mo",
        "del",
        "ob",
        "ject",
        "ver",
        "ify",
    )
    return ["".join(chance.choices(parts, k=chance.randint(1, 3))) for _ in range(count)]


def make_output(chance: random.Random, words: list[str]) -> str:
    lines = []
    for _ in range(WORDS_PER_SAMPLE // 12):
        a, b, c = chance.choices(words, k=3)
        lines.append(f"  {a}{b.title()}(value: string): this {{ return this.{c}; }}")
        lines.append(" ".join(chance.choices(words, k=8)) + ".")
    if chance.random() < 0.05:
        lines.append(f'const password = "{chance.choice(words)}{chance.randint(1000, 9999)}";')
    return "\n".join(lines)


def write_random_corpus(folder: Path, rows: int) -> None:
    chance = random.Random(7)
    words = make_words(chance, 4000)
    for stem, share in SHARES.items():
        with (folder / f"{stem}.jsonl").open("w", encoding="utf-8") as file:
            for number in range(rows * share // sum(SHARES.values())):
                flags = {"is_eval": True, "never_train": True} if stem == "eval" else {}
                row = {
                    "instruction": "Write the component " + " ".join(chance.choices(words, k=12)),
                    "input": "",
                    "output": make_output(chance, words),
                    "metadata": {"task_type": stem, "sample_id": f"{stem}-{number:05d}", **flags},
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def print_event(event: Event) -> None:
    if isinstance(event, Metric):
        print(f"{event.name:<24}{event.value:8.1f} {event.unit}")


def make_corpus(folder: Path, source: str, rows: int) -> None:
    folder.mkdir(parents=True)
    if source == "random":
        write_random_corpus(folder, rows)
    else:
        write_corpus(folder, "full", 7, EventLog(None, "bench", "sample"))


def check_corpus(work: Path, folder: Path, tokenizer: Path) -> DataReport:
    (work / "Modelfile").write_text('FROM ./none.gguf\nSYSTEM """You are the Web4 agent."""\n', "utf-8")
    training = [folder / f"{stem}.jsonl" for stem in SHARES if stem != "eval"]
    data = {"train": training, "eval": folder / "eval.jsonl"}
    config = RunConfig.model_validate(
        {"outputs": work / "outputs", "modelfile": work / "Modelfile", "data": data}
    )
    return check_data(config, ChatTokenizer(tokenizer), EventLog(None, "bench", "data", print_event))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", type=Path, required=True, help="a model folder")
    parser.add_argument("--source", choices=("sample", "random"), default="sample")
    parser.add_argument("--rows", type=int, default=39_000, help="of a random corpus")
    parser.add_argument("--folder", type=Path, help="holds the nine files; made when it does not exist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "data"
        if not folder.exists():
            make_corpus(folder, arguments.source, arguments.rows)
        started = time.monotonic()
        report = check_corpus(Path(temporary), folder, arguments.tokenizer)
        seconds = time.monotonic() - started
    print_result(report, seconds)
    if seconds > LIMIT_S:
        raise SystemExit(f"slower than {LIMIT_S:.0f} s")


def print_result(report: DataReport, seconds: float) -> None:
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    print(f"rows                    {report.train_rows + report.eval_rows:8d}")
    print(f"training tokens         {report.train_tokens:8d}")
    print(f"errors                  {len(report.errors):8d}")
    print(f"warnings                {len(report.warnings):8d}")
    for name, who in (("parent", resource.RUSAGE_SELF), ("worker", resource.RUSAGE_CHILDREN)):
        print(f"peak memory of {name}   {resource.getrusage(who).ru_maxrss * unit / 1e6:8.0f} MB")
    print(f"total                   {seconds:8.1f} s")


if __name__ == "__main__":
    main()
