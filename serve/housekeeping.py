"""What the project, its authors and the server's training jobs have on the disk, and what nothing needs any more.

Needed are: in DVC's cache the results of all branches, tags, experiments and workspaces; the live twin of each author,
the newest versions and the twins of saved chats; the base models of all these; every checkpoint that a run can resume
from.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from blogtwin.config import load_params
from blogtwin.disk_usage import (
    SERVER_COMMAND,
    StorageKind,
    abandoned_files,
    author_folders,
    checked_dvc,
    disk_bytes,
    dvc_cache,
    dvc_gc_arguments,
    find_running,
    refuse_while_running,
    settled,
    sharing_projects,
)
from blogtwin.dvc import dvc_cache_dir, run_git
from blogtwin.errors import UserError
from blogtwin.hints import author_of
from blogtwin.paths import ADAPTER_DIR, ARTIFACTS_DIR, LOGS_DIR, ROOT
from blogtwin.renamed_params import current_name
from blogtwin.twins.store import cached_digest, gguf_strings, superseded
from serve import database
from serve.settings import Settings

BASE_FIELD = "the base model"  # of a checkpoint's manifest: the beginning of the base's SHA-256


@dataclass(frozen=True)
class CheckpointFolder:
    """A project's checkpoints, as the trainer reads them: {checkpoint: manifest} of unfinished runs, and incomplete
    ones."""

    folder: Path
    unfinished: dict[Path, dict]
    incomplete: list[Path]


def projects_here() -> list[Path]:
    """This project and its authors'."""
    if author := author_of(Path.cwd()):
        raise UserError(
            f"All authors share one cache: run `make gc`, without AUTHOR, in {author[1]}, which looks at everybody's."
        )
    return [Path("."), *author_folders()]


def refuse_while_in_use() -> list[Path]:
    """The projects that share this one's DVC cache, when no stage runs or waits in any. Raises UserError."""
    sharers = sharing_projects(dvc_cache_dir(ROOT), Settings().home)
    refuse_while_running([ROOT, *sharers])
    return sharers


def survey(projects: list[Path], sharers: list[Path], checkpoints: list[CheckpointFolder]) -> list[StorageKind]:
    """Every kind of thing on the disk, with what of it is not needed; DVC's cache comes first."""
    homes = [Settings().home, *(folder.parent for folder in sharers)]
    serving = bool(find_running(projects, SERVER_COMMAND))
    params = read_params([*projects, *(folder for folder in sharers if not folder.is_relative_to(ROOT))])
    twins = twin_storage(projects, params, homes, serving)
    runs = {folder: manifest for one in checkpoints for folder, manifest in one.unfinished.items()}
    abandoned = abandoned_files(projects)
    resumable = ", ".join(f"{folder.parent} (step {manifest['step']})" for folder, manifest in runs.items())
    return [
        dvc_cache(dvc_cache_dir(ROOT), dvc_gc_arguments(sharers)),
        twins,
        base_storage(projects, params, twins.unneeded, list(runs.values()), serving),
        StorageKind(
            "checkpoints",
            [one.folder for one in checkpoints],
            settled([folder for one in checkpoints for folder in one.incomplete]),
            f"needed: {resumable}; delete a folder yourself if you do not want to resume that run" if resumable else "",
        ),
        cache_storage(projects, twins.unneeded),
        StorageKind(
            "logs", [project / LOGS_DIR for project in projects], [], "the newest and the five before it are kept"
        ),
        StorageKind("half-written files", abandoned, abandoned),
    ]


def read_params(projects: list[Path]) -> list[dict[str, str]]:
    """{base, other_twin} of params.yaml as it is in each project, and on each of its branches, tags and experiments."""
    texts = []
    for folder in projects:
        if (folder / "params.yaml").is_file():
            texts.append((folder / "params.yaml").read_text(encoding="utf-8"))
        refs = run_git(folder, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags", "refs/exps").stdout
        texts += [run_git(folder, "show", f"{ref}:./params.yaml", errors="replace").stdout for ref in refs.split()]
    found = []
    for text in dict.fromkeys(texts):
        try:
            sections = yaml.safe_load(text)
            evaluation = {current_name(f"eval.{name}"): value for name, value in (sections.get("eval") or {}).items()}
            found.append(
                {"base": str(sections["train"]["base"]), "other_twin": evaluation.get("eval.other_twin") or ""}
            )
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):  # of another version: it has no base to keep
            continue
    return found


def twin_storage(projects: list[Path], params: list[dict], homes: list[Path], serving: bool) -> StorageKind:
    """Saved versions of twins. None is unneeded while a server runs, nor one that eval.other_twin lies in."""
    unneeded: list[Path] = []
    if not serving:
        in_use = chat_models(homes)
        others = [Path(one["other_twin"]).resolve() for one in params if one["other_twin"]]
        for project in projects:
            for version in superseded(project, versions_to_keep(project), in_use):
                if not any(other.is_relative_to(version.folder.resolve()) for other in others):
                    unneeded.append(version.folder)
    note = "needed: the live twin, the newest versions (export.keep), and those of saved chats" + _unless(serving)
    return StorageKind("twins", [project / ARTIFACTS_DIR / "twins" for project in projects], unneeded, note)


def versions_to_keep(project: Path) -> int:
    """export.keep of a project; all versions where its params.yaml can't be read."""
    try:
        return load_params(project / "params.yaml").export.keep
    except UserError:
        return sys.maxsize


def chat_models(homes: list[Path]) -> set[str]:
    """The models of all chats in the servers' databases."""
    files = {home / "serve.db" for home in homes}
    return set().union(*(database.models_in_use(file) for file in files if file.is_file()))


def base_storage(
    projects: list[Path], params: list[dict], freed: list[Path], manifests: list[dict], serving: bool
) -> StorageKind:
    """Prepared base models. All of them are needed while the base of a twin can't be read."""
    note = "needed: those of branches, experiments, twins and unfinished runs" + _unless(serving)
    storage = StorageKind("base models", [ARTIFACTS_DIR / "base"], note=note)
    try:
        needed = bases_of_twins(projects, freed) | {one["belongs"].get(BASE_FIELD, "") for one in manifests} - {""}
        names = {one["base"] for one in params}
        storage.unneeded = [] if serving else settled(unneeded_bases(names | needed, needed))
    except Exception as e:  # a file may hold anything
        storage.note = f"left alone: the base of a twin can't be read ({type(e).__name__})"
    return storage


def bases_of_twins(projects: list[Path], freed: list[Path]) -> set[str]:
    """Names and digests of the bases of all twins that are not freed. Raises OSError or ValueError for a broken one."""
    found: set[str] = set()
    for project in projects:
        for adapter in (project / ARTIFACTS_DIR).rglob("adapter.gguf"):
            if not any(adapter.is_relative_to(old) for old in freed):
                header = gguf_strings(adapter)
                found |= {header.get("general.base_model.0.name", ""), header.get("blogtwin.base_digest", "")}
        trained = project / ADAPTER_DIR / "backend.json"
        if trained.is_file():  # trained, and not exported yet
            found.add(json.loads(trained.read_text(encoding="utf-8"))["base"]["digest"])
    return found - {""}


def unneeded_bases(names: set[str], digests: set[str]) -> list[Path]:
    """The folders of artifacts/base/ that are none of these bases.

    Bases are given by name, as train.base has it, or by the beginning of their GGUF's SHA-256. An incomplete folder is
    not needed: it would be made again.
    """
    wanted = set(names)
    for name in names:  # a base of one's own is called by its file's name
        wanted |= {Path(name).name, Path(name).stem}
    found = []
    for folder in sorted((ARTIFACTS_DIR / "base").glob("*/")):
        try:
            ready = json.loads((folder / "base.json").read_text(encoding="utf-8"))
            needed = ready["name"] in wanted or any(ready["digest"].startswith(digest) for digest in digests)
        except (OSError, ValueError, KeyError, TypeError):
            needed = False
        if not needed:
            found.append(folder)
    return found


def cache_storage(projects: list[Path], freed: list[Path]) -> StorageKind:
    """Cached answers of models, the last adapter (a copy of what DVC's cache has) and what was read of the posts."""
    from eval.systems import answers_of_other_models

    ready = (ARTIFACTS_DIR / "base").glob("*/base.json")
    digests = {json.loads(file.read_text(encoding="utf-8"))["digest"] for file in ready}
    unneeded: list[Path] = []
    for project in projects:
        for twin in (project / ARTIFACTS_DIR).rglob("twin.gguf"):
            if not any(twin.is_relative_to(folder) for folder in freed):
                digests.add(cached_digest(twin))
    for project in projects:
        unneeded += answers_of_other_models(project, digests)
        last = project / ARTIFACTS_DIR / "cache/last"
        unneeded += [last] if last.is_dir() else []
    note = "needed: those of available models, and the posts that were read"
    return StorageKind("cached answers", [project / ARTIFACTS_DIR / "cache" for project in projects], unneeded, note)


def _unless(serving: bool) -> str:
    return " (nothing is freed while a server runs)" if serving else ""


def free(kinds: list[StorageKind], sharers: list[Path]) -> None:
    """Remove what `survey` found not to be needed; DVC removes its own. Raises UserError."""
    if kinds[0].unneeded:
        checked_dvc(ROOT, *dvc_gc_arguments(sharers))
    for kind in kinds[1:]:
        for path in kind.unneeded:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def report(kinds: list[StorageKind]) -> None:
    """Print a table in GB, and then why the rest is needed and what is not."""
    from rich.console import Console
    from rich.table import Table

    from blogtwin.console import echo

    table = Table(title="disk usage", title_justify="left")
    for heading in ("", "GB", "not needed"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind in kinds:
        table.add_row(kind.name, f"{disk_bytes(kind.paths) / 1e9:.2f}", f"{disk_bytes(kind.unneeded) / 1e9:.2f}")
    Console().print(table)
    for kind in kinds:
        if kind.note:
            echo(f"{kind.name}: {kind.note}")
    for kind in kinds[1:]:  # the files of DVC's cache are called by hashes, and so are those of cached answers
        for path in kind.unneeded if kind.name != "cached answers" else []:
            echo(f"not needed: {path}, {disk_bytes([path]) / 1e9:.2f} GB")
