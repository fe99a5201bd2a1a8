"""Requests for sentences of a draft, and what the answers hold."""

from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from blogtwin.drafting.drafter import DraftSentence
from blogtwin.drafting.receipt import Receipt
from blogtwin.drafting.room import Room
from serve.catalog import TWIN
from serve.requests import Name, Prompt, SamplingOptions, Seed

Title = Annotated[str, Field(max_length=200)]
Notes = Annotated[str, Field(min_length=1, max_length=20_000)]
Heading = Annotated[str, Field(min_length=1, max_length=200)]
Outline = Annotated[list[Heading], Field(max_length=20)]
Candidates = Annotated[
    int | None,
    Field(ge=1, le=16, description="for a sentence in each round; left out: as many as fit `seconds`"),
]
LineNumbers = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
Sentence = Annotated[str, Field(min_length=1, max_length=2_000)]
ROOM_DESCRIPTION = (
    "words of the draft for those of the notes. tight: as few as tell them. own: as the model writes. roomy: with a"
    " sentence in each paragraph that adds no fact, where the model has one"
)


class SearchRequest(Protocol):
    """What every request for a search gives."""

    model: str
    seed: int | None
    candidates: int | None
    seconds: float
    room: Room


class SentenceRequest(BaseModel):
    """A sentence of a draft from notes: `lines` are the numbers of the note lines that it tells, `text` is what stands
    there, `paragraph` the text of its paragraph before it, `draft_before` the text of the paragraphs before that.
    `outline` is that of the request for the draft."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "The ladder", "notes": "13 rungs, one is loose", "lines": [0], "candidates": 4}]
        }
    )

    title: Title = ""
    notes: Notes
    outline: Outline = []
    lines: LineNumbers
    paragraph: str = Field("", max_length=20_000)
    draft_before: str = Field("", max_length=200_000)
    text: str = Field("", max_length=2_000)
    model: Name = TWIN
    seed: Seed | None = None
    room: Room = Field("own", description=ROOM_DESCRIPTION)
    candidates: Candidates = None
    seconds: float = Field(8, gt=0, le=600, description="time for the search, roughly")


class SentenceResult(BaseModel):
    """Up to three other sentences for the same lines, the best first; `reason` says why there is none."""

    sentences: list[DraftSentence]
    reason: str


class CheckRequest(BaseModel):
    """A sentence that the writer changed, with the notes of its draft."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"notes": "13 rungs, one is loose", "text": "None of the 13 rungs is loose."}]}
    )

    title: Title = ""
    notes: Notes
    outline: Outline = []
    text: Sentence


class ChoiceRequest(BaseModel):
    """The writer took `chosen` instead of `rejected` as the sentence that tells `lines`. `before`: the text of its
    paragraph before it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "The ladder",
                    "notes": "13 rungs, one is loose",
                    "lines": [0],
                    "chosen": "One of its 13 rungs is loose.",
                    "rejected": "The 13 rungs are one loose.",
                }
            ]
        }
    )

    title: Title = ""
    notes: Notes
    outline: Outline = []
    lines: LineNumbers
    before: str = Field("", max_length=20_000)
    chosen: Sentence
    rejected: Sentence
    model: Name = TWIN


class ChoiceResult(BaseModel):
    """The choice that was kept. DELETE /api/draft/choice/{id} takes it back."""

    id: str


class RemovedChoice(BaseModel):
    removed: bool


class DraftParagraphResult(BaseModel):
    """A paragraph of a draft, with its sentences."""

    number: int
    text: str
    sentences: list[DraftSentence]


class RewriteRequest(SamplingOptions):
    """`seed`, `candidates`, `seconds` and `room` decide; the other sampling parameters are the search's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"text": "The ferry left at 9:30 with 40 people.", "candidates": 4, "max_tokens": 60}]
        }
    )

    text: Prompt
    model: Name = TWIN
    stream: bool = False
    room: Room = Field("own", description=ROOM_DESCRIPTION)
    candidates: Candidates = None
    seconds: float = Field(30, gt=0, le=600, description="time for the search, roughly")


class FoundFact(BaseModel):
    kind: Literal["number", "date", "name", "link", "quote"]
    value: str


class RewriteResult(BaseModel):
    """Facts of the input that stand in the text, that are missing, and facts of the text that the input does not
    hold. `paragraphs` with the mark of each sentence, and `receipt`: only where the text was searched for sentence by
    sentence; then a sentence that could not be told in the voice stands as it was (own_words)."""

    text: str
    kept: list[FoundFact]
    missing: list[FoundFact]
    invented: list[FoundFact]
    finish_reason: str
    tokens: int
    paragraphs: list[DraftParagraphResult] = []
    sentences: list[DraftSentence] = []
    receipt: Receipt | None = None
