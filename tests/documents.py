"""Documents from which the tables of the document checkers are made."""

PRECEDES = "PRECEDES: [20260302-110000-Web4.Agent.pdca.md]"
FOLLOWS = "FOLLOWS: [20260302-090000-Web4.Agent.pdca.md]"
LINKS = f"{PRECEDES}\n{FOLLOWS}\n\n"
OBJECTIVE = "## Objective\nAdd undo to ChapelStore so that a wrong change is taken back.\n\n"
TRON = """\
- Trigger: Two users deleted the wrong chapel.
- Response: Keep the last ten scenarios.
- Outcome: A wrong change is taken back in seconds.
- Next: Watch the first day in production.
"""
PLAN = f"## Plan\n{TRON}\n"
DO = "## Do\n- Wrote a failing Vitest case for ChapelStore.\n- Stored the last ten scenarios.\n\n"
CHECK = "## Check\n- Ran `npx vitest run`: all 12 tests pass.\n\n"
ACT = "## Act\n- Learned: serializable state makes undo almost free.\n"
DOCUMENT = LINKS + OBJECTIVE + PLAN + DO + CHECK + ACT


def changed(*pairs: tuple[str, str]) -> str:
    """The complete document with parts replaced; each part has to be there."""
    text = DOCUMENT
    for old, new in pairs:
        if old not in text:
            raise ValueError(f"no such part: {old}")
        text = text.replace(old, new)
    return text
