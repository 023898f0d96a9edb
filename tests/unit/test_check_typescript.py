"""The empty constructor checker: hand-made answers, each with the reasons it must be given."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evals.checkers import typescript
from evals.checkers.empty_constructor import check_empty_constructor
from evals.checkers.typescript import class_findings, read_code
from evals.harnesses.empty_constructor import HARNESS
from tests.typescript_answers import FAILING, GOOD, LAYOUTS, PASSING, cls, ts
from web4mlx.reports import CaseReport


def reasons_of(text: str) -> tuple[str, ...]:
    return tuple(reason.partition(":")[0] for reason in check_empty_constructor(text, "Foo").reasons)


@pytest.mark.parametrize("code", PASSING.values(), ids=PASSING)
def test_the_pattern_passes(code: str) -> None:
    assert check_empty_constructor(ts(code), "Foo").reasons == ()


@pytest.mark.parametrize(
    ("reason", "code"), [(reason, code) for reason in FAILING for code in FAILING[reason]]
)
def test_everything_else_fails_for_its_reason(reason: str, code: str) -> None:
    assert reasons_of(ts(code)) == (reason,)


def test_all_reasons_are_given() -> None:
    code = cls("constructor(a: A) { this.a = a; }", init="init() {}")
    expected = ("constructor has statements", "constructor needs arguments", "init() has no statements")
    assert reasons_of(ts(code)) == expected


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_a_good_class_is_found_wherever_it_stands(text: str) -> None:
    assert check_empty_constructor(text, "Foo").reasons == ()
    assert [each.name for each in class_findings(text)][-1] == "Foo"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no class"),
        ("I cannot help with that.", "no class"),
        ("The class Foo { holds } nothing.", "no class"),
        ("    \n```ts\n```", "no class"),
        (f"```ts\n{GOOD}\n{GOOD[:80]}", "cannot parse"),
        (f"Bare and cut off:\n{GOOD[:-1]}", "cannot parse"),
        (ts(GOOD) + "\nBefore:\n" + ts(cls("constructor() { run(); }")), "constructor has statements"),
        (f"{GOOD}\n\nOr so:\n\n{cls('constructor() { run(); }', 'class Bar')}", "constructor has statements"),
    ],
)
def test_answers_without_a_good_class_fail(text: str, reason: str) -> None:
    assert reasons_of(text) == (reason,)


def test_reasons_name_the_line_of_the_answer() -> None:
    text = "Intro\n\n```ts\nimport a from 'a';\nclass Foo {\n  constructor() { run(); }\n  init() {}\n}\n```"
    reasons = check_empty_constructor(text, "Foo").reasons
    assert reasons == ("constructor has statements: Foo, line 6", "init() has no statements: Foo, line 5")
    assert check_empty_constructor("\n```ts\nclass A {\n  ???\n}\n```").reasons == ("cannot parse: line 4",)


def test_without_an_asked_name_one_class_must_follow_the_pattern() -> None:
    assert check_empty_constructor(ts(GOOD)).verdict == "passed"
    assert check_empty_constructor(ts("class Bar { a = 1; }")).reasons == ("no init()",)
    assert check_empty_constructor(ts("class BarError extends Error {}")).reasons == ("no init()",)


@pytest.mark.parametrize(
    ("code", "no_parameters", "literal_rule"),
    [
        (GOOD, True, True),
        (cls("constructor() { this.load(); }"), True, False),
        (cls("constructor(private x: T) {}"), False, True),
        (cls("constructor(a: A) { super(a); }", "class Foo extends B"), False, True),
        (cls("constructor() {}", init="init() { return this; }"), True, True),
        (cls("constructor() {}", init=""), True, False),
        (GOOD[:-1], False, False),
    ],
)
def test_looser_readings_stand_beside_the_verdict(code: str, no_parameters: bool, literal_rule: bool) -> None:
    figures = check_empty_constructor(ts(code), "Foo").figures
    assert (figures["no_parameters"], figures["literal_rule"]) == (no_parameters, literal_rule)


def test_findings_tell_layer_methods_and_fields() -> None:
    text = (
        "Layer 2, `src/layer2/DefaultFoo.ts`:\n```ts\nimport type { S } from '../layer3/S.js';\n"
        f"{cls('', 'class DefaultFoo implements Foo')}\n```\n"
        "```ts\n// src/layer5/FooCLI.ts\nimport x from '../layer2/x.js';\n\n\n\n"
        "class FooCLI extends Base<S> {\n  private id = makeId();\n  show = () => this.id;\n"
        "  static main() {}\n}\n```"
    )
    first, second = class_findings(text)
    assert (first.name, first.layer, first.methods, first.field_calls) == (
        "DefaultFoo",
        2,
        ("init", "run"),
        False,
    )
    assert (second.name, second.layer, second.base, second.methods) == ("FooCLI", 5, "Base", ("show",))
    assert second.has_fields
    assert second.field_calls
    assert (second.init, second.constructor.form) == ("absent", "implicit")


def test_an_answer_beyond_the_limit_is_not_read() -> None:
    text = GOOD + "\n" * typescript.LONGEST
    assert read_code(text).is_too_long
    assert check_empty_constructor(text, "Foo").reasons == ("answer too long",)


def test_parsing_of_bare_text_stops_at_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    parse = typescript._parse

    def counted(code: str, *, is_jsx: bool = False) -> object:
        parsed.append(len(code))
        return parse(code, is_jsx=is_jsx)

    monkeypatch.setattr(typescript, "_parse", counted)
    endless = ("class A {\n" + "}}\n" * 20) * 400
    assert read_code(endless).broken_lines
    assert len(parsed) <= typescript.ATTEMPTS + 1
    assert sum(parsed) <= typescript.PARSE_BUDGET + len(endless)


WORDS = ["class Foo", "{", "}", "constructor", "(", ")", "init", "super();", "private", "static", "abstract"]
WORDS += [
    "declare",
    "=>",
    "`",
    "${",
    "'",
    "//",
    "/*",
    "*/",
    "```",
    "~~~",
    "```ts",
    "<div>",
    "@a()",
    "namespace N",
]
SPACES = ["= class", "interface", ";", ": this", "é", " ", "\n", "    ", "\r", "\0", "\u2028", "\ud800", "> "]
TEXTS = st.lists(st.sampled_from(WORDS + SPACES), max_size=80).map(" ".join) | st.text(max_size=300)


@settings(max_examples=400)
@given(TEXTS, st.text(max_size=5))
@example("```ts\nclass \ud800 {\n```", "\ud800")
@example("class {{" * 3000, "")
@example("> ```ts\n> class A {\nclass B {}", "")
def test_no_text_crashes_the_checker(text: str, class_name: str) -> None:
    outcome = check_empty_constructor(text, class_name)
    assert (outcome.verdict == "passed") == (not outcome.reasons)
    json.dumps(outcome.figures)


def test_the_harness_is_complete_and_balanced() -> None:
    cases = HARNESS.cases()
    assert len(cases) == HARNESS.planned == 100
    assert len({case.phrasing for case in cases}) >= 20
    counts = [sum(case.category == name for case in cases) for name in {case.category for case in cases}]
    assert counts == [20] * 5
    for case in cases:
        assert len(case.prompt.split()) <= 60
        assert case.expect.get("class_name", "") in case.prompt


def test_the_harness_asks_for_the_class_of_the_case_and_reports_rates() -> None:
    case = HARNESS.cases()[0]
    name = case.expect["class_name"]
    assert HARNESS.check(case, ts(cls("", f"class {name}"))).verdict == "passed"
    assert HARNESS.check(case, ts(GOOD)).reasons == (f"no class of the asked name: {name}",)
    judged = [
        HARNESS.check(case, ts(cls(body, f"class {name}"))) for body in ("", "constructor() { run(); }")
    ]
    reports = [
        CaseReport(
            id="a", category="create", prompt="p", response="r", verdict=each.verdict, figures=each.figures
        )
        for each in judged
    ]
    assert HARNESS.figures(reports) == {"no_parameters": 1.0, "literal_rule": 0.5, "field_calls": 0.0}
