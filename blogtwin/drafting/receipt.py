"""What a draft says about itself: how it was made, and what became of each line of the notes."""

import hashlib
import time
from dataclasses import asdict, dataclass

from blogtwin.drafting.drafter import Drafter, DraftParagraph
from blogtwin.drafting.room import Room
from blogtwin.drafting.two_models import TwoModelDrafter
from blogtwin.text.language import detect_language

MIN_PER_ROUND, MAX_PER_ROUND = 4, 16  # candidates
CHECKED_LANGUAGES = ("en", "")
# What a candidate a round costs for each line, in all its rounds, counted in tokens that the machine writes in that
# time: enough for 95 of 100 drafts from notes of the sample.
TOKENS_PER_CANDIDATE = 27


@dataclass(frozen=True)
class LineResult:
    """A line of the notes and how it is told: `told` in the model's words, `own_words` in the writer's, or placed as it
    stands (`verbatim`, `heading`). `sentence`: place among all sentences of the draft, from 0."""

    number: int
    text: str
    status: str
    sentence: int


@dataclass(frozen=True)
class ContentReceipt:
    """What the content model did for a draft of two models; the fields are those of a Receipt."""

    name: str
    model: str
    candidates: int
    rounds: int
    tokens: int
    rejected: dict[str, int]
    fence: bool


@dataclass(frozen=True)
class Receipt:
    """Enough to make the same text again: same notes, models, seed, room and candidates, same draft. `language`: of the
    notes, ISO 639-1; empty where they are too short to tell. `number_words_checked`: whether numbers in words are known
    in that language; in others only digits are. `fence`: whether a fact beyond the notes was kept from being written;
    without one such candidates were refused (`rejected`), and a server elsewhere may write another text the next time.
    `content`: the other model of two."""

    notes_sha256: str
    model: str
    seed: int
    candidates_per_round: int
    candidates: int
    rounds: int
    tokens: int
    seconds: float
    rejected: dict[str, int]
    lines: list[LineResult]
    room: Room
    language: str
    number_words_checked: bool
    fence: bool
    content: ContentReceipt | None

    def to_dict(self) -> dict:
        """As JSON."""
        return asdict(self)


def make_receipt(drafter: Drafter, paragraphs: list[DraftParagraph], model: str, content_model: str = "") -> Receipt:
    """The receipt of a finished draft. `model`, `content_model`: the digests of what wrote."""
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph.sentences]
    results = []
    for line in drafter.lines:
        places = [at for at, sentence in enumerate(sentences) if line.number in sentence.lines]
        worst = next((at for at in places if sentences[at].status != "supported"), places[0])
        status = sentences[worst].status
        results.append(LineResult(line.number, line.text, "told" if status == "supported" else status, worst))
    language = detect_language("\n".join(line.text for line in drafter.lines if line.kind != "verbatim"))
    return Receipt(
        notes_sha256=hashlib.sha256(drafter.source.encode()).hexdigest(),
        model=model,
        seed=drafter.seed,
        candidates_per_round=drafter.per_round,
        candidates=drafter.writer.candidates,
        rounds=drafter.rounds,
        tokens=drafter.writer.written_tokens,
        seconds=round(time.perf_counter() - drafter.started, 2),
        rejected=drafter.rejected,
        lines=results,
        room=drafter.room,
        language=language,
        number_words_checked=language in CHECKED_LANGUAGES,
        fence=drafter.writer.has_fence,
        content=_content_receipt(drafter.content, content_model) if isinstance(drafter, TwoModelDrafter) else None,
    )


def _content_receipt(drafter: Drafter, model: str) -> ContentReceipt:
    writer = drafter.writer
    return ContentReceipt(
        name=writer.name,
        model=model,
        candidates=writer.candidates,
        rounds=drafter.rounds,
        tokens=writer.written_tokens,
        rejected=drafter.rejected,
        fence=writer.has_fence,
    )


def candidates_for(seconds: float, lines: int, tokens_per_second: float) -> int:
    """Candidates in each round that fit a time budget, from the machine's measured speed in step."""
    tokens = seconds * tokens_per_second / max(1, lines)
    return max(MIN_PER_ROUND, min(MAX_PER_ROUND, int(tokens / TOKENS_PER_CANDIDATE)))
