"""What `make twins`, `make use`, `make pack` and `make unpack` do with the store of twins (blogtwin/twins/store.py)."""

import json
import subprocess
from pathlib import Path
from typing import Any

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.dvc import dvc_cache_dir
from blogtwin.files import read_json_object, read_jsonl
from blogtwin.hints import author_of, make_command
from blogtwin.paths import EVAL_DIR, GGUF_DIR, TRAIN_DIR
from blogtwin.twins.live import make_live, ollama_settings, remove_superseded
from blogtwin.twins.store import (
    MEASURED_FILE,
    NOT_MEASURED,
    VERSIONS,
    Version,
    find_version,
    gguf_strings,
    keep_twin,
    list_versions,
    pipeline_digest,
    release_held,
    scorecard_is_of_twin,
)
from eval.compare_runs import load_samples, measured_samples
from eval.promotion import Decision, Scorecard, decide, gates_of
from serve.housekeeping import chat_models
from serve.settings import Settings


def print_versions() -> None:
    """Print the kept twins, the newest first: name, base, precision, MB and date, and below them the verdict."""
    versions = list_versions()
    if not versions:
        echo(f"no twin is kept yet: `{make_command('all')}` keeps the one it makes")
    for version in versions:
        about, mark = version.about, "→ " if version.live else "  "
        made = f"{about['created'][:16].replace('T', ' ')} UTC"
        facts = [about["base"], about["quantization"], f"{version.megabytes:.0f} MB", made]
        echo(f"{mark}{version.name.removeprefix('versions/')}  {', '.join(filter(None, facts))}")
        echo(f"      {about['verdict'] or NOT_MEASURED}")
    if versions:
        echo(f"→ is the twin now; another one: `{make_command('use', TWIN='NAME')}`")


def keep(params: Params, made_in: Path = Path()) -> Version | None:
    """Keep a pipeline's twin as a version, and remove those that are too many; None where it can't be kept, because
    `params` name another base than its own. `made_in`: this project, or the folder of what a training job left."""
    about = _about(params, made_in)
    if gguf_strings(made_in / GGUF_DIR / "twin.gguf").get("blogtwin.base_digest") != about["base_digest"]:
        return None  # params.yaml was changed since
    before = {version.name for version in list_versions()}
    try:
        cache = dvc_cache_dir()
    except subprocess.CalledProcessError:  # a folder without DVC
        cache = None
    samples = made_in / EVAL_DIR / "samples.jsonl"
    is_scored = samples.is_file() and scorecard_is_of_twin(made_in)
    measured = measured_samples(load_samples(str(samples))) if is_scored else None
    version = keep_twin(about, cache, measured, made_in)
    if version.name not in before:
        echo(f"kept as {version.name} (`{make_command('twins')}`)")
    remove_superseded(params, chat_models([Settings().home]))
    return version


def keep_and_compare(params: Params) -> None:
    """Keep the pipeline's twin, which is the live one from now on, and say so if it is worse than the newest one of
    before: whoever types `make all` gets the twin of these parameters."""
    before = [version for version in list_versions() if version.name.startswith(f"{VERSIONS}/")]
    keep(params)
    release_held()
    kept = {version.name for version in before}
    new = [version for version in list_versions() if version.digest == pipeline_digest() and version.name not in kept]
    if new and before:
        warn_if_worse(new[0], before[0])


def warn_if_worse(new: Version, before: Version) -> None:
    """Say in which measure or gate a new twin is worse, if it is."""
    decision = compare_versions(before, new)
    if decision.worse:
        back = make_command("use", TWIN=before.name.removeprefix("versions/"))
        echo(f"note: it is worse than {before.name}: {decision.reason}; `{back}` goes back")


def scorecard_of(version: Version) -> Scorecard:
    """What was measured of a kept twin."""
    file = version.folder / "eval" / MEASURED_FILE
    metrics = read_json_object(version.folder / "eval/metrics.json") or {}
    samples = read_jsonl(file) if file.is_file() else []
    return Scorecard(gates_of(metrics), samples, int(version.about.get("posts") or 0))


def compare_versions(live: Version, new: Version) -> Decision:
    """Whether a kept twin may take the place of another one."""
    return decide(scorecard_of(live), scorecard_of(new))


def _about(params: Params, made_in: Path) -> dict[str, Any]:
    """What about.json says of a pipeline's twin, besides dates, digests and the verdict."""
    from blogtwin.inference.ollama import model_settings
    from blogtwin.models.registry import resolve_base

    base = resolve_base(params.train.base)
    training = made_in / TRAIN_DIR / "metrics.json"
    parity = made_in / GGUF_DIR / "parity.json"
    return {
        "base": base.name,
        "repo": base.repo,
        "license": base.license,
        "base_digest": base.digest,
        "quantization": json.loads(parity.read_text(encoding="utf-8"))["quantization"],
        "author": params.prepare.author,
        "posts": json.loads(training.read_text(encoding="utf-8"))["train_posts"] if training.is_file() else 0,
        "ollama_name": params.ollama.name,
        "ollama_settings": model_settings(base.template, params.prepare.system, params),
    }


def use(which: str, params: Params) -> Version:
    """Make a kept twin the live one. Raises UserError."""
    version = find_version(which)
    make_live(version, params)
    return version


def pack(which: str, params: Params) -> Path:
    """Write a kept twin, or the live one, to blogtwin-NAME.zip in this folder; the file. Raises UserError."""
    from blogtwin.twins import package
    from eval.summary_table import summary_rows

    version = find_version(which)
    version.about.setdefault("ollama_settings", ollama_settings(version, params))
    author = author_of(Path.cwd())
    name = "-".join(
        filter(None, [author[0] if author else "", version.name.removeprefix("versions/").replace("/", "-")])
    )
    scorecard = version.folder / "eval/metrics.json"
    try:
        columns, rows = summary_rows(json.loads(scorecard.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):  # none, or of an older version
        columns, rows = [], []
    return package.pack(version, Path(f"blogtwin-{name}.zip"), columns, rows)


def unpack(file: Path, params: Params) -> Version:
    """Add a package to the store, and make it the live twin. Raises UserError."""
    from blogtwin.twins import package

    version = package.unpack(file)
    make_live(version, params, to_lm_studio=True)
    return version
