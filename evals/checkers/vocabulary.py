"""Whether a sentence acts, verifies or learns: English verbs with their inflections, and a few fixed signs.

A verb counts where it can only be a verb: at the start of a clause ("Add a test", "Then we add a test",
"Added a test") or in its past form anywhere ("a test was added"). A denied or postponed step ("no tests were
run", "verification is pending") does not count.
"""

import re
from functools import cache

_ACTIONS = """
accept adapt add adjust agree align allow analyse analyze annotate append apply archive arrange ask assign
attach automate bind block book bump cache call capture change check clean clear close code collect combine
commit compare compile compose compute configure confirm connect convert copy correct count cover create
deactivate debug declare decouple define delegate delete deliver demonstrate deploy derive describe design
disable discuss distribute divide document draft drop duplicate edit eliminate empty enable encapsulate
encode enforce ensure escape establish estimate evaluate exchange exclude execute explain export expose
extend extract factor fetch filter finish fix flag formulate forward gather generate group guard handle
identify implement import improve include index inform initialize inject inline insert inspect install
instrument integrate interview introduce investigate invite isolate join label launch limit link list load
lock log map mark measure merge migrate mock model modify monitor move name normalize notify observe open
optimize order organize pack pair parse patch pin plan prepare present preserve print prioritize profile
protect prove provide publish pull push query raise rearrange record reduce refactor refine refresh register
reject release remove rename render reorder repair replace report reproduce request research resolve restore
restrict restructure retry return reuse revert review revise rework rotate route sample save scan schedule
script select separate serve set share shift show simplify sketch solve sort specify split standardize start
stop store structure subscribe summarize support switch synchronize tag test tidy trace track train transfer
translate trim unify unlock update upgrade use validate verify visit walk watch wire wrap
"""
_VERIFYING = """
assert audit check compare compile confirm count demonstrate diff ensure execute inspect measure monitor
observe prove rehearse repeat replay reproduce rerun restart restore retest review sample scan test time
trace validate verify walk watch
"""
_BASE = """
bring build catch choose cut do draw find give hold keep lay lead make meet put read rebuild rewrite run send
take teach tell write
"""
_PAST = """
brought built caught chose chosen did done drew drawn found gave given held kept laid led made met ran rebuilt
reran rewrote rewritten sent showed shown taught told took taken wrote written
"""
_VERIFYING_PAST = "met ran reran showed shown proven"
_VERIFICATION = (
    r"verif\w+|confirm\w*|validat\w+|assert\w*|vitest|tests?|testing|passe[sd]|coverage|benchmark\w*"
    r"|build (?:is|stays|was) green|proof"
)
_LEARNING = (
    r"learn(?:ed|t|ing|ings|s)?|lessons?|insights?|takeaways?|improv(?:e|es|ed|ing|ement|ements)"
    r"|standardi[sz]\w+|next time|in (?:the )?future|from now on|going forward|always|never"
    r"|avoid(?:s|ed|ing)?|prevent(?:s|ed|ing)?|adopt(?:s|ed|ing)?|should|must|reali[sz]ed|discovered"
    r"|best practices?|checklist|guidelines?|playbook|new rule|as a standard"
)
_START = (
    r"^(?:[\w ./`'-]{1,40}: )?"
    r"(?:(?:first|second|third|then|next|finally|also|afterwards|after that|later|lastly),? )?"
    r"(?:please |(?:i|we|they|both agents|the agents) )?(?:also |then )?"
)
_SOMEBODY = r"^(?:it|he|she|the agent|the team|the developer|the tester|the script) "
_BEFORE_BASE = r"\b(?:to|will|must|shall|can|let us|let's|did|then) "
_BEFORE_ING = r"\b(?:by|after|before|while) "
_NOUN_FOLLOWS = r"(?! (?:of|is|are|was|were|has|have|looks?|seems?)\b)"  # "Tests are missing" is no action
_NO = r"\b(?:no|not|never|nothing|nobody|none|without|hardly|\w+n['’]t)\b"
_REST = r"\w*(?: were| was)?(?: \w+)?"
_AUXILIARY = r"\b(?:did|was|were|has|have|had|is|are) "
_NO_TEST_FAILED = r"(?!no (?:\w+ ){0,2}(?:tests?|checks?) (?:ha[sv]e? )?(?:fail|broke|break))"
_POSTPONED = re.compile(
    r"\b(?:pending|skip(?:ped)?|omitted|postponed|outstanding|still missing)\b", re.IGNORECASE
)


def acts(sentence: str) -> bool:
    """Whether a sentence says that somebody does or did something."""
    said = _without_denied(
        sentence, "implement|chang|add|creat|start|written|wrote|fix|done|made|did|ran|run"
    )
    return _verb_pattern(_ACTIONS, _BASE, _PAST).search(said) is not None


def verifies(sentence: str) -> bool:
    """Whether a sentence says how something is or was verified, or what the verification showed."""
    said = _without_denied(sentence, "verif|confirm|validat|assert|test|check|coverage|ran|run|measur|review")
    is_step = _verb_pattern(_VERIFYING, "prove read rerun run", _VERIFYING_PAST).search(said) is not None
    return not _POSTPONED.search(said) and (is_step or _signs(_VERIFICATION).search(said) is not None)


def learns(sentence: str) -> bool:
    """Whether a sentence names a learning or an improvement, or announces one (`Lessons learned:`)."""
    said = _without_denied(sentence, "learn|lesson|insight|improve")
    return _signs(_LEARNING).search(said) is not None


def _without_denied(sentence: str, stems: str) -> str:
    """The sentence without phrases such as "no further tests were" or "was not verified"."""
    return _denial(stems).sub("", sentence)


@cache
def _denial(stems: str) -> re.Pattern[str]:
    return re.compile(
        rf"{_NO_TEST_FAILED}(?:{_AUXILIARY})?{_NO}(?: [\w'’-]+){{0,3}}? (?:{stems}){_REST}",
        re.IGNORECASE,
    )


@cache
def _signs(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


@cache
def _verb_pattern(regular: str, base: str, past: str) -> re.Pattern[str]:
    """Verbs at the start of a clause in any form, and in their past form anywhere."""
    stems = regular.split()
    base_form = "|".join([*stems, *base.split()])
    third = "|".join(_inflected(stem, "e?s") for stem in [*stems, *base.split()])
    ing_form = "|".join(_inflected(stem, "ing") for stem in stems)
    past_form = "|".join([*(_inflected(stem, "ed") for stem in stems), *past.split()])
    return re.compile(
        rf"{_START}(?:{base_form}|{third}|{ing_form})\b{_NOUN_FOLLOWS}|{_SOMEBODY}(?:{third})\b"
        rf"|{_BEFORE_BASE}(?:{base_form})\b|{_BEFORE_ING}(?:{ing_form})\b|\b(?:{past_form})\b",
        re.IGNORECASE,
    )


def _inflected(verb: str, ending: str) -> str:
    """A pattern of a regular verb with the ending `e?s`, `ing` or `ed`; its last consonant may double."""
    if verb.endswith("e"):
        return verb[:-1] + {"e?s": "es", "ing": "ing", "ed": "ed"}[ending]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return {"e?s": f"{verb[:-1]}ies", "ing": f"{verb}ing", "ed": f"{verb[:-1]}ied"}[ending]
    return f"{verb}{ending}" if ending == "e?s" else f"{verb}{verb[-1]}?{ending}"
