"""Which posts the trainings of a project know, and in which split they are: its own, and those of kept twins."""

from blogtwin.files import read_json_object, read_jsonl
from blogtwin.paths import SPLIT_DIR
from blogtwin.twins.store import ASSIGNMENTS_FILE, list_versions


def known_posts() -> set[str]:
    """The ids of the posts that a training of this project, or a kept twin, was made from."""
    files = [SPLIT_DIR / f"{name}.jsonl" for name in ("train", "valid", "test")]
    ids = {row["post_id"] for file in files if file.is_file() for row in read_jsonl(file)}
    return ids.union(*(entry["posts"] for entry in known_assignments().values()))


def known_assignments() -> dict[str, dict[str, dict[str, str]]]:
    """In which split each post is, as assignments.json has it (corpus/split.py): that of this project, and what
    trainings elsewhere, of which there are versions, assigned besides."""
    versions = sorted(list_versions(), key=lambda version: version.about["created"])
    files = [version.folder / "eval" / ASSIGNMENTS_FILE for version in versions]
    found: dict[str, dict[str, dict[str, str]]] = {}
    for file in (*files, SPLIT_DIR / ASSIGNMENTS_FILE):
        for settings, entry in (read_json_object(file) or {}).items():
            for kind, values in entry.items():
                found.setdefault(settings, {"posts": {}, "where": {}}).setdefault(kind, {}).update(values)
    return found
