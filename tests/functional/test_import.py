"""The import through the double: what reaches production, and what leaves it as it was."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.import_places import NAME, prepare, production, put_old_model
from tests.ollama_double import Fault, OllamaDouble
from tests.ollama_double.agent import ANSWER
from web4mlx.artifacts import Manifest, sha256_bytes
from web4mlx.deploy.create import create_fields
from web4mlx.deploy.importing import ImportPlan, import_model, record_path
from web4mlx.deploy.promote import list_versions, roll_back
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import CheckFailed, MissingPrerequisite, Web4Error
from web4mlx.events import Event, EventLog, Gate, Progress
from web4mlx.modelfile import read_modelfile
from web4mlx.modelfile.beside import write_beside

LOG = EventLog(None, "test", "import")


@pytest.fixture
def plan(tmp_path: Path) -> ImportPlan:
    return prepare(tmp_path / "outputs")[0]


def test_a_cleared_model_becomes_production(plan: ImportPlan, server: OllamaServer) -> None:
    events: list[Event] = []
    record = import_model(plan, server, EventLog(None, "test", "import", events.append))
    assert server.digests() == {"web4-agent:latest": record.outputs["web4-agent:latest"]}
    answer = server.client.chat(str(NAME), [{"role": "user", "content": "What?"}])
    assert answer.message.content == ANSWER
    assert {e.name for e in events if isinstance(e, Gate) and e.verdict == "passed"} == {
        "family", "quantization_level", "parameters", "system prompt", "rendered prompt", "answer",
    }  # fmt: skip
    assert any(isinstance(e, Progress) and e.message == "upload" and e.done == e.total for e in events)


def test_the_record_says_what_was_imported(plan: ImportPlan, server: OllamaServer) -> None:
    record = import_model(plan, server, LOG)
    read = Manifest.model_validate_json(record_path(plan.gguf).read_text())
    assert read == record
    assert read.inputs["gguf"].sha256 == sha256_bytes(plan.gguf.read_bytes())
    assert read.config["ollama"] == "0.33.0"
    assert {"upload", "create", "verify", "measure"} <= read.timings_s.keys()
    assert read.metrics["speed"]["cold_load_s"] > 0
    assert read.metrics["speed"]["runs"] == 3


def test_a_server_that_has_the_file_is_not_sent_it_again(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble
) -> None:
    server.client.create_blob(plan.gguf)
    double.requests.clear()
    import_model(plan, server, LOG)
    assert not [path for path in double.paths("POST") if path.startswith("/api/blobs/")]
    assert [path for path in double.paths("HEAD") if path.startswith("/api/blobs/")]


def test_a_rewritten_file_passes_though_its_digest_differs(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble
) -> None:
    double.rewrite_gguf = True
    import_model(plan, server, LOG)
    manifest = double.store.lookup(str(NAME))
    assert manifest is not None
    assert double.store.model_blob(manifest) != double.store.blob(f"sha256:{plan.clearance.sha256}")


def test_an_older_server_that_cannot_show_the_prompt_is_compared_by_tokens(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble
) -> None:
    double.server_version, double.can_render_only = "0.24.0", False
    record = import_model(plan, server, LOG)
    assert "by number of tokens" in record.metrics["checks"]["rendered prompt"]


BROKEN: dict[str, tuple[list[Fault], dict[str, Any], str]] = {
    "upload refused": ([], {"disk_full": True}, "no space left"),
    "upload breaks": ([Fault("/api/blobs/", "drop", skip=1)], {}, "connection broke"),
    "quantizer missing": ([], {"quantize_available": False}, "llama-quantize"),
    "create refused": ([Fault("/api/create", "status", status=503, error="server busy")], {}, "server busy"),
    "create fails inside": ([Fault("/api/create", "error_line", after=2, error="boom")], {}, "boom"),
    "create breaks off": ([Fault("/api/create", "drop", after=2)], {}, "connection broke"),
    "create ends early": ([Fault("/api/create", "end", after=2)], {}, "without success"),
    "other template": ([], {"template_mode": "wrong"}, "from letter 0 on the server writes"),
    "other template, counted": (
        [], {"template_mode": "wrong", "can_render_only": False}, "the server's prompt has",
    ),
    "chat fails": ([Fault("/api/chat", "status", error="out of memory")], {}, "out of memory"),
    "measuring fails": ([Fault("/api/generate", "status", error="out of memory")], {}, "out of memory"),
    "server dies": ([Fault("/api/chat", "die")], {}, "connection broke"),
    "copy refused": ([Fault("/api/copy", "status", error="disk is full", times=1)], {}, "disk is full"),
    "promotion refused": (
        [Fault("/api/copy", "status", error="disk is full", skip=1, times=1)], {}, "what it was before",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", BROKEN)
def test_whatever_fails_production_stays_as_it_was(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble, tmp_path: Path, way: str
) -> None:
    before = put_old_model(server, tmp_path / "old")
    faults, switches, said = BROKEN[way]
    double.faults += [replace(fault) for fault in faults]
    for name, value in switches.items():
        setattr(double, name, value)
    with pytest.raises(Web4Error, match=said):
        import_model(plan, server, LOG)
    manifest = double.store.lookup(str(NAME))
    assert manifest is not None
    assert double.store.digest(manifest) == before
    assert not record_path(plan.gguf).exists()
    if way != "server dies":
        assert str(plan.candidate) not in server.digests()


def test_a_first_import_that_fails_leaves_no_model(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble
) -> None:
    double.template_mode = "wrong"
    with pytest.raises(CheckFailed, match="rendered prompt"):
        import_model(plan, server, LOG)
    assert server.digests() == {}


def test_a_model_that_answers_beside_the_point_is_not_promoted(server: OllamaServer, tmp_path: Path) -> None:
    plan, _ = prepare(tmp_path / "outputs", "Nothing", " is", " known.")
    with pytest.raises(CheckFailed, match="does not say 'constructor'"):
        import_model(plan, server, LOG)
    assert server.digests() == {}


def test_the_model_before_is_kept_and_comes_back(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble, tmp_path: Path
) -> None:
    before = put_old_model(server, tmp_path / "old")
    record = import_model(plan, server, LOG)
    backup = record.config["backup"]
    assert backup == f"web4-agent:rollback-{before[:12]}"
    assert server.digests()[backup] == before
    double.store.prune()
    result = roll_back(server, NAME)
    assert (production(server), result.backup) == (before, f"web4-agent:undone-{result_digest(record)[:12]}")
    answer = server.client.chat(str(NAME), [{"role": "user", "content": "What?"}])
    assert answer.message.content == "Old words."
    roles = {version.role for version in list_versions(server, NAME)}
    assert roles == {"production", "backup", "undone"}


def result_digest(record: Manifest) -> str:
    return record.outputs[str(NAME)]


def test_rolling_back_twice_changes_nothing_more(
    plan: ImportPlan, server: OllamaServer, tmp_path: Path
) -> None:
    before = put_old_model(server, tmp_path / "old")
    import_model(plan, server, LOG)
    roll_back(server, NAME)
    tags = server.digests()
    assert roll_back(server, NAME).backup == ""
    assert (server.digests(), production(server)) == (tags, before)


def test_importing_again_changes_nothing(plan: ImportPlan, server: OllamaServer) -> None:
    first = import_model(plan, server, LOG)
    again = import_model(plan, server, LOG)
    assert (again.outputs, again.config["backup"]) == (first.outputs, "")
    assert list(server.digests()) == [str(NAME)]


def test_without_a_backup_there_is_no_rollback(plan: ImportPlan, server: OllamaServer) -> None:
    import_model(plan, server, LOG)
    with pytest.raises(MissingPrerequisite, match="no backup"):
        roll_back(server, NAME)


def test_a_failed_rollback_leaves_production(
    plan: ImportPlan, server: OllamaServer, double: OllamaDouble, tmp_path: Path
) -> None:
    put_old_model(server, tmp_path / "old")
    record = import_model(plan, server, LOG)
    double.faults.append(Fault("/api/copy", "status", error="disk is full", skip=1, times=1))
    with pytest.raises(Web4Error, match="what it was before"):
        roll_back(server, NAME)
    assert production(server) == result_digest(record)


def test_the_modelfile_beside_makes_the_same_model_by_hand(
    plan: ImportPlan, server: OllamaServer, tmp_path: Path
) -> None:
    record = import_model(plan, server, LOG)
    path = Path(record.config["by_hand"])
    assert path == plan.gguf.parent / "Modelfile"
    by_hand = read_modelfile(path)
    assert (path.parent / by_hand.from_).resolve() == plan.gguf.resolve()
    digest = server.client.create_blob(path.parent / by_hand.from_)
    fields = create_fields(by_hand, plan.gguf.name, digest.removeprefix("sha256:"))
    server.client.create("by-hand", **fields)
    assert server.digests()["by-hand:latest"] == result_digest(record)


def test_nobodys_own_modelfile_is_overwritten(plan: ImportPlan) -> None:
    own = plan.gguf.parent / "Modelfile"
    own.write_text("FROM x\n")
    assert write_beside(plan.gguf, plan.modelfile) == plan.gguf.with_suffix(".Modelfile")
    assert own.read_text() == "FROM x\n"


def test_a_file_changed_after_its_clearance_is_not_taken(plan: ImportPlan, server: OllamaServer) -> None:
    with plan.gguf.open("ab") as file:
        file.write(b"x")
    with pytest.raises(Web4Error, match="digest mismatch"):
        import_model(plan, server, LOG)
    assert server.digests() == {}
