"""A long post cut into parts that fit the training length, at paragraph ends."""

import re
from collections import deque

from blogtwin.text.sentences import CLAUSE_END, LINE_OR_SENTENCE_END


def chunk(blocks: list[str], count, first: int, later: int) -> list[str]:
    """Paragraphs → parts of at most `first` (then `later`) tokens, cut at paragraph ends.

    Parts come out of about equal length, so that none is a mere rest. A paragraph longer than a part is cut at sentence
    ends, then at words.
    """
    pieces = [piece for block in blocks for piece in split_paragraph(block, count, min(first, later))]
    if not pieces:
        return []
    sizes = [count(piece) + 2 for piece in pieces]  # + the blank line
    left = sum(sizes)
    parts, current, size = [], [], 0
    for piece, tokens in zip(pieces, sizes):
        limit = first if not parts else later
        wanted = 1 if left <= limit else 1 + -(-(left - limit) // later)  # parts that what is left will take
        if current and (size + tokens > limit or (size + tokens / 2 > left / wanted and wanted > 1)):
            parts.append("\n\n".join(current))
            left -= size
            current, size = [], 0
        current.append(piece)
        size += tokens
    return [*parts, "\n\n".join(current)]


def split_paragraph(block: str, count, limit: int) -> list[str]:
    """A paragraph that fits, as it is; a longer one in pieces that fit: at line ends, sentence ends, spaces,
    anywhere."""
    if len(block.encode()) + 2 <= limit or count(block) + 2 <= limit or len(block) == 1:  # a token is at least a byte
        return [block]
    for boundary in (r"(?<=\n)", CLAUSE_END, r"(?=\s)"):
        atoms = [a for a in re.split(boundary, block) if a]
        if len(atoms) > 1:
            break
    else:
        middle = len(block) // 2
        atoms = [block[:middle], block[middle:]]
    pieces, current, size = [], "", 0
    for atom in atoms:
        tokens = count(atom)
        if tokens + 2 > limit:
            pieces += [current] if current else []
            pieces += split_paragraph(atom, count, limit)
            current, size = "", 0
        elif current and size + tokens + 2 > limit:
            pieces.append(current)
            current, size = atom, tokens
        else:
            current, size = current + atom, size + tokens
    pieces += [current] if current else []
    return [p.strip("\n") for p in pieces if p.strip()]


def trailing_context(part: str, count, limit: int) -> str:
    """The last words of a part, at most `limit` tokens, from a sentence start where there is one."""
    if limit <= 0:
        return ""
    end = part[-limit * 12 :]
    if len(end) < len(part):
        end = re.sub(r"\A\S*\s", "", end)  # the cut may stand inside a word
    sentences = [s for s in LINE_OR_SENTENCE_END.split(end) if s.strip()]
    kept, size = deque(), 0
    while (
        sentences and size + (more := count(f" {sentences[-1]}")) <= limit + 1
    ):  # the first one has no space before it
        kept.appendleft(sentences.pop())
        size += more
    while kept and count(" ".join(kept)) > limit:
        kept.popleft()
    if kept:
        return " ".join(kept)
    end = part.rstrip()[-limit * 12 :]
    while count(end) > limit:
        end = end[len(end) // 4 + 1 :]
    return end.partition(" ")[2] or end
