import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from web4mlx.errors import UsageError
from web4mlx.modelfile import Modelfile, parse_modelfile, write_modelfile
from web4mlx.modelfile.model import PARAMETER_TYPES, ROLES, ChatMessage

LETTERS = st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(' \t\n"#')
TEXTS = st.text(LETTERS, max_size=40)
FILLED = TEXTS.filter(bool)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        name: {
            "int": st.integers(-(2**63), 2**63 - 1),
            "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
            "bool": st.booleans(),
            "strings": st.lists(FILLED, min_size=1, max_size=3).map(tuple),
        }[kind]
        for name, kind in PARAMETER_TYPES.items()
    },
)
MODELFILES = st.builds(
    Modelfile,
    from_=FILLED,
    also_from=st.lists(FILLED, max_size=1).map(tuple),
    template=TEXTS,
    system=TEXTS,
    parameters=PARAMETERS,
    adapter=TEXTS,
    draft=st.lists(FILLED, max_size=1).map(tuple),
    renderer=TEXTS,
    parser=TEXTS,
    requires=st.sampled_from(["", "0.14.0", "1.2.3-rc.1"]),
    licenses=st.lists(TEXTS, max_size=2).map(tuple),
    messages=st.lists(st.builds(ChatMessage, st.sampled_from(ROLES), TEXTS), max_size=2).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(MODELFILES)
@example(Modelfile("x", system='ends with a quote"'))
@example(Modelfile("x", system='"begins with one'))
@example(Modelfile("x", system='a"\nb'))
@example(Modelfile("x", system="  blanks around  "))
@example(Modelfile("x", system='"""', licenses=("",)))
def test_what_is_written_reads_back_equal(modelfile: Modelfile) -> None:
    try:
        text = write_modelfile(modelfile)
    except UsageError:
        assume(False)
    assert parse_modelfile(text) == modelfile


def test_a_value_without_a_possible_quoting_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="SYSTEM: this value cannot be written"):
        write_modelfile(Modelfile("x", system='a"\nb"""\nc'))
