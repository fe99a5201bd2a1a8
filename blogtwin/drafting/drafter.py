"""The search: sentence by sentence in the writer's order, asked for again where a line is missing, and the writer's own
words where the model finds none."""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from blogtwin.drafting.candidates import Candidate, Request
from blogtwin.drafting.claims import Claim, content_stems, is_negated, parse_claim
from blogtwin.drafting.gates import NoChecks, TextChecks, rejection_reason
from blogtwin.drafting.notes import NoteLine, parse_notes
from blogtwin.drafting.questions import QuestionCollector, Reach
from blogtwin.drafting.room import Room, best_addition
from blogtwin.drafting.scoring import Scored, rank_by_prose, score_candidate
from blogtwin.text.sentences import split_evenly
from blogtwin.text.tokens import tokenise_words

LINES_PER_PARAGRAPH, OPENING_LINES = 3, 2  # the first paragraph is short, so that it is soon there
FIRST_TEMPERATURE, LATER_TEMPERATURE = 0.6, 0.9
PREFIX_WORDS = (2, 1)  # a missing line is asked for again with so many of its own words as the beginning
MIN_RECALL = 0.5  # of a line by the best candidate, below which the writer's own words stand
MAX_FOREIGN = 0.6  # share of content words that the notes don't have, above which nothing in them says the sentence
MIN_PULLED_CHARS = 4  # of a word of the notes whose beginning is made likelier
MAX_LINE_CHARS = 400
ROUNDS_FOR_TWO_LINES = 2  # of a tight draft, in which a sentence that tells two lines is looked for
SEED_STRIDE = 1000  # between the seeds of two rounds: more than candidates in a round

CLAUSE_END = re.compile(r"[,;:]\s+|\s[-–—]\s")

Status = Literal["supported", "unsupported", "contradicts", "content", "own_words", "verbatim", "heading"]


class DraftStopped(Exception):
    """Whoever asked for the draft no longer wants it."""


class Writer(Protocol):
    """What writes candidates, and counts them. `name`: the model's, for whoever asks who wrote a sentence. `has_fence`:
    whether a fact beyond the notes is never written, or only refused afterwards. `reached`: in each round of the last
    call, the facts beyond the notes that each answer was about to state."""

    name: str
    has_fence: bool
    candidates: int
    written_tokens: int
    reached: list[list[tuple[Reach, ...]]]

    def write(self, request: Request) -> list[Candidate]:
        """Candidates for the next sentence."""

    def write_rounds(
        self, requests: Iterable[Request], take: Callable[[Candidate], object], enough: Callable[[], bool]
    ) -> None:
        """Hand the candidates of one request after the other to `take`, each text once, until there are `enough`."""

    def prose_log_likelihoods(self, before: str, texts: list[str]) -> list[float]:
        """Nats per token of each text after `before` in a post of that title, by a model that does not see the notes;
        zeros where it can't be asked."""


@dataclass(frozen=True)
class DraftSentence:
    """A sentence of the draft. `lines`: numbers of the note lines that it tells.

    supported: it tells lines of the notes. unsupported: it tells one, and more that nothing in the notes says.
    contradicts: it denies what a line says, or says what a line denies. content: it tells lines, in the plain words of
    the content model. own_words: the writer's line as it stands. `written_by`: name of the model that wrote it; None
    where the writer did.
    """

    text: str
    status: Status
    lines: tuple[int, ...] = ()
    alternatives: tuple[str, ...] = ()
    written_by: str | None = None


@dataclass
class DraftParagraph:
    """A paragraph as it comes."""

    sentences: list[DraftSentence] = field(default_factory=list)

    @property
    def text(self) -> str:
        """As a reader sees it."""
        return " ".join(sentence.text for sentence in self.sentences)


class Drafter:
    """Drafts from one set of notes. `per_round`: candidates for a sentence in each round. `room`: how many words of the
    draft for those of the notes. `lines`: the notes as they were parsed, where they were. The same notes, writer, seed,
    room and `per_round` give the same draft."""

    def __init__(
        self,
        writer: Writer,
        title: str,
        notes: str,
        seed: int,
        per_round: int,
        checks: TextChecks | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        room: Room = "own",
        lines: Sequence[NoteLine] | None = None,
    ):
        self.writer, self.seed, self.per_round = writer, seed, per_round
        self.checks, self.should_stop, self.room = checks or NoChecks(), should_stop, room
        self.title, self.source = title, f"{title}\n{notes}"
        self.lines = parse_notes(notes) if lines is None else list(lines)
        self.known = frozenset(content_stems(self.source))
        self.rejected: dict[str, int] = {}
        self.wishes = QuestionCollector()
        self.text = ""
        self.rounds = 0
        self.started = time.perf_counter()

    def paragraphs(self) -> Iterator[DraftParagraph]:
        """The draft, a paragraph at a time. Raises DraftStopped."""
        for groups in group_lines(self.lines):
            paragraph = DraftParagraph()
            for group in groups:
                sentences = [self._place(group[0])] if group[0].kind != "claim" else self._write_sentences(group)
                separator = " " if paragraph.sentences else "\n\n"
                paragraph.sentences += sentences
                self.text += (separator if self.text else "") + DraftParagraph(sentences).text
            yield paragraph

    def _place(self, line: NoteLine) -> DraftSentence:
        """A heading, or what is placed as it stands."""
        if line.kind == "heading":
            return DraftSentence(f"## {line.text}", "heading", (line.number,))
        return DraftSentence(line.text, "verbatim", (line.number,))

    def _write_sentences(self, group: list[NoteLine]) -> list[DraftSentence]:
        todo = [parse_claim(line.number, line.text) for line in group]
        lines = self.lines_to_show(todo)
        written = DraftParagraph()
        while todo:
            told, sentences = self._tell(lines, written.text, todo)
            written.sentences += sentences
            todo = todo[told:]
        return [*written.sentences, *self._add_sentence(group, lines, written.text)]

    def _add_sentence(self, group: list[NoteLine], lines: tuple[str, ...], before: str) -> list[DraftSentence]:
        """One more sentence of the paragraph, which states no fact; none without room, or where the model has none."""
        if self.room != "roomy" or group[0].form != "note" or not lines:
            return []
        (request,) = self._rounds([Request(lines, before, "", frozenset(), self.per_round, FIRST_TEMPERATURE, 0)])
        written = self.writer.write(request)
        earlier = f"{self.text}\n{before}"
        passed = [one for one in written if not rejection_reason(one.text, earlier, "", self.source, self.checks)]
        best = best_addition(passed, self.known)
        return [DraftSentence(best.text, "unsupported", written_by=self.writer.name)] if best else []

    def _rounds(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The requests of one round after the other, each with a seed of its own. Raises DraftStopped."""
        for request in requests:
            if self.should_stop():
                raise DraftStopped
            self.rounds += 1
            yield replace(request, seed=self.seed + SEED_STRIDE * self.rounds)

    def _tell(self, lines: tuple[str, ...], before: str, todo: list[Claim]) -> tuple[int, list[DraftSentence]]:
        """(how many of the next lines are told, the sentences that tell them): one sentence of the model's; where none
        tells the line, one for each half of it; else the writer's own line. A sentence of prose is not told by
        half."""
        told, sentence = self._best_sentence(self.search(lines, before, todo), todo)
        if sentence:
            return told, [sentence]
        sentences: list[DraftSentence] = []
        for half in split_line(todo[0].line) if self.can_tell(todo[0]) else []:
            claim = parse_claim(todo[0].number, half)
            so_far = " ".join([before, *(s.text for s in sentences)]).strip()
            _, sentence = self._best_sentence(self.search(lines, so_far, [claim]), [claim])
            sentences.append(sentence or self._own_words(claim))
        own = [s.status == "own_words" for s in sentences]
        if all(own) or (any(own) and self.lines[todo[0].number].form != "note"):
            sentences = [self._own_words(todo[0])]
        return 1, sentences

    def can_tell(self, claim: Claim) -> bool:
        """Whether a line is one that a sentence of the model may tell."""
        return len(claim.line) <= MAX_LINE_CHARS and self.lines[claim.number].form != "fixed"

    def lines_to_show(self, claims: Iterable[Claim]) -> tuple[str, ...]:
        """The lines of a paragraph that the model is shown: those that it may tell."""
        return tuple(claim.line for claim in claims if self.can_tell(claim))

    def _own_words(self, claim: Claim) -> DraftSentence:
        text = as_sentence(claim.line) if self.lines[claim.number].form == "note" else claim.line
        return DraftSentence(text, "own_words", (claim.number,))

    def _best_sentence(self, found: list[Scored], todo: list[Claim]) -> tuple[int, DraftSentence | None]:
        """(how many of the next lines the best candidate tells, the candidate as a sentence); (0, None) where none
        tells the next line, or only with a denial too many or too few."""
        agreeing = [scored for scored in found if scored.negation_agrees]
        if not agreeing or agreeing[0].checks[0].missing or agreeing[0].checks[0].recall < MIN_RECALL:
            return 0, None
        best = agreeing[0]
        told = 2 if best.tells_next else 1
        numbers = tuple(claim.number for claim in todo[:told])
        others = tuple(scored.candidate.text for scored in agreeing[1:] if scored.is_accepted)[:2]
        return told, DraftSentence(best.candidate.text, sentence_status(best), numbers, others, self.writer.name)

    def search(self, lines: tuple[str, ...], before: str, todo: list[Claim], enough: int = 1) -> list[Scored]:
        """Candidates for the next line that pass all gates, best first; ended by so many accepted ones as are
        `enough`. Raises DraftStopped."""
        if not self.can_tell(todo[0]):
            return []
        window = "\n".join([self.title, *(claim.line for claim in todo[:2])])
        words = tokenise_words(todo[0].line)
        wanted = frozenset(word for word in words if len(word) >= MIN_PULLED_CHARS or is_negated(word))
        found: list[Scored] = []
        before_rounds = self.rounds

        def take(candidate: Candidate) -> None:
            reason = self._rejection_reason(candidate.text, before, window)
            if reason:
                self.rejected[reason] = self.rejected.get(reason, 0) + 1
            else:
                found.append(score_candidate(candidate, todo, self.known, self.room))

        def is_enough() -> bool:
            begun = self.rounds - before_rounds
            both = self.room == "tight" and len(todo) > 1 and begun <= ROUNDS_FOR_TWO_LINES
            return sum(scored.is_accepted and (scored.tells_next or not both) for scored in found) >= enough

        requests = [
            Request(shown, before, window, wanted, self.per_round, temperature, 0, prefix)
            for prefix, temperature, shown in self._attempts(lines, todo[0].line)
        ]
        self.writer.write_rounds(self._rounds(requests), take, is_enough)
        for answers in self.writer.reached:
            self.wishes.add(answers, todo[0].number)
        return rank_by_prose(found, lambda texts: self.writer.prose_log_likelihoods(self._text_before(before), texts))

    def _text_before(self, before: str) -> str:
        """The paragraph of the draft before this one, and what is written of this one; ends as a sentence may begin."""
        last = self.text.rpartition("\n\n")[2]
        return (f"{last}\n\n" if last else "") + (f"{before} " if before else "")

    def _rejection_reason(self, text: str, before: str, window: str) -> str | None:
        """Why a sentence can't stand after `before`, the paragraph so far; `window`: what it may tell."""
        return rejection_reason(text, f"{self.text}\n{before}", window, self.source, self.checks)

    def _attempts(self, lines: tuple[str, ...], line: str) -> list[tuple[str, float, tuple[str, ...]]]:
        """(first words, temperature, lines shown) of each round, until a candidate is accepted."""
        long_prefix, short_prefix = (first_words(line, count) for count in PREFIX_WORDS)
        return [
            ("", FIRST_TEMPERATURE, lines),
            ("", LATER_TEMPERATURE, lines),
            (long_prefix, FIRST_TEMPERATURE, (line,)),
            (short_prefix, LATER_TEMPERATURE, lines),
        ]


def sentence_status(best: Scored) -> Status:
    """What a sentence that tells a line is marked as."""
    return "unsupported" if best.foreign > MAX_FOREIGN else "supported"


def group_lines(lines: Sequence[NoteLine]) -> list[list[list[NoteLine]]]:
    """For each paragraph of the draft the lines that are told together: two or three claims of one block, at first two;
    a heading or a verbatim part alone. A block of notes makes a paragraph for each such group, one of prose stays
    one."""
    blocks: dict[int, list[NoteLine]] = {}
    for line in lines:
        blocks.setdefault(line.paragraph, []).append(line)
    paragraphs: list[list[list[NoteLine]]] = []
    for block in blocks.values():
        if block[0].kind != "claim":
            paragraphs += [[[line]] for line in block]
            continue
        opening = block[:OPENING_LINES] if len(block) > LINES_PER_PARAGRAPH else []
        rest = block[len(opening) :]
        groups = [opening] * bool(opening) + split_evenly(rest, math.ceil(len(rest) / LINES_PER_PARAGRAPH))
        paragraphs += [[group] for group in groups] if block[0].form == "note" else [groups]
    return paragraphs


def split_line(line: str) -> list[str]:
    """The halves of a line, divided at the comma or the like that is nearest to its middle; none where a half would be
    a single word."""
    places = [m for m in CLAUSE_END.finditer(line) if min(_words(line[: m.start()]), _words(line[m.end() :])) > 1]
    if not places:
        return []
    middle = min(places, key=lambda m: abs(_words(line[: m.start()]) - _words(line[m.end() :])))
    return [line[: middle.start()].strip(), line[middle.end() :].strip()]


def _words(text: str) -> int:
    return len(text.split())


def first_words(line: str, count: int) -> str:
    """The first words of a line as the beginning of a sentence."""
    begin = " ".join(line.split()[:count]).rstrip(",;:.?!")
    return begin[:1].upper() + begin[1:]


def as_sentence(line: str) -> str:
    """A line of notes as a sentence: a capital at its start, a full stop at its end."""
    text = line.strip()
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!?…" else f"{text}."
