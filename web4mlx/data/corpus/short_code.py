"""Short TypeScript for the demo: classes with empty constructor and init(), refactorings, Vitest suites."""

import textwrap

from web4mlx.data.corpus.grammar import Dealer, Subject, fill
from web4mlx.data.corpus.rows import Row

CLASS = """\
export class {class_name} {
  private model = { {state} };

  constructor() {}

  init(scenario: Scenario): this {
    this.model = scenario.model;
    return this;
  }

  {method} {
{lines}
  }
}"""
TO_SCENARIO = """\
  toScenario(): Scenario {
    return { ior: 'ior:{component}', owner: 'web4', model: this.model };
  }
}"""
SECOND = """\
  {second} {
{second_lines}
  }
}"""
VITEST = """\
import { describe, expect, it } from 'vitest';
import { {component} } from './{component}.js';

describe('{component}', () => {
  it('{claim}', () => {
    const scenario = { ior: 'ior:{component}', owner: 'test', model: { {values} } };
    const object = new {component}().init(scenario);
    expect(object.toScenario()).toEqual(scenario);
  });
});"""
CLAIMS = (
    "restores its scenario",
    "survives the round trip of its state",
    "is equal after init and toScenario",
)
OWNER = """\
export class {component} {
  private part = new {part}();

  constructor() {}

  init(scenario: Scenario): this {
    this.part.init(scenario);
    return this;
  }
}"""
SUBCLASS = """\
export class {component} extends {base} {
  constructor() {
    super();
  }

  init(scenario: Scenario): this {
    this.model = scenario.model;
    return this;
  }
}"""
EMPTY_CONSTRUCTOR: dict[str, object] = {"pattern_name": "empty_constructor", "layer": "layer2"}
# Names of classes beside the one that is asked for.
CONTRACTS = ("{component}Contract", "I{component}", "{component}Interface")
NEIGHBOURS = ("{entity}Loader", "{entity}Page", "{entity}Importer", "{entity}Service")
OWNERS = ("Desk", "Centre", "House", "Panel", "Room", "Service", "Yard", "School", "Point")
PARTS = ("Table", "Shelf", "Box", "Index", "Group", "Book", "Chain", "Map")
# Out of fifteen requests for a class: the list of phrasings that each is asked by.
_PHRASINGS = {"class": 3, "class_task": 6, "class_contract": 3, "class_action": 2, "class_owner": 1}
ASKED = tuple(name for name, count in _PHRASINGS.items() for _ in range(count))
_OWNER_NAMES = (("component", OWNERS), ("part", PARTS))
BASES = ("Base", "Abstract", "Common", "Plain")
OLD_CLASS = """\
export class {component} {
  {fields}

  constructor({parameters}) {
{assignments}
  }

  {method} {
{lines}
  }
}"""


def class_code(subject: Subject, name: str = "", more: str = "") -> str:
    """A class in a fenced block.

    Args:
        subject: The component.
        name: The class's, where it differs from the component's: of a default class.
        more: Template of another method and the class's end.
    """
    bodies = {"lines": _lines(subject, "body"), "second_lines": _lines(subject, "second_body")}
    context = subject.context | bodies | {"class_name": name or subject.component}
    code = fill(f"{CLASS[:-1]}\n{more}" if more else CLASS, context)
    if name:
        code = code.replace(f"class {name} ", f"class {name} implements {subject.component} ")
    return fenced(code)


def fenced(code: str) -> str:
    """The code as a TypeScript block of Markdown."""
    return f"```typescript\n{code}\n```"


def _lines(subject: Subject, key: str) -> str:
    return textwrap.indent(subject.context[key], "    ")


def empty_constructor(dealer: Dealer) -> Row:
    """A plain class, asked for by any reason to write one; the class has the name that was asked for."""
    subject = dealer.subject()
    asked = dealer.deal("class_asked", ASKED)
    if asked == "class_owner":
        names = {key: subject.entity.name + dealer.deal(key, cards) for key, cards in _OWNER_NAMES}
        question = fill(dealer.words("phrasings", asked), names)
        return Row(question, "", fenced(fill(OWNER, names)), "code", EMPTY_CONSTRUCTOR)
    template = dealer.words("phrasings", asked)
    subject.context |= _surroundings(dealer, subject)
    if "{method_name}" in template:
        subject.context |= _named_method(dealer, subject)
    if asked == "class_action":
        subject.context["action"] = template
        template = dealer.words("phrasings", "request")
    question = fill(template, subject.context)
    code = class_code(subject, more=TO_SCENARIO if "toScenario" in question else "")
    contract = subject.context["contract"]
    if contract in question:
        plain = f"class {subject.component} "
        code = code.replace(plain, f"{plain}implements {contract} ")
    return Row(question, "", code, "code", EMPTY_CONSTRUCTOR)


def subclass(dealer: Dealer) -> Row:
    """A class that extends a base class: its constructor calls super() and does nothing else."""
    subject = dealer.subject()
    context = subject.context | {"base": dealer.deal("base", BASES) + subject.role}
    question = fill(dealer.words("phrasings", "subclass"), context)
    return Row(question, "", fenced(fill(SUBCLASS, context)), "subclass", EMPTY_CONSTRUCTOR)


def unnamed_class(dealer: Dealer) -> Row:
    """A class whose name is left to the answer."""
    subject = dealer.subject()
    question = fill(dealer.words("phrasings", "class_unnamed"), subject.context)
    return Row(question, "", class_code(subject), "unnamed", EMPTY_CONSTRUCTOR)


def class_of_functions(dealer: Dealer) -> Row:
    """Two loose functions as the methods of a class, under the names they had."""
    subject = dealer.subject()
    ending = subject.entity.name if dealer.deal("names_entity", (False, True)) else ""
    for key in ("method", "second"):
        subject.context |= _named_method(dealer, subject, key, ending)
    question = fill(dealer.words("phrasings", "class_functions"), subject.context)
    return Row(question, "", class_code(subject, more=SECOND), "code", EMPTY_CONSTRUCTOR)


def _surroundings(dealer: Dealer, subject: Subject) -> dict[str, str]:
    """What a request may name beside the class."""
    name, value = state_of(subject)[0]
    context = {"component": subject.component, "entity": subject.entity.name}
    return {
        "contract": fill(dealer.deal("contract", CONTRACTS), context),
        "other": fill(dealer.deal("neighbour", NEIGHBOURS), context),
        "parameter": f"{name}: {ts_type(value)}",
        "state_name": name,
    }


def _named_method(dealer: Dealer, subject: Subject, key: str = "method", ending: str = "") -> dict[str, str]:
    """A method under one of the names that it may have, so that names are taken from the request."""
    method = subject.context[key]
    old_name = method.partition("(")[0]
    names = [old_name, *subject.context[f"{key}_also"].split(", ")]
    new_name = dealer.deal(f"{key}/{subject.role}", names) + ending
    return {f"{key}_name": new_name, key: new_name + method.removeprefix(old_name)}


def layer_file(dealer: Dealer) -> Row:
    """The default class of layer 2."""
    subject = dealer.subject()
    question = fill(dealer.words("phrasings", "layer2"), subject.context)
    code = class_code(subject, f"Default{subject.component}")
    return Row(question, "", code, "code", {"pattern_name": "five_layers", "layer": "layer2"})


def scenario_class(dealer: Dealer) -> Row:
    """A class that writes its state with toScenario()."""
    subject = dealer.subject()
    question = fill(dealer.words("phrasings", "scenario"), subject.context)
    code = class_code(subject, more=TO_SCENARIO)
    return Row(question, "", code, "code", {"pattern_name": "scenario_state", "layer": "layer2"})


def vitest_file(dealer: Dealer) -> Row:
    """A Vitest suite; stands among the guardrails as the right way of testing."""
    subject = dealer.subject()
    values = subject.context["state"].replace(" as string[]", "").replace(" as Record<string, string>", "")
    context = subject.context | {"values": values, "claim": dealer.deal("claims", CLAIMS)}
    question = fill(dealer.words("phrasings", "vitest"), context)
    extra: dict[str, object] = {"violation_type": "jest", "severity": "none", "is_negative_example": False}
    return Row(question, "", fenced(fill(VITEST, context)), "vitest", extra)


def refactoring(dealer: Dealer) -> Row:
    """A class with constructor logic, and the same class after its refactoring."""
    subject = dealer.subject()
    question = fill(dealer.words("phrasings", "refactor"), subject.context)
    extra: dict[str, object] = {"cmm_transition": "CMM2->CMM3", "pattern_applied": "empty_constructor"}
    return Row(question, fenced(old_class(subject)), class_code(subject), "refactor", extra)


def old_class(subject: Subject) -> str:
    """The component as CMM2 code: typed constructor parameters that are assigned."""
    types = {name: ts_type(value) for name, value in state_of(subject)}
    context = subject.context | {
        "fields": "\n  ".join(f"private {name}: {kind};" for name, kind in types.items()),
        "parameters": ", ".join(f"{name}: {kind}" for name, kind in types.items()),
        "assignments": "\n".join(f"    this.{name} = {name};" for name in types),
        "lines": _lines(subject, "body").replace("this.model.", "this."),
    }
    return fill(OLD_CLASS, context)


def state_of(subject: Subject) -> list[tuple[str, str]]:
    """The state of the role as (name, default value) pairs."""
    parts = subject.context["state"].replace("<string, string>", "<string; string>").split(", ")
    return [(name, value) for name, _, value in (part.partition(": ") for part in parts)]


def ts_type(value: str) -> str:
    """The TypeScript type of a default value such as `[] as string[]`."""
    if " as " in value:
        return value.split(" as ")[1].replace(";", ",")
    if value in ("true", "false"):
        return "boolean"
    return "string" if value.startswith("'") else "number"
