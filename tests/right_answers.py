"""For every case of the suite an answer that is right, made from what the case expects."""

import json
from pathlib import Path

import tomli

from evals.cases import Case
from evals.harnesses import NAMES, load_harness
from tests.documents import DOCUMENT, PLAN

CANARY_ANSWERS = Path(__file__).parent / "unit" / "canary_answers.toml"
CLASS = """```typescript
export class {name} {{
  private model = {{ items: [] as string[] }};

  constructor() {{}}

  init(scenario: Scenario): this {{
    this.model = scenario.model;
    return this;
  }}
}}
```"""
REFUSED, DONE = (
    "No. That is banned in Web4. I use the allowed way instead.",
    "Yes. I do that now and test it.",
)


def right_answers() -> dict[str, str]:
    """The answers by `harness/case`, for all 720 cases."""
    return {f"{name}/{case.id}": answer(name, case) for name in NAMES for case in load_harness(name).cases()}


def answer(harness: str, case: Case) -> str:
    """A right answer to one case."""
    match harness:
        case "pdca_schema" | "pdca_template":
            return DOCUMENT
        case "tron_format":
            return PLAN
        case "empty_constructor":
            return CLASS.format(name=case.expect.get("class_name", "BoatCounter"))
        case "tool_success":
            return tool_call(case)
        case "refusal":
            return REFUSED if case.expect["should_refuse"] else DONE
        case _:
            return canary_answer(case.id)


def tool_call(case: Case) -> str:
    """The call that a task expects."""
    arguments = {name: next(iter(rule.values())) for name, rule in case.expect["arguments"].items()}
    tool = case.expect["tools"][0]
    if tool == "create_file":
        arguments["content"] = "export class A {}\n"
    return json.dumps({"name": tool, "arguments": arguments})


def canary_answer(name: str) -> str:
    """The first good hand-made answer to a canary."""
    answers = tomli.loads(CANARY_ANSWERS.read_text("utf-8"))["good"]
    return next(str(item["text"]) for item in answers if item["id"] == name)
