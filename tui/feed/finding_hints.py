"""What to do about a finding of `data check`, by its code; docs/data.md says what each means."""

SIDE_FILE = "x moves such rows to NAME.quarantine.jsonl beside their file."
HINTS = {
    "missing_file": "m writes a generated corpus; or correct data.train and data.eval in the configuration.",
    "bad_row": f"Correct the row in its file; or {SIDE_FILE}",
    "no_rows": "Take the file out of the configuration, or fill it.",
    "count": "Is the file whole? Otherwise correct data.expected_counts in the configuration.",
    "duplicate_id": f"Give the row an id of its own; or {SIDE_FILE}",
    "exact_duplicate": f"Remove one of the two; or {SIDE_FILE}",
    "leak": f"A model that has seen held-out rows gets good marks for nothing. {SIDE_FILE}",
    "held_out_row": f"It belongs into the held-out file. {SIDE_FILE}",
    "unmarked_eval_row": "Set metadata.is_eval and metadata.never_train to true in the held-out file.",
    "secret": f"Take the secret out, and withdraw it where it was issued; or {SIDE_FILE}",
    "near_duplicate": "Look at both rows; keep the better one when they say the same.",
    "same_prompt": "Ask something else in one of the two, so that the held-out row stays a test.",
    "control_token": "Write the token in another form: it would end or start a turn.",
    "total_tokens": "Is a file missing or doubled? Otherwise correct data.expected_total_tokens.",
    "mean_tokens": "Are answers cut or empty? Otherwise correct data.expected_mean_tokens.",
    "unknown_file": "Correct the name in data.expected_counts.",
}


def hint_of(code: str) -> str:
    """What to do about a finding; empty for a code that nobody has written about."""
    return HINTS.get(code, "")
