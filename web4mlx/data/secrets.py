"""Secrets in samples: what looks like a key or a password, and where; the secret itself is never kept.

The detectors are those of detect-secrets, called directly: none asks the network. Samples teach about
secrets, so placeholders are passed over and only formats that services issue count as certain.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

GITLAB_PREFIXES = (
    "glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "gr1348941",
    "glcbt-", "glimt-", "glptt-", "glagent-", "gloas-",
)  # fmt: skip
# Module and class of detect-secrets, and lower-case words of which one must occur before it is asked.
CERTAIN = (
    ("aws", "AWSKeyDetector", ("akia", "asia", "abia", "acca", "a3t", "aws")),
    ("azure_storage_key", "AzureStorageKeyDetector", ("accountkey=",)),
    ("github_token", "GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    ("gitlab_token", "GitLabTokenDetector", GITLAB_PREFIXES),
    ("npm", "NpmDetector", ("_authtoken",)),
    ("openai", "OpenAIDetector", ("t3blbkfj",)),
    ("pypi_token", "PypiTokenDetector", ("pypi-ag",)),
    ("sendgrid", "SendGridDetector", ("sg.",)),
    ("slack", "SlackDetector", ("xox", "hooks.slack.com")),
    ("square_oauth", "SquareOAuthDetector", ("sq0csp-",)),
    ("stripe", "StripeDetector", ("k_live_",)),
    ("telegram_token", "TelegramBotTokenDetector", (":aa",)),
    ("private_key", "PrivateKeyDetector", ("private key", "putty-user-key")),
)
KEYWORDS = ("key", "pass", "pwd", "secret", "contrase")
PLACEHOLDERS = (
    "example", "placeholder", "changeme", "change_me", "change-me", "your", "dummy", "fake", "redacted",
    "xxxx", "***", "...", "…", "<", "process.env", "insert", "user:pass", "localhost",
)  # fmt: skip
MIN_DISTINCT = 8
MIN_DISTINCT_PASSWORD = 4
REPEATED = re.compile(r"(.)\1{5}")
KEY_BODY = re.compile(r"(?:[A-Za-z0-9+/=]{40,}\s*){2}")
QUOTED_RUN = re.compile(r"(['\"])([A-Za-z0-9+/\\_=-]{16,})\1")
URL_LOGIN = re.compile(r"://[^/\s:@]{1,100}:[^/\s:@]{1,100}@[\w.-]+")


@dataclass(frozen=True, slots=True)
class SecretHit:
    """Something that looks like a secret: its kind, the sample's field and the text line in it (from 1)."""

    field: str
    kind: str
    is_certain: bool
    text_line: int


def find_secrets(field: str, text: str, lowered: str) -> list[SecretHit]:
    """What looks like a secret in one field; one hit a kind, the first.

    Args:
        field: Name of the sample's field.
        text: Its text.
        lowered: The text in lower case.
    """
    hits: dict[str, SecretHit] = {}
    for kind, is_certain, offset in (*_certain(text, lowered), *_possible(text, lowered)):
        if kind not in hits:
            hits[kind] = SecretHit(field, kind, is_certain, text.count("\n", 0, offset) + 1)
    return list(hits.values())


def is_placeholder(value: str, min_distinct: int = MIN_DISTINCT) -> bool:
    """Whether a value stands for a secret instead of being one."""
    from detect_secrets.filters.heuristic import is_sequential_string, is_templated_secret

    lowered = value.lower()
    return (
        any(word in lowered for word in PLACEHOLDERS)
        or len(set(lowered)) < min_distinct
        or REPEATED.search(value) is not None
        or is_templated_secret(value)
        or bool(is_sequential_string(value))
    )


@lru_cache(maxsize=1)
def _detectors() -> list[tuple[Any, tuple[str, ...]]]:
    return [
        (getattr(import_module(f"detect_secrets.plugins.{module}"), name)(), anchors)
        for module, name, anchors in CERTAIN
    ]


def _certain(text: str, lowered: str) -> Iterator[tuple[str, bool, int]]:
    for detector, anchors in _detectors():
        if not any(anchor in lowered for anchor in anchors):
            continue
        for pattern in detector.denylist:
            for match in pattern.finditer(text):
                if detector.secret_type == "Private Key":
                    # The headline alone is a mention; a key has a body of base64 lines.
                    if KEY_BODY.search(text, match.end(), match.end() + 400):
                        yield detector.secret_type, True, match.start()
                elif not is_placeholder(match.group(0)):
                    yield detector.secret_type, True, match.start()


def _possible(text: str, lowered: str) -> Iterator[tuple[str, bool, int]]:
    if "://" in text and "@" in text:
        for match in URL_LOGIN.finditer(text):
            if not is_placeholder(match.group(0)):
                yield "Basic Auth Credentials", False, match.start()
    if "eyj" in lowered:
        for token in _token_detector().analyze_string(text):
            yield "JSON Web Token", False, text.find(token)
    for match in QUOTED_RUN.finditer(text):
        if kind := _entropy_kind(match.group(2)):
            yield kind, False, match.start()
    if any(word in lowered for word in KEYWORDS):
        yield from _keyword_lines(text)


@lru_cache(maxsize=1)
def _token_detector() -> Any:
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return JwtTokenDetector()


@lru_cache(maxsize=1)
def _entropy_detectors() -> tuple[Any, ...]:
    from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString, HexHighEntropyString

    return HexHighEntropyString(), Base64HighEntropyString()


def _entropy_kind(value: str) -> str:
    for detector in _entropy_detectors():
        fits = not set(value) - set(detector.charset)
        if fits and detector.calculate_shannon_entropy(value) > detector.entropy_limit:
            return "" if is_placeholder(value) else str(detector.secret_type)
    return ""


@lru_cache(maxsize=1)
def _keyword_detector() -> Any:
    from detect_secrets.plugins.keyword import KeywordDetector

    return KeywordDetector()


def _keyword_lines(text: str) -> Iterator[tuple[str, bool, int]]:
    offset = 0
    for line in text.split("\n"):
        lowered = line.lower()
        has_quote = '"' in line or "'" in line or "`" in line
        # Long lines are no code; the detector's patterns take quadratic time on them.
        if has_quote and len(line) <= 1000 and any(word in lowered for word in KEYWORDS):
            for value in _keyword_detector().analyze_string(line):
                if not is_placeholder(value, MIN_DISTINCT_PASSWORD):
                    yield "Secret Keyword", False, offset
        offset += len(line) + 1
