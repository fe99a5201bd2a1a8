"""Notes written by hand for passages of blogs, with the keys that drafts made of them are judged by.

A set is one file, tests/data/notes/<blog>/<NN>-<slug>.yaml, and holds no sentence of the blog: the passage is named by
its post's file, its paragraphs and two digests. `NoteSet.from_file` reads and checks the form of a set; whether its
keys hold for a text is for eval.note_keys to say.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from blogtwin.paths import ROOT
from blogtwin.validation import dotted, main_problem, message_of
from corpus.cleaning import clean_markdown, split_paragraphs
from corpus.readers import read_post

NOTES_DIR = ROOT / "tests/data/notes"
SAMPLE = "sample"  # the blog whose posts are in the repository
MAX_POST_BYTES = 1e7
MIN_LINES, MAX_LINES = 4, 12
MIN_LINE_WORDS, MAX_LINE_WORDS = 3, 12
MAX_LINE_FACTS = 4

FactKind = Literal["number", "date", "name", "term"]
Split = Literal["valid", "test"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


@dataclass(frozen=True, config=STRICT)
class NoteFact:
    """What a reader would miss if it were not told."""

    value: Annotated[tuple[Text, ...], Field(min_length=1)]  # spellings, the plainest first; any one of them counts
    kind: FactKind
    # One of these must stand in the value's sentence for the fact to be in its role; none: any place is right.
    of: tuple[Text, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Denial:
    """What a line denies: a sentence that speaks of any of `about` must hold a denying word, or any of `denied_by`."""

    about: Annotated[tuple[Text, ...], Field(min_length=1)]
    denied_by: Annotated[tuple[Text, ...], Field(alias="with")] = ()  # “refused”, “failed to”: known ones go unsaid


@dataclass(frozen=True, config=STRICT)
class NoteLine:
    """One line as its author would jot it."""

    line: Text
    facts: Annotated[tuple[NoteFact, ...], Field(min_length=1, max_length=MAX_LINE_FACTS)]
    denies: Denial | None = None
    contradicted_by: tuple[Text, ...] = ()  # regular expressions; one that matches a text contradicts the line

    @model_validator(mode="after")
    def check_line(self) -> Self:
        count = len(self.line.split())
        if not MIN_LINE_WORDS <= count <= MAX_LINE_WORDS:
            raise ValueError(f"a line has {MIN_LINE_WORDS} to {MAX_LINE_WORDS} words, “{self.line}” has {count}")
        for pattern in self.contradicted_by:
            try:
                re.compile(pattern)
            except re.error as e:
                raise ValueError(f"contradicted_by: “{pattern}” is no regular expression: {e}") from e
        return self


@dataclass(frozen=True, config=STRICT)
class NoteSet:
    """The notes of one passage. valid: they may tune; test: they measure."""

    title: Text
    post: Text  # the sample's: a path in the repository; another blog's: the name of the file
    post_sha256: Digest  # of the file
    passage_sha256: Digest  # of the passage's text
    passage: tuple[int, int]  # first and last paragraph of the cleaned post, counted from 0, inclusive
    split: Split
    notes: Annotated[tuple[NoteLine, ...], Field(min_length=MIN_LINES, max_length=MAX_LINES)]
    # Notes that rules made of the same passage, to be drafted from in place of the lines; a file has none.
    by_rule: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def check_passage(self) -> Self:
        first, last = self.passage
        if not 0 <= first <= last:
            raise ValueError(f"passage: [{first}, {last}] is no range of paragraphs")
        return self

    @classmethod
    def from_file(cls, path: Path) -> "NoteSet":
        """Raises ValueError with the file and what is wrong in it."""
        try:
            return TypeAdapter(cls).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValidationError as e:
            problem = main_problem(e)
            raise ValueError(f"{path.name}: {dotted(problem['loc'])}: {message_of(problem)}") from e
        except yaml.YAMLError as e:
            raise ValueError(f"{path.name} is no YAML: {e}") from e

    def lines(self) -> list[str]:
        """What is drafted from, line by line."""
        return list(self.by_rule) or [line.line for line in self.notes]

    def as_text(self) -> str:
        """The notes as a writer gives them, one a line."""
        return "\n".join(self.lines())


def list_set_files(blog: str = "*") -> list[Path]:
    """The files of all sets, or of one blog's, in a stable order."""
    return sorted(NOTES_DIR.glob(f"{blog}/*.yaml"))


def find_post(note_set: NoteSet, blog: str, blogs: Path | None) -> Path | None:
    """The post's file; None where it is not on this machine. `blogs`: the folder with a folder for each other blog."""
    if blog == SAMPLE:
        return ROOT / note_set.post
    if blogs is None:
        return None
    return next((path for path in sorted((blogs / blog).rglob(note_set.post)) if path.is_file()), None)


def read_paragraphs(post: Path) -> list[str]:
    """The paragraphs of a post as the pipeline reads and cleans it. Raises SkippedPost for what is no post."""
    return split_paragraphs(clean_markdown(read_post(post, MAX_POST_BYTES).text))


def read_passage(post: Path, first: int, last: int) -> str:
    """Paragraphs `first` to `last` of a post, inclusive, as they stand in it."""
    return "\n\n".join(read_paragraphs(post)[first : last + 1])


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()
