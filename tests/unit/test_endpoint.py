"""Addresses of model servers: all forms of OLLAMA_HOST, and this machine only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web4mlx.deploy.names import parse_model_name, refuse_case_clash
from web4mlx.deploy.preconditions import LEAST_VERSION, parse_version
from web4mlx.engines.endpoint import is_loopback, parse_endpoint
from web4mlx.errors import UsageError

FORMS = {
    "": "http://127.0.0.1:11434",
    "127.0.0.1": "http://127.0.0.1:11434",
    "127.0.0.1:5000": "http://127.0.0.1:5000",
    ":5000": "http://127.0.0.1:5000",
    "localhost": "http://localhost:11434",
    "http://localhost": "http://localhost:80",
    "https://localhost": "https://localhost:443",
    "HTTP://localhost:1/": "http://localhost:1",
    "localhost:1/prefix/": "http://localhost:1/prefix",
    "[::1]:1": "http://[::1]:1",
    "[::1]": "http://[::1]:11434",
    "0.0.0.0": "http://127.0.0.1:11434",
    ' "127.0.0.1:11434" ': "http://127.0.0.1:11434",
}


@pytest.mark.parametrize("text", FORMS)
def test_each_form_of_an_address_is_understood(text: str) -> None:
    assert parse_endpoint(text, 11434) == FORMS[text]


@pytest.mark.parametrize("text", ["10.0.0.5", "example.com:11434", "http://192.168.1.2", "[2001:db8::1]:1",
                                  "127.0.0.1.example.com", "http://localhost.example.com"])  # fmt: skip
def test_another_machine_is_refused_unless_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="not this machine"):
        parse_endpoint(text, 11434)
    assert parse_endpoint(text, 11434, allow_remote=True)


@pytest.mark.parametrize("text", ["::1", "ftp://localhost", "localhost:99999", "localhost:x", "a b",
                                  "http://user:secret@localhost", "http://localhost?x=1"])  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        parse_endpoint(text, 11434)


@given(st.text(max_size=40))
def test_any_text_is_an_address_of_this_machine_or_refused(text: str) -> None:
    try:
        url = parse_endpoint(text, 11434)
    except UsageError:
        return
    from urllib.parse import urlsplit

    assert is_loopback(urlsplit(url).hostname or "")


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("web4-agent", "web4-agent:latest"),
        ("web4-agent:v1.2", "web4-agent:v1.2"),
        ("team/web4:x", "team/web4:x"),
        ("A" * 80, "A" * 80 + ":latest"),
    ],
)
def test_valid_names_are_completed(text: str, full: str) -> None:
    assert str(parse_model_name(text)) == full


@pytest.mark.parametrize(
    "text",
    ["", ":x", "a:", "a b", "A" * 81, "a:" + "t" * 81, "-a", "../a", "a/b/c", "host:1/a/b:c", "t.x/a",
     "a:cloud", "a:Local", "a:7b-cloud", "a:candidate-1", "a:rollback-1", "ä"],
)  # fmt: skip
def test_names_that_mean_something_else_are_refused_before_any_request(text: str) -> None:
    with pytest.raises(UsageError, match="no name|means a place|made by imports"):
        parse_model_name(text)


def test_a_name_that_differs_in_case_only_is_refused() -> None:
    existing = ["Web4-Agent:latest", "other:v1"]
    with pytest.raises(UsageError, match="differs in case only"):
        refuse_case_clash(parse_model_name("web4-agent:v2"), existing)
    with pytest.raises(UsageError, match="differs in case only"):
        refuse_case_clash(parse_model_name("other:V1"), existing)
    refuse_case_clash(parse_model_name("other:v1"), existing)
    refuse_case_clash(parse_model_name("new"), existing)


def test_tags_of_ours_belong_to_one_production_tag() -> None:
    latest, stable = parse_model_name("a"), parse_model_name("a:stable")
    digest = "0123456789abcdef"
    assert str(latest.tagged("rollback-", digest)) == "a:rollback-0123456789ab"
    assert str(stable.tagged("rollback-", digest)) == "a:rollback-stable-0123456789ab"
    assert latest.role_of("rollback-0123456789ab") == "backup"
    assert latest.role_of("rollback-stable-0123456789ab") == "other"
    assert stable.role_of("rollback-stable-0123456789ab") == "backup"
    assert stable.role_of("STABLE") == "production"


@pytest.mark.parametrize(
    ("text", "is_new_enough"),
    [("0.5.4", False), ("0.5.5", True), ("0.33.0-rc2", True), ("v1.0.0", True), ("0.0.0", True),
     ("dev", True), ("0.4.99", False)],
)  # fmt: skip
def test_versions_are_compared_as_numbers(text: str, is_new_enough: bool) -> None:
    assert (parse_version(text) >= LEAST_VERSION) == is_new_enough
