import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.micro_gguf import alphabet, babble, write_micro_gguf
from web4mlx.engines.base import Request, SamplingOptions
from web4mlx.engines.llamacpp import LlamaCppEngine
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

CHAT = ({"role": "user", "content": "Hello"},)
GREEDY = SamplingOptions(temperature=0, max_tokens=10)


def request(name: str = "one", **options: object) -> Request:
    return Request(name, CHAT, options=SamplingOptions(**{"temperature": 0, "max_tokens": 10, **options}))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("gguf")
    leaking = {"\n": {"a": 20.0}, "a": {"<|im_start|>": 20.0}}
    ending = {"\n": {"a": 20.0}, "a": {"<|im_end|>": 20.0}}
    return {
        "alphabet": write_micro_gguf(folder / "alphabet.gguf", alphabet()),
        "babble": write_micro_gguf(folder / "babble.gguf", babble()),
        "leaking": write_micro_gguf(folder / "leaking.gguf", leaking),
        "ending": write_micro_gguf(folder / "ending.gguf", ending),
    }


@pytest.fixture(scope="module")
def babbler(models: dict[str, Path]) -> Iterator[LlamaCppEngine]:
    with LlamaCppEngine(models["babble"], context=256, parallel=4, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def speller(models: dict[str, Path]) -> Iterator[LlamaCppEngine]:
    with LlamaCppEngine(models["alphabet"], context=256, threads=1) as engine:
        yield engine


def test_the_answer_is_what_the_model_says(speller: LlamaCppEngine) -> None:
    (response,) = speller.generate([request()])
    assert response.text == "abcdefghij"
    assert response.completion_tokens == 10
    assert response.prompt_tokens == len("?user\nHello?\n?assistant\n")
    assert 0 < response.time_to_first_token_s <= response.total_s


def test_max_tokens_ends_by_length(speller: LlamaCppEngine) -> None:
    (response,) = speller.generate([request(max_tokens=3)])
    assert (response.text, response.finish_reason) == ("abc", "length")


def test_the_context_ends_by_length(speller: LlamaCppEngine) -> None:
    (response,) = speller.generate([request(max_tokens=500)])
    assert response.finish_reason == "length"
    assert response.prompt_tokens + response.completion_tokens in (256, 257)


def test_a_stop_string_is_cut_and_no_part_of_it_is_streamed(speller: LlamaCppEngine) -> None:
    stream = speller.stream(request(stop=("def",)))
    assert "".join(stream) == "abc"
    assert stream.response is not None
    assert (stream.response.text, stream.response.finish_reason) == ("abc", "stop")


def test_an_end_token_ends_the_answer_and_is_not_in_it(models: dict[str, Path]) -> None:
    with LlamaCppEngine(models["ending"], context=256, threads=1) as engine:
        (response,) = engine.generate([request()])
    assert (response.text, response.finish_reason) == ("a", "stop")


def test_a_control_token_can_be_a_stop_string_and_a_leaked_one_is_seen(models: dict[str, Path]) -> None:
    with LlamaCppEngine(models["leaking"], context=256, threads=1) as engine:
        stopped, leaked = (
            next(engine.generate([request(max_tokens=2, stop=stop)])) for stop in (("<|im_start|>",), ())
        )
    assert (stopped.text, stopped.finish_reason) == ("a", "stop")
    assert leaked.text == "a<|im_start|>"


def test_same_seed_same_text_and_other_seed_other_text(babbler: LlamaCppEngine) -> None:
    def text(seed: int) -> str:
        return next(babbler.generate([request(temperature=2.0, top_p=1.0, max_tokens=24, seed=seed)])).text

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_parallel_requests_all_return_once_with_the_answers_they_have_alone(babbler: LlamaCppEngine) -> None:
    requests = [request(f"r{i}", temperature=1.0, seed=i, max_tokens=4 + i) for i in range(9)]
    alone = {response.id: response.text for response in babbler.generate(requests)}
    together = [(response.id, response.text) for response in babbler.generate(requests, parallel=4)]
    assert len(together) == 9
    assert dict(together) == alone


def test_a_raw_prompt_gets_no_template(speller: LlamaCppEngine) -> None:
    (response,) = speller.generate([Request("raw", prompt="m", options=GREEDY)])
    assert (response.text, response.prompt_tokens) == ("nopqrstuvw", 1)


def test_an_over_long_prompt_is_refused_with_its_length(speller: LlamaCppEngine) -> None:
    too_long = Request("long", ({"role": "user", "content": "x" * 300},), options=GREEDY)
    refused, answered = sorted(speller.generate([too_long, request()]), key=lambda r: r.finish_reason)
    assert refused.finish_reason == "error"
    assert "context holds 256" in refused.error
    assert refused.text == ""
    assert answered.text == "abcdefghij"
    with pytest.raises(UsageError, match="context holds 256"):
        speller.stream(too_long).finish()


def test_repeated_ids_are_refused(speller: LlamaCppEngine) -> None:
    with pytest.raises(UsageError, match="'one' is used twice"):
        list(speller.generate([request(), request()]))


def test_leaving_a_stream_stops_the_generation_and_the_engine_goes_on(speller: LlamaCppEngine) -> None:
    for _ in speller.stream(request(max_tokens=100)):
        break
    assert not [thread for thread in threading.enumerate() if thread.name == "llama-stream"]
    assert next(speller.generate([request()])).text == "abcdefghij"


def test_an_engine_that_was_never_asked_closes_at_once_many_times(models: dict[str, Path]) -> None:
    for _ in range(20):
        with LlamaCppEngine(models["alphabet"], context=256, threads=1) as engine:
            pass
        engine.close()


def threads_left_by_an_engine(gguf: Path) -> set[int]:
    """Native ids of the threads that began while an engine worked and are there when it has closed."""
    before = {thread.id for thread in psutil.Process().threads()}
    with LlamaCppEngine(gguf, context=256, parallel=2, threads=1) as engine:
        list(engine.generate([request("a"), request("b")], parallel=2))
        assert {thread.id for thread in psutil.Process().threads()} - before
    return {thread.id for thread in psutil.Process().threads()} - before


def test_closing_leaves_no_thread(models: dict[str, Path]) -> None:
    # What the engine leaves it leaves each time; a thread that other tests started comes once.
    assert not all([threads_left_by_an_engine(models["alphabet"]) for _ in range(4)])


def test_closing_leaves_no_process_or_socket(models: dict[str, Path]) -> None:
    process = psutil.Process()

    def sockets(kind: str) -> set[tuple[object, ...]]:
        return {(c.fd, c.laddr, c.raddr) for c in process.net_connections(kind)}

    with LlamaCppEngine(models["alphabet"], context=256, threads=1):
        pass
    children = len(process.children())
    network, everything = sockets("inet"), sockets("all")  # other tests may have left some
    with LlamaCppEngine(models["alphabet"], context=256, parallel=2, threads=1) as engine:
        assert sockets("inet") <= network
        list(engine.generate([request("a"), request("b")], parallel=2))
        folder = engine._load.socket.parent
    assert len(process.children()) <= children
    assert sockets("all") <= everything
    assert not folder.exists()
    with pytest.raises(StageCrashed, match="the engine is closed"):
        engine.stream(request()).finish()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-1000], "not within the file bounds"),
        (lambda data: data[:900], "key-value pairs"),
        (lambda data: b"", "magic"),
        (lambda data: b"no model at all" * 99, "magic"),
        (lambda data: data.replace(b"llama", b"zebra", 1), "unknown model architecture: 'zebra'"),
        (lambda data: data.replace(b"blk.0.attn_q.weight", b"blk.0.attn_Q.weight"), "attn_q.weight"),
    ],
    ids=["truncated", "header", "empty", "garbage", "architecture", "tensor missing"],
)
def test_a_damaged_file_is_refused_with_the_reason(
    models: dict[str, Path],
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    reason: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(damage(models["alphabet"].read_bytes()))
    with pytest.raises(StageCrashed) as caught:
        LlamaCppEngine(bad, context=256, threads=1)
    assert str(bad) in caught.value.message
    assert reason in caught.value.message
    assert caught.value.hint
    assert capfd.readouterr().err == ""


def test_a_missing_file_is_a_missing_prerequisite(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match=r"no\.gguf"):
        LlamaCppEngine(tmp_path / "no.gguf")


def test_the_description_names_the_model_by_digest(speller: LlamaCppEngine) -> None:
    described = speller.describe()
    assert described["engine"] == "llama.cpp"
    assert len(described["sha256"]) == len(described["chat_template_sha256"]) == 64
    assert described["context"] == 256
