"""Small sources for the retrieval store, and an embedder that needs no model: hashed words as vectors."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from web4mlx.events import EventLog
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.build_report import BuildReport
from web4mlx.rag.embedder import Embedder, EmbedderIdentity, Report
from web4mlx.rag.settings import SourceRules

RULES = SourceRules(process_docs=("*/docs/*.md",))
MODERN = """\
# 📋 **PDCA Cycle: Component versioning conflicts**

**🗓️ Date:** 2025-10-27
**🎯 Objective:** Solve the version conflict of components
**👤 Agent Name:** Save/Restart Agent → versioning
**👤 Agent Role:** Developer → tooling
**📊 CMM Level:** CMM3
**🔗 Previous PDCA:** [GitHub](https://x.org/a/b/blob/dev/pdca/gone.md) | [§/x](2025-10-26-UTC-2415-start.md)

---
## **📊 SUMMARY**

### **TRON Feedback (2025-10-27-UTC-1415)**
> please never guess
> a version number

We pinned everything.

## **📋 PLAN**

Pin versions of all components in one file.

```bash
# Do not parse this
## Do
```

### 🔧 Do

Pinned them.

## ✅ CHECK

All tests pass.
"""
OLD = """\
# PDCA start
Agent: SaveRestartAgent
Session: s-1

## Objective
Start with the unicorn importer.
## 1. Plan
Read the manual.
## 2. DO
Read it.
## 3. Check (results)
It was read.
## 4. Act
Manuals help.
"""
TEMPLATE = """\
# PDCA: Connect the bus

PRECEDES: none
FOLLOWS: [2025-10-27-UTC-1415-version.md]

- Agent: Ada
- Role: Developer

## Objective
Connect penguins to the bus.
## Plan
Trigger: polling.
## Do
Connected.
## Check
Verified.
## Act
Agree first.
"""
CLASS = """\
export class DefaultUnicorn {
  constructor() {}
  init(scenario: Scenario): this { this.model = scenario.model; return this; }
  toScenario(): Scenario { return { ior: 'x', owner: 'y', model: this.model }; }
}
"""
GUIDE = "# Release guide\n\nHow releases are made.\n\n## Steps\n\nTag the commit, then publish it.\n"
TOOL = (
    '{"instruction": "Read %s.tsx", "input": "", "output": "{\\"name\\": \\"read_file\\"}", "metadata": '
    '{"tool_name": "read_file", "tool_ecosystem": "%s", "usage_pattern": "simple", "is_negative": false, '
    '"sample_id": "t%d"}}\n'
)
FILES = {
    "pdca/2025-10-26-UTC-2415-start.md": OLD,
    "pdca/2025-10-27-UTC-1415-version.md": MODERN,
    "sprint/pdca/20251028-101500-Ada.Developer.pdca.md": TEMPLATE,
    "src/layer2/DefaultUnicorn.ts": CLASS,
    "docs/release.md": GUIDE,
}
START, VERSION, BUS = list(FILES)[:3]


class WordEmbedder(Embedder):
    """Counts words as tokens, and gives texts that share words similar vectors.

    Args:
        name: Another name makes another embedder.
        window: Most words of a text.
    """

    def __init__(self, name: str = "words", window: int = 64) -> None:
        self.name, self.window, self.encoded = name, window, 0

    @property
    def identity(self) -> EmbedderIdentity:  # type: ignore[override]
        return EmbedderIdentity(self.name, "1", 384, self.window)

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2

    def encode(self, texts: Sequence[str], progress: Report | None = None) -> NDArray[np.float32]:
        self.encoded += len(texts)
        vectors = np.zeros((len(texts), 384), np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split():
                digest = hashlib.sha256(word.strip(".,:;#*").encode()).digest()
                vectors[row, int.from_bytes(digest[:4], "big") % 384] += 1.0
            vectors[row] /= max(float(np.linalg.norm(vectors[row])), 1e-9)
        if progress is not None:
            progress(len(texts), len(texts))
        return vectors


def write_files(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Write a source; without files the small one of this module."""
    for name, text in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def write_tools(folder: Path) -> Path:
    """Write six tool examples for two ecosystems."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [TOOL % (f"Part{number}", ("cursor", "custom")[number % 2], number) for number in range(6)]
    (folder / "tool_core.jsonl").write_text("".join(lines), "utf-8")
    return folder


def build(source: Path, db: Path, embedder: Embedder | None = None, tools: Path | None = None) -> BuildReport:
    """Build a store without any output."""
    log = EventLog(None, "test", "rag")
    return build_store(BuildRequest(source, db, tools), RULES, embedder or WordEmbedder(), log)
