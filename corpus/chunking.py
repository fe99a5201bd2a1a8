"""A long post cut into parts that fit the training length, at paragraph ends."""

import math
import re
from collections import deque
from collections.abc import Callable

from blogtwin.text.sentences import CLAUSE_END, LINE_OR_SENTENCE_END

TokenCount = Callable[[str], int]  # the number of tokens of a text
BLANK_LINE_TOKENS = 2  # at most, for the blank line after a paragraph
MAX_TOKEN_CHARACTERS = 12  # the last n tokens of a text are in its last 12 n characters, but for rare long tokens


def chunk(paragraphs: list[str], count_tokens: TokenCount, first_limit: int, next_limit: int) -> list[str]:
    """Paragraphs → parts of at most `first_limit` (the first) or `next_limit` tokens, cut at paragraph ends.

    Parts come out of about equal length, so that none is a mere rest. A paragraph longer than a part is cut at sentence
    ends, then at words.
    """
    limit = min(first_limit, next_limit)
    pieces = [piece for paragraph in paragraphs for piece in split_paragraph(paragraph, count_tokens, limit)]
    if not pieces:
        return []
    sizes = [count_tokens(piece) + BLANK_LINE_TOKENS for piece in pieces]
    remaining = sum(sizes)  # tokens from the start of the current part on
    parts: list[str] = []
    current: list[str] = []
    size = 0
    for piece, tokens in zip(pieces, sizes):
        limit = next_limit if parts else first_limit
        # how many parts the remaining tokens need, the current one included
        num_parts = 1 + max(0, math.ceil((remaining - limit) / next_limit))
        is_full = size + tokens > limit
        has_its_share = num_parts > 1 and size + tokens / 2 > remaining / num_parts
        if current and (is_full or has_its_share):
            parts.append("\n\n".join(current))
            remaining -= size
            current, size = [], 0
        current.append(piece)
        size += tokens
    return [*parts, "\n\n".join(current)]


def split_paragraph(paragraph: str, count_tokens: TokenCount, limit: int) -> list[str]:
    """[paragraph] if it fits `limit` tokens; else pieces that do, cut at line ends, sentence ends, spaces, anywhere."""
    max_tokens = limit - BLANK_LINE_TOKENS
    # a token is at least a byte: where the bytes fit, nothing needs counting
    if len(paragraph.encode()) <= max_tokens or count_tokens(paragraph) <= max_tokens or len(paragraph) == 1:
        return [paragraph]
    pieces: list[str] = []
    current, size = "", 0
    for fragment in _split_at_boundaries(paragraph):
        tokens = count_tokens(fragment)
        if tokens > max_tokens:
            if current:
                pieces.append(current)
            pieces += split_paragraph(fragment, count_tokens, limit)
            current, size = "", 0
        elif current and size + tokens > max_tokens:
            pieces.append(current)
            current, size = fragment, tokens
        else:
            current, size = current + fragment, size + tokens
    if current:
        pieces.append(current)
    return [piece.strip("\n") for piece in pieces if piece.strip()]


def _split_at_boundaries(text: str) -> list[str]:
    """`text` cut at the most natural boundaries it has: line ends, sentence ends, spaces, else its middle."""
    for boundary in (r"(?<=\n)", CLAUSE_END, r"(?=\s)"):
        fragments = [fragment for fragment in re.split(boundary, text) if fragment]
        if len(fragments) > 1:
            return fragments
    middle = len(text) // 2
    return [text[:middle], text[middle:]]


def trailing_context(part: str, count_tokens: TokenCount, limit: int) -> str:
    """The end of a part, at most `limit` tokens, from the start of a sentence if one fits, else from a word."""
    if limit <= 0:
        return ""
    end = part[-limit * MAX_TOKEN_CHARACTERS :]
    if len(end) < len(part):
        end = re.sub(r"\A\S*\s", "", end)  # the cut may be inside a word
    sentences = [sentence for sentence in LINE_OR_SENTENCE_END.split(end) if sentence.strip()]
    fitting: deque[str] = deque()
    size = 0
    while sentences:
        tokens = count_tokens(f" {sentences[-1]}")
        if size + tokens > limit + 1:  # one more: the first sentence has no space before it
            break
        fitting.appendleft(sentences.pop())
        size += tokens
    while fitting and count_tokens(" ".join(fitting)) > limit:
        fitting.popleft()
    if fitting:
        return " ".join(fitting)
    end = part.rstrip()[-limit * MAX_TOKEN_CHARACTERS :]
    while count_tokens(end) > limit:
        end = end[len(end) // 4 + 1 :]
    return end.partition(" ")[2] or end
