"""Upgrade an older params.yaml in place: renamed parameters, moved defaults, and merge conflicts."""

import re
from pathlib import Path

import yaml

from blogtwin import renamed_params
from blogtwin.dvc import run_git
from blogtwin.edit_params import changed_values, set_params
from blogtwin.errors import UserError
from blogtwin.files import atomic_open, atomic_path

BASE, OURS, THEIRS = 1, 2, 3  # Git's stage numbers of the versions of a conflicted file


def upgrade_text(text: str, folder: Path) -> tuple[str, list[str]]:
    """(the text under the current names and defaults, a description of each change). Raises YAMLError."""
    changes = []
    while change := _first_change(text, folder):
        text, description = change
        changes.append(description)
    return text, changes


def _first_change(text: str, folder: Path) -> tuple[str, str] | None:
    """The text with the first outdated name or default replaced, and a description; None when there is none left.

    Edits the text at the positions that the parser reports: dumping the parsed data would move comments and change
    quotes.
    """
    nodes = _nodes(yaml.compose(text, Loader=yaml.SafeLoader))
    current_names = {name: renamed_params.current_name(name) for name in nodes}
    for old in nodes:
        if not current_names[old]:
            removed = _source(text, *nodes[old])
            return _delete(text, *nodes[old]), f"{old} was removed: its line was deleted ({removed})"
    for old in reversed(nodes):  # a parameter before its section, because the table has it under the section's old name
        new = current_names[old]
        if old.rpartition(".")[2] == new.rpartition(".")[2]:
            continue
        if list(current_names.values()).count(new) > 1:
            removed = _source(text, *nodes[old])
            description = f"{old} is now called {new}, which is also present: the old line was deleted ({removed})"
            return _delete(text, *nodes[old]), description
        return _replace(text, nodes[old][0], new.rpartition(".")[2]), f"{old} is now called {new}"
    for name, (_, value) in nodes.items():
        if isinstance(value, yaml.ScalarNode):
            default = renamed_params.new_default(name, value.value, folder)
            if default is not None:
                return _replace(text, value, default), f"{name} is now {default} (it was {value.value})"
    return None


def _nodes(node: yaml.Node | None, prefix: str = "") -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """{dotted name: (key, value)} of all parameters and sections."""
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if isinstance(key, yaml.ScalarNode):
            name = f"{prefix}{key.value}"
            found |= {name: (key, value)} | _nodes(value, f"{name}.")
    return found


def _replace(text: str, node: yaml.Node, new: str) -> str:
    return text[: node.start_mark.index] + new + text[node.end_mark.index :]


def _end(node: yaml.Node) -> int:
    """Offset of a value's end. The parser's own end of a section includes the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _source(text: str, key: yaml.Node, value: yaml.Node) -> str:
    """The parameter as it is written in the text, on one line."""
    return " ".join(text[key.start_mark.index : _end(value)].split())


def _delete(text: str, key: yaml.Node, value: yaml.Node) -> str:
    """The text without a parameter: without its lines, or without its item of a flow mapping {a: 1, b: 2}."""
    start, end = key.start_mark.index, _end(value)
    line = text.rfind("\n", 0, start) + 1
    if not text[line:start].strip():
        newline = text.find("\n", end)
        return text[:line] + (text[newline + 1 :] if newline >= 0 else "")
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if after.startswith(","):
        return before + (" " if before.endswith(",") else "") + after[1:].lstrip()
    return before.removesuffix(",") + after


def resolve_conflict(path: Path) -> list[str]:
    """Resolve a merge conflict in params.yaml: take the pulled version, and set the values that were changed locally.

    Returns the names of those. Raises UserError when that gives no valid params.yaml.
    """
    versions = [run_git(path.parent, "show", f":{number}:./{path.name}") for number in (BASE, OURS, THEIRS)]
    if any(version.returncode for version in versions):
        raise UserError(
            f"{path} contains Git conflict markers (<<<<<<<): keep one side of each conflict and delete the markers."
        )
    base, ours, theirs = (version.stdout for version in versions)
    # In a merge the pulled version is “theirs”; where local changes are reapplied (autostash, rebase), it is “ours”.
    is_merge = run_git(path.parent, "rev-parse", "-q", "--verify", "MERGE_HEAD").returncode == 0
    pulled, local = (theirs, ours) if is_merge else (ours, theirs)
    try:
        values = changed_values(base, local, path.parent)
        with atomic_path(path) as temporary:
            temporary.write_text(upgrade_text(pulled, path.parent)[0], encoding="utf-8")
            set_params(temporary, values, quiet=True)
    except (yaml.YAMLError, UserError) as e:
        why = re.sub(r"\S*\.tmp", "it", " ".join(str(e).split()))
        raise UserError(
            f"Git could not merge {path}, and setting your changes in the new version fails ({why}): resolve the"
            " conflicts by hand."
        ) from None
    run_git(path.parent, "add", "--", path.name)  # marks the conflict as resolved, so that Git continues
    return list(values)


def upgrade_file(path: Path) -> list[str]:
    """Upgrade a params.yaml in place; a description of each change.

    Raises YAMLError or UnicodeDecodeError, and leaves the file as it is, when it can't be parsed.
    """
    text = path.read_bytes().decode()  # read_text would change the line ends
    if renamed_params.has_conflict_markers(text):
        names = resolve_conflict(path)
        return [f"Git could not merge it: it is now the new version with your changes ({', '.join(names) or 'none'})"]
    text, changes = upgrade_text(text, path.parent)
    if changes:
        with atomic_open(path, "wb") as file:
            file.write(text.encode())
    return changes
