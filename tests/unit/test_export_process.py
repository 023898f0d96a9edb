"""Tools in processes of their own: lines as they come, failures explained, nothing left running."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from web4mlx.errors import CheckFailed, StageCrashed
from web4mlx.events import EventLog, Progress
from web4mlx.export.convert import Step, convert, quantize
from web4mlx.export.process import run_tool
from web4mlx.export.toolchain import Toolchain

CONVERTER_LINES = r"""
import sys, time
print("INFO:gguf.gguf_writer:Writing the following files:")
for line in ("Writing:   0%|          | 0.00/158M [00:00<?, ?byte/s]",
             "Writing:  49%|####      | 77.8M/158M [00:10<01:05, 7.8Mbyte/s]",
             "Writing: 100%|##########| 158M/158M [00:20<00:00, 7.9Mbyte/s]"):
    sys.stderr.write("\r" + line)
"""
QUANTIZER_LINES = r"""
print("[   1/   2] output.weight - [ 256, 100], type = f16, converting to q6_K .. size = 3.00 MiB")
print("warning: blk.0 - ncols 576 not divisible by 256 (required for type q4_K) -> falling back to q5_0")
print("[   2/   2] blk.0.attn_q.weight - [ 256, 100], type = f16, converting to q4_K .. size = 1.00 MiB")
print("llama_model_quantize_impl: quant size = 1 MiB")
"""


class Scripted(Toolchain):
    """A toolchain whose tools are a Python script that also writes the target."""

    script = ""

    def _command(self, target: Path) -> list[str]:
        return [sys.executable, "-c", f"open({str(target)!r}, 'w').close()\n{self.script}"]

    def convert_command(self, model: Path, out: Path, name: str) -> list[str]:
        return self._command(out)

    def quantize_command(self, source: Path, target: Path, file_type: tuple[str, int]) -> list[str]:
        return self._command(target)


def scripted(script: str) -> Toolchain:
    kind = type("Script", (Scripted,), {"script": script})
    tools: Toolchain = kind(Path("x"), None, {})
    return tools


def run_python(code: str, **options: object) -> list[str]:
    return run_tool([sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def test_a_carriage_return_ends_a_line_too() -> None:
    seen: list[str] = []
    assert run_python(r"print('a\rb\nc', end='')", on_line=seen.append) == ["a", "b", "c"]
    assert seen == ["a", "b", "c"]


def test_an_abort_is_an_error_that_quotes_the_last_lines(tmp_path: Path) -> None:
    code = "import os; print('GGML_ASSERT failed', flush=True); os.abort()"
    with pytest.raises(StageCrashed, match="SIGABRT") as caught:
        run_python(code, log=tmp_path / "log")
    assert "GGML_ASSERT failed" in caught.value.message
    assert str(tmp_path / "log") in caught.value.hint
    assert "GGML_ASSERT failed" in (tmp_path / "log").read_text()


def test_a_failing_tool_names_its_exit_code() -> None:
    with pytest.raises(StageCrashed, match="exit code 3"):
        run_python("raise SystemExit(3)")


def test_tools_get_no_network_and_no_foreign_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_LOCAL_GGUF", "1")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    code = "import os; print(os.environ['HF_HUB_OFFLINE'], 'NO_LOCAL_GGUF' in os.environ)"
    assert run_python(code) == ["1 False"]


def test_an_interruption_ends_the_tool() -> None:
    seen: list[int] = []

    def interrupt(line: str) -> None:
        seen.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_python("import os, time; print(os.getpid(), flush=True); time.sleep(60)", on_line=interrupt)
    assert not psutil.pid_exists(seen[0])


def test_progress_of_the_converter_is_its_own(tmp_path: Path) -> None:
    events: list[Progress] = []
    step = Step(tmp_path, tmp_path / "f16", tmp_path / "log")
    convert(scripted(CONVERTER_LINES), step, "x", EventLog(None, "r", "export", events.append))  # type: ignore[arg-type]
    assert [(event.done, event.eta_s) for event in events] == [(0, None), (49, 65.0), (100, 0.0)]


def test_an_unknown_tokenizer_differs_from_the_base(tmp_path: Path) -> None:
    script = "raise NotImplementedError('BPE pre-tokenizer was not recognized - update get_vocab_base_pre()')"
    step = Step(tmp_path, tmp_path / "f16", tmp_path / "log")
    with pytest.raises(CheckFailed, match="tokenizer differs from the base"):
        convert(scripted(script), step, "x", EventLog(None, "r", "export"))


def test_the_quantizer_reports_tensors_and_fallbacks(tmp_path: Path) -> None:
    events: list[Progress] = []
    step = Step(tmp_path / "f16", tmp_path / "q4", tmp_path / "log")
    log = EventLog(None, "r", "export", events.append)  # type: ignore[arg-type]
    fallbacks = quantize(scripted(QUANTIZER_LINES), step, "Q4_K_M", log, 4 * 2**20)
    assert [(event.done, event.total) for event in events] == [(1, 2), (2, 2)]
    assert events[-1].eta_s == 0
    assert len(fallbacks) == 1
    assert os.path.exists(tmp_path / "log")
