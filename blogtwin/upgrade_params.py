"""An older params.yaml brought up to date in place: old names, moved defaults, and conflicts that Git left in it."""

import re
from pathlib import Path

import yaml

from blogtwin import renamed_params
from blogtwin.dvc import run_git
from blogtwin.edit_params import changed_values, set_params
from blogtwin.errors import UserError
from blogtwin.files import atomic_open, atomic_path

BASE, OURS, THEIRS = 1, 2, 3  # Git's numbers of the versions of a conflicted file


def upgraded_text(text: str, folder: Path) -> tuple[str, list[str]]:
    """(the text under today's names and defaults, a sentence for each change). Raises YAMLError."""
    said = []
    while change := _first_change(text, folder):
        text, sentence = change
        said.append(sentence)
    return text, said


def _first_change(text: str, folder: Path) -> tuple[str, str] | None:
    """The text with the first old name or default replaced, and what that was; None when there is none left.

    Replaced by the places that the parser gives: dumping the whole anew would move comments and change quotes.
    """
    found = _nodes(yaml.compose(text, Loader=yaml.SafeLoader))
    today = {name: renamed_params.current(name) for name in found}
    for old in (name for name, new in today.items() if not new):
        return _without(text, *found[old]), f"{old} is gone: its line was taken out ({_as_written(text, *found[old])})"
    for old in reversed(found):  # what is in a section before the section, whose old name stands in the table
        new = today[old]
        if old.rpartition(".")[2] == new.rpartition(".")[2]:
            continue
        if list(today.values()).count(new) > 1:
            return (
                _without(text, *found[old]),
                (
                    f"{old} is now called {new}, which is there too: its line was taken out"
                    f" ({_as_written(text, *found[old])})"
                ),
            )
        return _replaced(text, found[old][0], new.rpartition(".")[2]), f"{old} is now called {new}"
    for name, (_, value) in found.items():
        if isinstance(value, yaml.ScalarNode) and (new := renamed_params.moved(name, value.value, folder)) is not None:
            return _replaced(text, value, new), f"{name} is now {new} (it was {value.value})"
    return None


def _nodes(node: yaml.Node | None, prefix: str = "") -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """{dotted name: (key, value)}, sections too."""
    found = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if isinstance(key, yaml.ScalarNode):
            name = f"{prefix}{key.value}"
            found |= {name: (key, value)} | _nodes(value, f"{name}.")
    return found


def _replaced(text: str, node: yaml.Node, new: str) -> str:
    return text[: node.start_mark.index] + new + text[node.end_mark.index :]


def _end(node: yaml.Node) -> int:
    """Where a value ends: a section's own mark stands after the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _as_written(text: str, key: yaml.Node, value: yaml.Node) -> str:
    return " ".join(text[key.start_mark.index : _end(value)].split())


def _without(text: str, key: yaml.Node, value: yaml.Node) -> str:
    """The text without a parameter: whole lines, or its place between the commas of {a: 1, b: 2}."""
    start, end = key.start_mark.index, _end(value)
    line = text.rfind("\n", 0, start) + 1
    if not text[line:start].strip():
        after = text.find("\n", end)
        return text[:line] + (text[after + 1 :] if after >= 0 else "")
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if after.startswith(","):
        return before + (" " if before.endswith(",") else "") + after[1:].lstrip()
    return before.removesuffix(",") + after


def resolve(path: Path) -> list[str]:
    """Put the new text in the place of one with conflict markers, with the values that were changed here; their
    names."""
    versions = [run_git(path.parent, "show", f":{number}:./{path.name}") for number in (BASE, OURS, THEIRS)]
    if any(version.returncode for version in versions):
        raise UserError(
            f"{path} holds Git's conflict markers (<<<<<<<): keep one side of each and take the markers out."
        )
    base, ours, theirs = (version.stdout for version in versions)
    # In a merge the other side is what was pulled; where changes are put back on top of it (autostash, rebase), ours
    # is.
    pulled, own = (
        (theirs, ours)
        if run_git(path.parent, "rev-parse", "-q", "--verify", "MERGE_HEAD").returncode == 0
        else (ours, theirs)
    )
    try:
        values = changed_values(base, own, path.parent)
        with atomic_path(path) as fresh:
            fresh.write_text(upgraded_text(pulled, path.parent)[0], encoding="utf-8")
            set_params(fresh, values, quiet=True)
    except (yaml.YAMLError, UserError) as e:
        why = re.sub(r"\S*\.tmp", "it", " ".join(str(e).split()))
        raise UserError(
            f"Git could not merge {path}, nor can what you had changed in it be put into the new one ({why}): take the"
            " conflict markers out by hand."
        ) from None
    run_git(path.parent, "add", "--", path.name)  # resolved, so that Git goes on
    return list(values)


def upgrade(path: Path) -> list[str]:
    """Bring a params.yaml up to date in place; a sentence for each change. One that is no YAML stays: load_params says
    why."""
    text = path.read_bytes().decode()  # with its own line ends
    if renamed_params.conflicted(text):
        values = resolve(path)
        return [
            f"Git could not merge it, so it is the new one with what you had changed: {', '.join(values) or 'nothing'}"
        ]
    text, said = upgraded_text(text, path.parent)
    if said:
        with atomic_open(path, "wb") as file:
            file.write(text.encode())
    return said
