"""Sets of notes of a post that is not there."""

from eval.note_sets import NoteLine, NoteSet


def make_note_set(title: str, *notes: NoteLine) -> NoteSet:
    """A set of notes for tests that never look at the passage."""
    return NoteSet(
        title=title,
        post="rope.md",
        post_sha256="0" * 64,
        passage_sha256="0" * 64,
        passage=(0, 1),
        split="valid",
        notes=notes,
    )
