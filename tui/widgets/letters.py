"""Large letters, three lines high, drawn with half blocks: for the one thing that must be seen at once."""

FONT = {
    "A": "010 101 111 101 101", "B": "110 101 110 101 110", "C": "111 100 100 100 111",
    "D": "110 101 101 101 110", "E": "111 100 110 100 111", "F": "111 100 110 100 100",
    "G": "1111 1000 1011 1001 1111", "H": "101 101 111 101 101", "I": "1 1 1 1 1",
    "J": "001 001 001 101 111", "K": "1001 1010 1100 1010 1001", "L": "100 100 100 100 111",
    "M": "10001 11011 10101 10001 10001", "N": "1001 1101 1011 1001 1001", "O": "111 101 101 101 111",
    "P": "111 101 111 100 100", "Q": "1111 1001 1001 1011 1111", "R": "111 101 110 101 101",
    "S": "111 100 111 001 111", "T": "111 010 010 010 010", "U": "101 101 101 101 111",
    "V": "101 101 101 101 010", "W": "10001 10001 10101 11011 10001", "X": "101 101 010 101 101",
    "Y": "101 101 010 010 010", "Z": "111 001 010 100 111", " ": "0 0 0 0 0",
}  # fmt: skip
BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
LINES = 3


def large(text: str, width: int) -> list[str]:
    """Three lines that show a text large; when it does not fit, its first word, and the others small.

    Args:
        text: Letters and spaces.
        width: Columns that there are.
    """
    words = text.upper().split()
    for count in sorted({len(words), 1}, reverse=True):
        lines = _draw(" ".join(words[:count]))
        rest = " ".join(words[count:])
        if len(lines[0]) + (len(rest) + 2 if rest else 0) <= width:
            return [lines[0], lines[1] + (f"  {rest}" if rest else ""), lines[2]]
    return ["", text, ""]


def _draw(text: str) -> list[str]:
    glyphs = [FONT[letter].split() for letter in text if letter in FONT]
    rows = ["0".join(glyph[row] for glyph in glyphs) for row in range(5)]
    rows.append("0" * len(rows[0]))
    return [
        "".join(
            BLOCKS[top == "1", bottom == "1"] for top, bottom in zip(rows[row], rows[row + 1], strict=True)
        )
        for row in range(0, 6, 2)
    ]
