"""Secrets: real formats are certain, teaching material is not, and no secret reaches a report."""

import random
import string
from pathlib import Path

import pytest

from tests.data_files import check, findings, make_row, write_rows
from web4mlx.data.secrets import find_secrets


def token(alphabet: str, length: int) -> str:
    return "".join(random.Random(alphabet + str(length)).choices(alphabet, k=length))


ALNUM = string.ascii_letters + string.digits
KEY_BODY = "\n".join(token(ALNUM + "+/", 64) for _ in range(4))
REAL = {
    "AWS Access Key": "AKIA" + token(string.ascii_uppercase + string.digits, 16),
    "GitHub Token": "ghp_" + token(ALNUM, 36),
    "GitLab Token": "glpat-" + token(ALNUM, 20),
    "Slack Token": "xoxb-" + "284756103948-" + token(string.ascii_lowercase + string.digits, 24),
    "Stripe Access Key": "sk_live_" + token(ALNUM, 24),
    "SendGrid API Key": "SG." + token(ALNUM, 22) + "." + token(ALNUM, 43),
    "Private Key": "-----BEGIN RSA PRIVATE KEY-----\n" + KEY_BODY + "\n-----END RSA PRIVATE KEY-----",
}  # fmt: skip


def kinds(text: str) -> dict[str, bool]:
    return {hit.kind: hit.is_certain for hit in find_secrets("output", text, text.lower())}


@pytest.mark.parametrize("kind", REAL)
def test_issued_formats_are_certain(kind: str) -> None:
    assert kinds(f"const a = 1;\nuse('{REAL[kind]}')\n").get(kind) is True


@pytest.mark.parametrize(
    "text",
    [
        "const key = 'AKIAIOSFODNN7EXAMPLE';",
        "token: ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk_live_" + "0" * 24,
        "-----BEGIN RSA PRIVATE KEY-----\n...\n",
        "Never write BEGIN RSA PRIVATE KEY blocks into code.",
        "const password = process.env.DB_PASSWORD;",
        'const password = "<your password>";',
        "Keep the secret in the environment, never in code.",
        "https://user:password@example.com",
    ],
)
def test_placeholders_and_mentions_are_passed_over(text: str) -> None:
    assert kinds(text) == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('const password = "hunter2-blue-horse";', "Secret Keyword"),
        ("postgres://admin:tr0ub4dor@db.internal/x", "Basic Auth Credentials"),
        ('const id = "' + token(ALNUM, 48) + '";', "Base64 High Entropy String"),
    ],
)
def test_what_only_may_be_a_secret_is_possible(text: str, kind: str) -> None:
    assert kinds(text) == {kind: False}


def test_the_text_line_is_right_and_each_kind_is_reported_once() -> None:
    text = f"one\ntwo\n{REAL['GitHub Token']}\n{REAL['GitHub Token']}"
    (hit,) = find_secrets("input", text, text.lower())
    assert (hit.field, hit.text_line) == ("input", 3)


def test_secrets_are_reported_with_place_and_type_but_never_printed(tmp_path: Path) -> None:
    rows = [make_row(f"r{n}", output=f"use this:\n{secret}") for n, secret in enumerate(REAL.values())]
    rows.append(make_row("keyword", input='const password = "hunter2-blue-horse";'))
    write_rows(tmp_path / "train.jsonl", rows)
    report = check(tmp_path)
    found = findings(report, "secret")
    certain = [one for one in found if one.severity == "error"]
    assert [one.line for one in certain] == list(range(1, len(REAL) + 1))
    assert {(one.line, one.field) for one in found if one.severity == "warning"} >= {(len(REAL) + 1, "input")}
    written = (tmp_path / "outputs" / "data_report.json").read_text("utf-8")
    secrets = [secret for secret in REAL.values() if "\n" not in secret] + KEY_BODY.split("\n")
    for secret in [*secrets, "hunter2-blue-horse"]:
        assert secret not in written
