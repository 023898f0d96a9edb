"""TypeScript of the full corpus: classes over lists of entities, layered, composed, tested, refactored."""

import textwrap
from dataclasses import dataclass

from web4mlx.data.corpus.grammar import Dealer, Story, Subject, fill
from web4mlx.data.corpus.long_documents import layout
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.short_code import fenced, state_of, ts_type
from web4mlx.data.corpus.words import read_list


@dataclass(frozen=True, slots=True)
class Design:
    """A component with the capabilities that were chosen for it, and the context to fill its templates."""

    subject: Subject
    context: dict[str, str]
    wishes: tuple[str, ...]


def draw_design(dealer: Dealer, capabilities: int) -> Design:
    """A component with some capabilities over its entities."""
    subject = dealer.subject()
    chosen = dealer.random.sample(list(read_list("capabilities").values()), capabilities)
    context = subject.context | field_names(dealer, subject) | state_texts(subject)
    context["own_body"] = indent(subject.context["body"], 2)
    context["methods"] = "\n\n".join(method(entry, context) for entry in chosen)
    context["signatures"] = "\n".join(f"  {fill(entry['sign'], context)};" for entry in chosen)
    context["values"] = sample_entry(dealer, subject)
    context["other_values"] = sample_entry(dealer, subject)
    return Design(subject, context, tuple(fill(entry["wish"], context) for entry in chosen))


def field_names(dealer: Dealer, subject: Subject) -> dict[str, str]:
    """The entity's names as slots: `key`, `text`, `number`, `flag`, and its properties as TypeScript."""
    entity = subject.entity
    typed = [(name, "string") for name in entity.texts] + [(name, "number") for name in entity.numbers]
    typed += [(name, "boolean") for name in entity.flags]
    return {
        "entity": entity.name,
        "key": entity.texts[0],
        "text": entity.texts[1],
        "number": entity.numbers[0],
        "flag": entity.flags[0],
        "properties": "\n".join(f"  {name}: {kind};" for name, kind in typed),
        "owner": dealer.deal("owner", read_list("agents")[dealer.split]).partition(".")[0].lower(),
    }


def state_texts(subject: Subject) -> dict[str, str]:
    """The role's own state: as properties, as defaults, as constructor parameters and as assignments."""
    state = state_of(subject)
    kinds = [(name, ts_type(value)) for name, value in state]
    return {
        "state_properties": "\n".join(f"  {name}: {kind};" for name, kind in kinds),
        "state_defaults": ", ".join(f"{name}: {value.split(' as ')[0]}" for name, value in state),
        "state_fields": "\n".join(f"  public {name}: {kind};" for name, kind in kinds),
        "state_parameters": ", ".join(f"{name}: {kind}" for name, kind in kinds),
        "state_assignments": "\n".join(f"    this.{name} = {name};" for name, _ in kinds),
    }


def method(entry: dict[str, str], context: dict[str, str]) -> str:
    """A capability as a method of a class."""
    return fill(f"  {entry['sign']} {{\n{indent(entry['body'].strip(), 2)}\n  }}", context)


def indent(code: str, levels: int) -> str:
    """The code, indented by two spaces a level."""
    return textwrap.indent(code, "  " * levels)


def sample_entry(dealer: Dealer, subject: Subject) -> str:
    """An entity as a TypeScript literal."""
    entity, draw = subject.entity, dealer.random.randrange
    parts = [f"{name}: '{name}-{draw(100, 999)}'" for name in entity.texts]
    parts += [f"{name}: {draw(1, 500)}" for name in entity.numbers]
    parts += [f"{name}: {dealer.random.choice(('true', 'false'))}" for name in entity.flags]
    return ", ".join(parts)


def code_row(dealer: Dealer, pattern_name: str, capabilities: int) -> Row:
    """A component in the form of one of the four patterns, with the reasons for its form."""
    design = draw_design(dealer, dealer.random.randrange(capabilities, capabilities + 2))
    story = Story(dealer, design.context)
    asked = {"empty_constructor": "class", "scenario_state": "scenario"}.get(pattern_name, pattern_name)
    question = fill(dealer.words("phrasings", asked), story)
    wishes = "Requirements:\n" + "\n".join(f"- {wish}" for wish in design.wishes)
    text = fill(layout(f"code_{pattern_name}"), story)
    reasons = "\n".join(fill(f"- {{why_{pattern_name}}}", story) for _ in range(3))
    layers = {"five_layers": "layer2, layer3, layer5"}
    extra: dict[str, object] = {"pattern_name": pattern_name, "layer": layers.get(pattern_name, "layer2")}
    return Row(question, wishes, f"{text}\n\nWhy it is written like this:\n{reasons}", "code", extra)


def refactoring(dealer: Dealer) -> Row:
    """A longer CMM2 class, the same class at CMM3, and what was changed."""
    design = draw_design(dealer, 3)
    story = Story(dealer, design.context)
    old_methods = design.context["methods"].replace("this.model.", "this.")
    old_body = design.context["own_body"].replace("this.model.", "this.")
    story.update(old_methods=old_methods, old_body=old_body)
    question = fill(dealer.words("phrasings", "refactor"), story)
    before = fenced(fill(layout("code_before"), story))
    answer = fill(layout("refactoring"), story)
    extra: dict[str, object] = {"cmm_transition": "CMM2->CMM3", "pattern_applied": "empty_constructor"}
    return Row(question, before, answer, "refactor", extra)
