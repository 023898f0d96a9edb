"""TypeScript files and process documents of the generated source."""

from collections.abc import Iterator

from web4mlx.data.corpus.grammar import Dealer, Story, Subject, fill
from web4mlx.data.corpus.long_code import field_names, indent, state_texts
from web4mlx.data.corpus.short_documents import draw_work
from web4mlx.data.corpus.words import entities, read_list
from web4mlx.rag.sample.pdcas import Document, layouts

PLACES = {
    "default": "layer2/Default{component}.ts",
    "interface": "layer3/{component}.interface.ts",
    "view": "layer5/{component}CLI.ts",
    "test": "test/{component}.test.ts",
}
# Of forty constructors: empty ones, one with a parameter property, one with a statement.
CONSTRUCTORS = [
    *["constructor() {}"] * 30,
    *["constructor() {\n    // configured by init()\n  }"] * 8,
    "constructor(private name: string) {}",
    "constructor() {\n    this.model = { ...this.model };\n  }",
]
CONFLICT = "<<<<<<< HEAD\n// one side\n=======\n// the other side\n>>>>>>> dev\n"


def write_components(dealer: Dealer, count: int) -> Iterator[Document]:
    """A number of TypeScript files, four for each component; one in two hundred has conflict markers."""
    forms = layouts()
    written = 0
    for subject in subjects(dealer):
        context = describe(dealer, subject)
        for kind, where in PLACES.items():
            if written == count:
                return
            written += 1
            text = fill(str(forms[kind]), context).strip() + "\n"
            if dealer.deal("conflict", (True, *(False,) * 199)):
                text = CONFLICT + text
            yield Document(f"components/{subject.component}/src/{fill(where, context)}", text)


def subjects(dealer: Dealer) -> Iterator[Subject]:
    """Every component that the word lists allow, in an order fixed by the seed."""
    roles = read_list("roles")
    pairs = [(entity, role) for entity in entities("train") for role in roles]
    for entity, role in dealer.random.sample(pairs, len(pairs)):
        yield Subject(entity, role, roles)


def describe(dealer: Dealer, subject: Subject) -> dict[str, str]:
    """The slots of a component."""
    context = subject.context | field_names(dealer, subject) | state_texts(subject)
    context["constructor"] = dealer.deal("constructors", CONSTRUCTORS)
    body = indent(context["body"], 2)
    context["own_method"] = f"  {context['method']} {{\n{body}\n  }}"
    return context


def write_process_docs(dealer: Dealer, count: int) -> Iterator[Document]:
    """A number of guides, checklists and rules."""
    forms = layouts()
    for number in range(1, count + 1):
        story = Story(dealer, draw_work(dealer))
        story["title"] = fill(dealer.deal("titles", forms["titles"]), story)
        text = fill(str(forms["process"]), story).strip() + "\n"
        yield Document(f"docs/process/{number:03d}-{story['component']}.md", text)
