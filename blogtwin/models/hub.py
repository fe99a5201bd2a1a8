"""A base model that is a Hugging Face model: fetched from the hub, or a folder; read, and known to be whole.

The hub's own cache keeps each file that came whole: a download that broke off goes on with the next one, and what is
all there is used without a network. huggingface_hub compares no more than sizes: checksums are compared here.
Everything that can go wrong is one sentence.
"""

import errno
import os
import re
import sys
from pathlib import Path

from blogtwin.errors import UserError
from blogtwin.files import sha256_file

MODEL_FILES = ["*.json", "*.jinja", "*.safetensors", "tokenizer.model"]
IGNORED_FILES = ["*/*", "consolidated*"]  # the same weights once more, in other formats
TIMEOUT_SECONDS = 20  # seconds for the hub's first answer
FALLBACK_HINT = "use train.base: smollm2:135m, which needs none"


def download(name: str, entry: dict) -> Path:
    """The folder of all files of the repository, their checksums compared; what is in the cache already is not fetched
    again."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars, filter_repo_objects

    if not sys.stderr.isatty():
        disable_progress_bars()
    repo, wanted = (
        entry["repo"],
        {"allow_patterns": MODEL_FILES + entry.get("files", []), "ignore_patterns": IGNORED_FILES},
    )
    try:
        HfApi().model_info(repo, timeout=TIMEOUT_SECONDS)  # snapshot_download would wait for this answer for ever
        folder = Path(snapshot_download(repo, **wanted))
    except Exception as e:  # the hub's libraries have some twenty kinds of errors, and no common one
        _raise_full_disk(e)
        try:
            folder = Path(snapshot_download(repo, local_files_only=True, **wanted))
        except LocalEntryNotFoundError:
            raise UserError(_no_download(name, entry, e)) from None
    _refuse_broken(filter_repo_objects(folder.iterdir(), key=lambda f: f.name, **wanted), name, repo)
    return folder


def _refuse_broken(files, name: str, repo: str) -> None:
    """Raises UserError when a large file has not the SHA-256 that the hub states, and removes it.

    The cache calls what a large file links to by that SHA-256, so this needs no network; a cache on a disk without
    links keeps none, and nothing is compared. It takes seconds per GB, but only while a base is made ready, which takes
    minutes, and not at every start.
    """
    stated = {
        f: os.path.basename(os.readlink(f)) for f in files if f.is_symlink()
    }  # not resolve(): a blob may itself link to a store with other names
    broken = [f for f, sha in stated.items() if re.fullmatch("[0-9a-f]{64}", sha) and sha256_file(f) != sha]
    for file in broken:
        for path in (file.resolve(), file.parent / os.readlink(file), file):
            path.unlink(missing_ok=True)
    if broken:
        which = ", ".join(sorted(f.name for f in broken))
        raise UserError(
            f"train.base is {name}, and in the cache {which} of {repo} is broken (the SHA-256 is not the one that the"
            " hub states), and removed now: run the same command again, which fetches it anew."
        )


def _no_download(name: str, entry: dict, problem: Exception) -> str:
    from huggingface_hub import constants, errors

    repo, hub = entry["repo"], constants.ENDPOINT
    if isinstance(problem, errors.GatedRepoError):
        copy = entry.get("cuda", repo)
        free = (
            f"write repo: {copy}, an open copy, in blogtwin/models/registry.yaml"
            if copy != repo
            else "use train.base: smollm2:135m, which is open"
        )
        return (
            f"train.base is {name}, and {repo} is only for those who accepted its licence: do so at {hub}/{repo} and"
            f" run `hf auth login`, or {free}."
        )
    if isinstance(problem, errors.RepositoryNotFoundError):
        return (
            f"train.base is {name}, and {hub} has no {repo}, or only for others: correct its repo in"
            " blogtwin/models/registry.yaml."
        )
    if isinstance(problem, errors.HfHubHTTPError) and problem.response.status_code == 401:
        return (
            f"train.base is {name}, and {hub} refuses your token: run `hf auth login` again, or `hf auth logout`, as"
            f" {repo} may need none."
        )
    return (
        f"train.base is {name}, and {repo} can't be fetched from {hub} ({_reason(problem)});"
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
    """What of the repository is in the cache."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    cache = Path(constants.HF_HUB_CACHE)
    blobs = cache / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"
    size = sum(f.stat().st_size for f in blobs.glob("*") if f.suffix != ".incomplete")
    return f"{size / 1e6:.1f} MB of it are kept in {cache}" if size else f"nothing of it is in {cache} yet"


def load_model_and_tokeniser(
    folder: Path, name: str, mend: str = "it must hold a chat model for transformers, with all its files"
):
    """(model in bf16, tokenizer) of a folder; UserError, which ends in `mend`, when it is no language model or not
    whole."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    what = f"train.base is {name}, and its folder {folder}"
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if getattr(config, "quantization_config", None):
            raise UserError(f"{what} holds quantised weights, which can't be trained: take the model it was made from.")
        model, found = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, trust_remote_code=False, output_loading_info=True
        )
        # A tokenizer.json is taken as it is: the class that tokenizer_config.json names would make another of it
        # (LlamaTokenizer puts no space after a special token, llama.cpp and the file do).
        kind = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
        tokenizer = kind.from_pretrained(folder, trust_remote_code=False)
    except UserError:
        raise
    except Exception as e:  # a folder may hold anything, and transformers lets any error through
        _raise_full_disk(e)
        raise UserError(f"{what} can't be read ({first_sentence(e)}): {mend}.") from None
    if found["missing_keys"]:  # transformers would make them up
        missing = sorted(found["missing_keys"])
        raise UserError(f"{what} is not whole: {len(missing)} tensors are not there ({missing[0]}, …): {mend}.")
    # How to sample is in params.yaml; many a generation_config.json is not quite valid, and can't be saved again.
    model.generation_config = GenerationConfig.from_model_config(model.config)
    return model, tokenizer


def first_sentence(problem: BaseException) -> str:
    text = str(problem).strip().split("\n")[0].strip(" .:") or type(problem).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"


def _raise_full_disk(problem: Exception) -> None:
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        raise problem
