"""The empty constructor pattern: construction and initialization are separate.

An answer passes when all its code parses, the class that was asked for is there and follows the pattern, and
so does every other class as far as it has a responsibility of its own:

- The constructor of every class is absent, empty, or calls only super(), which a derived class must and any
  other cannot. It needs no arguments, declares no properties, and computes nothing in a default value or an
  argument of super(). Classes that only hold data are not excused: theirs is the state that init() restores,
  and `constructor(public x: T) {}` hides it.
- Every class with methods of its own has an init() that does something to the object. `return this;` or a
  placeholder that throws is not enough. It may inherit the init() of another class of the answer.
- Without init() may be: classes without methods (plain data, or a subclass that adds nothing), classes with
  only static methods, for which nothing is ever constructed, and abstract classes that declare init() as
  abstract, as each of their subclasses is judged. None of this excuses the class that was asked for.
- Exceptions (extending `…Error` or `…Exception`) are left out unless one was asked for: a message at
  construction is their contract with the language, and they have no state to restore.
- Interfaces, types, enums and `declare class` have no code and are no classes here.
- A class that stands again in a later block under the same name is a "before"; the last one counts. Twice
  in one block, as two constructors or two init() in one class, does not compile.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from evals.checkers.class_reading import ClassFinding
from evals.checkers.member_reading import InitForm
from evals.checkers.typescript import CodeReading, read_code
from evals.outcome import Outcome, outcome

_INIT_REASONS = {
    "absent": "no init()",
    "abstract": "init() is only abstract",
    "no_body": "init() without a body",
    "hidden": "init() is static, private or an accessor",
    "empty": "init() has no statements",
    "idle": "init() sets nothing up",
    "several": "several init()",
}


def check_empty_constructor(text: str, class_name: str = "") -> Outcome:
    """Judge an answer; see the module's docstring.

    Figures: `no_parameters`, the looser reading (no constructor has parameters, whatever is in it);
    `literal_rule`, the plan's own words (constructors empty or only super(), init() with statements, in every
    class and whatever the parameters); `classes`; `field_calls` (a property begins as the value of a call).

    Args:
        text: The whole answer.
        class_name: The class that was asked for; empty when the choice of the name was left open.
    """
    reading = read_code(text)
    classes = _last_versions(reading.classes)
    whole = bool(classes) and not reading.broken_lines
    return outcome(
        _reasons(reading, classes, class_name),
        no_parameters=whole and all(each.constructor.parameters == 0 for each in classes),
        literal_rule=whole and all(_is_literal(each) for each in classes),
        classes=len(classes),
        field_calls=any(each.field_calls for each in classes),
    )


def _reasons(reading: CodeReading, classes: Sequence[ClassFinding], class_name: str) -> list[str]:
    if reading.is_too_long:
        return ["answer too long"]
    reasons = [f"cannot parse: line {line}" for line in reading.broken_lines]
    if not classes:
        return reasons or ["no class"]
    by_name = {each.name: each for each in classes if each.name}
    if class_name and class_name not in by_name and not reasons:
        reasons.append(f"no class of the asked name: {class_name}")
    reasons += [f"several classes of one name: {name}" for name in _repeated(classes)]
    for each in classes:
        if each.name == class_name or not _is_exception(each):
            reasons += _constructor_reasons(each)
            form = _init_form(each, by_name)
            if (each.name == class_name or _needs_init(each)) and form != "statements":
                reasons.append(f"{_INIT_REASONS[form]}: {_place(each)}, line {each.line}")
    if not reasons and all(_init_form(each, by_name) != "statements" for each in classes):
        reasons.append("no init()")
    return reasons


def _last_versions(classes: Sequence[ClassFinding]) -> list[ClassFinding]:
    last = {each.name: each.file_line for each in classes}
    return [each for each in classes if not each.name or each.file_line == last[each.name]]


def _repeated(classes: Sequence[ClassFinding]) -> list[str]:
    """Names that a file gives twice to neighbours, which does not compile."""
    counts = Counter((each.name, each.file_line, each.scope) for each in classes if each.name)
    return [name for (name, _, _), count in counts.items() if count > 1]


def _constructor_reasons(each: ClassFinding) -> list[str]:
    made = each.constructor
    findings = {
        "constructor has statements": made.form == "statements",
        "constructor without a body": made.form == "no_body",
        "several constructors": made.form == "several",
        "no super() in a derived class": made.form == "empty" and bool(each.base),
        "super() without a base class": made.form == "super" and not each.base,
        "constructor has parameter properties": made.has_properties,
        "constructor needs arguments": made.needs_arguments and not made.has_properties,
        "constructor computes an argument or default": made.computes,
    }
    return [f"{reason}: {_place(each)}, line {made.line}" for reason, is_true in findings.items() if is_true]


def _place(each: ClassFinding) -> str:
    return each.name or "a class without a name"


def _needs_init(each: ClassFinding) -> bool:
    return bool(each.methods) and each.init != "abstract"


def _init_form(each: ClassFinding, by_name: Mapping[str, ClassFinding]) -> InitForm:
    """The form of its init(), be it inherited from a class of the answer."""
    seen = {each.name}
    while each.init == "absent" and each.base in by_name and each.base not in seen:
        seen.add(each.base)
        each = by_name[each.base]
    return each.init


def _is_exception(each: ClassFinding) -> bool:
    return each.base.endswith(("Error", "Exception"))


def _is_literal(each: ClassFinding) -> bool:
    return each.constructor.form in ("implicit", "empty", "super") and each.init in ("idle", "statements")
