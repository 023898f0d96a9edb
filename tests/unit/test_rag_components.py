"""TypeScript files are read by syntax tree: layer, patterns, and the verdict on their constructors."""

import pytest

from tests.rag_sources import CLASS
from web4mlx.rag.components import read_component


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("class A {}", "pass"),
        ("class A { constructor() {} }", "pass"),
        ("class A { constructor() { /* nothing */ } }", "pass"),
        ("class A extends B { constructor() { super(); } }", "pass"),
        ("class A extends B { constructor(x: T) { super(x); } }", "pass"),
        ("class A { constructor(private x: T) {} }", "fail"),
        ("class A { constructor() { this.x = 1; } }", "fail"),
        ("class A { x = 'constructor(private y) { this.z }'; }", "pass"),
        ("// constructor(x) { this.x = x }\nclass A {}", "pass"),
        ("interface A { x: string }", "no class"),
        ("<<<<<<< HEAD\nclass A {}\n=======\nclass B {}\n>>>>>>> dev", "cannot parse"),
        ("class A { constructor( {", "cannot parse"),
    ],
)
def test_constructors_are_judged_by_what_they_do(code: str, verdict: str) -> None:
    assert read_component("a.ts", code).constructor == verdict


def test_patterns_and_names_are_found() -> None:
    found = read_component("src/layer2/DefaultUnicorn.ts", CLASS)
    assert found.names == ("DefaultUnicorn",)
    assert found.layer == 2
    assert set(found.patterns) == {"empty_constructor", "scenario_state", "radical_oop"}


def test_a_free_function_breaks_radical_oop() -> None:
    for extra in ("function f() {}", "export const g = () => 1;"):
        assert "radical_oop" not in read_component("a.ts", f"{CLASS}\n{extra}").patterns


@pytest.mark.parametrize(
    ("path", "code", "layer", "kind"),
    [
        ("x/layer4/A.ts", "class A {}", 4, "source"),
        ("x/A.ts", "class DefaultA {}", 2, "source"),
        ("x/A.interface.ts", "interface A {}", 3, "source"),
        ("x/AView.tsx", "class A {}", 5, "view"),
        ("x/A.test.ts", "import 'vitest'; class A {}", 0, "test"),
        ("x/a.d.ts", "declare const x: number;", 3, "declaration"),
    ],
)
def test_layer_and_type_come_from_place_and_content(path: str, code: str, layer: int, kind: str) -> None:
    found = read_component(path, code)
    assert (found.layer, found.file_type) == (layer, kind)
