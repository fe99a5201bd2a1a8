"""Base models from the Hugging Face hub or a local folder: downloaded, checked and loaded.

The hub's cache keeps every file that was downloaded completely: an interrupted download resumes with the next file, and
a complete model is used without a network. huggingface_hub compares only sizes, so checksums are compared here. Every
problem is a UserError of one sentence.
"""

import errno
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from blogtwin.files import sha256_file

MODEL_FILES = ["*.json", "*.jinja", "*.safetensors", "tokenizer.model"]
IGNORED_FILES = ["*/*", "consolidated*"]  # the same weights in other formats
TIMEOUT_SECONDS = 20  # for the hub's first answer
FALLBACK_HINT = "use train.base: smollm2:135m, which needs none"


def download(name: str, entry: dict) -> Path:
    """Download the files of a repository that are not in the cache, and check them; the folder that contains them.

    `entry`: of registry.yaml. Raises UserError.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars, filter_repo_objects

    if not sys.stderr.isatty():
        disable_progress_bars()
    repo, patterns = entry["repo"], _patterns(entry)
    try:
        HfApi().model_info(repo, timeout=TIMEOUT_SECONDS)  # snapshot_download has no timeout
        folder = Path(snapshot_download(repo, **patterns))
    except Exception as e:  # the hub's libraries raise some twenty types of errors without a common one
        _raise_full_disk(e)
        try:
            folder = Path(snapshot_download(repo, local_files_only=True, **patterns))
        except LocalEntryNotFoundError:
            raise UserError(_no_download(name, entry, e)) from None
    _check_sha256(filter_repo_objects(folder.iterdir(), key=lambda f: f.name, **patterns), name, repo)
    return folder


def _patterns(entry: dict) -> dict[str, Any]:
    """Which files of a repository are needed, and which are not, as huggingface_hub's functions take them."""
    return {"allow_patterns": MODEL_FILES + entry.get("files", []), "ignore_patterns": IGNORED_FILES}


def is_cached(entry: dict) -> bool:
    """Whether all weights of a repository lie in the hub's cache. `entry`: of registry.yaml."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(entry["repo"], local_files_only=True, **_patterns(entry)))
    except LocalEntryNotFoundError:
        return False
    index, other = folder / "model.safetensors.index.json", "pytorch_model.bin"
    needed = {other if other in entry.get("files", []) else "model.safetensors"}
    if index.is_file():
        needed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    return all((folder / name).is_file() for name in needed)


def _check_sha256(files: Iterable[Path], name: str, repo: str) -> None:
    """Delete large files that do not have the SHA-256 that the hub states; raises UserError if there are any.

    The cache stores a large file under its SHA-256 and links to it, so this needs no network. A cache on a disk without
    links has no SHA-256, and nothing is compared. It takes seconds per GB, but only when a base is prepared, which
    takes minutes.
    """
    # Not resolve(): the file may itself be a link to a store with other names.
    stated = {file: os.path.basename(os.readlink(file)) for file in files if file.is_symlink()}
    corrupt = [f for f, sha in stated.items() if re.fullmatch("[0-9a-f]{64}", sha) and sha256_file(f) != sha]
    for file in corrupt:
        for path in (file.resolve(), file.parent / os.readlink(file), file):
            path.unlink(missing_ok=True)
    if corrupt:
        names = ", ".join(sorted(f.name for f in corrupt))
        raise UserError(
            f"train.base is {name}, and the cached {names} of {repo} is corrupt (its SHA-256 is not the one that the"
            " hub states) and was deleted: run the same command again, which downloads it again."
        )


def _no_download(name: str, entry: dict, problem: Exception) -> str:
    """The sentence about a failed download."""
    from huggingface_hub import constants, errors

    repo, hub = entry["repo"], constants.ENDPOINT
    if isinstance(problem, errors.GatedRepoError):
        copy = entry.get("cuda", repo)
        alternative = "use train.base: smollm2:135m, which is open"
        if copy != repo:
            alternative = f"write repo: {copy}, an open copy, in blogtwin/models/registry.yaml"
        return (
            f"train.base is {name}, and {repo} is only for those who accepted its licence: do so at {hub}/{repo} and"
            f" run `hf auth login`, or {alternative}."
        )
    if isinstance(problem, errors.RepositoryNotFoundError):
        return (
            f"train.base is {name}, and {hub} has no repository {repo}, or a private one: correct its repo in"
            " blogtwin/models/registry.yaml."
        )
    if isinstance(problem, errors.HfHubHTTPError) and problem.response.status_code == 401:
        return (
            f"train.base is {name}, and {hub} refuses your token: run `hf auth login` again, or `hf auth logout`, since"
            f" {repo} may need none."
        )
    return (
        f"train.base is {name}, and {repo} can't be downloaded from {hub} ({_reason(problem)});"
        f" {_cached_files_note(repo)}: run the same command again with a connection, or {FALLBACK_HINT}."
    )


def _reason(problem: BaseException) -> str:
    """Why the hub can't be reached, in a few words."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(problem, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(problem, HfHubHTTPError) and problem.response is not None:
        return f"it answered {problem.response.status_code}"
    if isinstance(problem, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(problem, httpx.TransportError):
        return "no connection, or it broke off"
    return _reason(problem.__cause__) if problem.__cause__ else first_sentence(problem)


def _cached_files_note(repo: str) -> str:
    """A clause about how much of the repository is in the cache."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    cache = Path(constants.HF_HUB_CACHE)
    blobs = cache / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"
    size = sum(f.stat().st_size for f in blobs.glob("*") if f.suffix != ".incomplete")
    return f"{size / 1e6:.1f} MB of it are in {cache}" if size else f"nothing of it is in {cache} yet"


def load_model_and_tokeniser(
    folder: Path, name: str, hint: str = "it must contain a chat model for transformers, with all its files"
) -> tuple[Any, Any]:
    """(model in bf16, tokenizer) of a folder.

    Raises UserError, ending with `hint`, when the folder is no language model or incomplete.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    what = f"train.base is {name}, and its folder {folder}"
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if getattr(config, "quantization_config", None):
            raise UserError(f"{what} has quantised weights, which can't be trained: use the model they were made from.")
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, trust_remote_code=False, output_loading_info=True
        )
        model, info = loaded
        # tokenizer.json is used as it is: the class named in tokenizer_config.json may change it (LlamaTokenizer puts
        # no space after a special token; llama.cpp and the file do).
        kind = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
        tokenizer = kind.from_pretrained(folder, trust_remote_code=False)
    except UserError:
        raise
    except Exception as e:  # a folder may contain anything, and transformers may raise any error
        _raise_full_disk(e)
        raise UserError(f"{what} can't be read ({first_sentence(e)}): {hint}.") from None
    if info["missing_keys"]:  # transformers would initialise them randomly
        missing = sorted(info["missing_keys"])
        raise UserError(f"{what} is incomplete: {len(missing)} tensors are missing ({missing[0]}, …): {hint}.")
    # Sampling parameters are in params.yaml, and some generation_config.json are invalid and can't be saved again.
    model.generation_config = GenerationConfig.from_model_config(model.config)
    return model, tokenizer


def first_sentence(problem: BaseException) -> str:
    """The first line of an error's message, at most 200 characters; its type where it has none."""
    text = str(problem).strip().split("\n")[0].strip(" .:") or type(problem).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"


def _raise_full_disk(problem: Exception) -> None:
    """Raise the error again if the disk is full: run_cli has a sentence for it."""
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        raise problem
