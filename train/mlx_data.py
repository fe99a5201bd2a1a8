"""Rows as mlx-lm's trainer reads them: token ids, the batches of an epoch, and padding. No torch: mlx-lm's Python has
none."""

from typing import Any, TypeAlias

import mlx.core as mx
import numpy as np

from blogtwin.models.chat import encode_example

# Rows are padded to a multiple of this many tokens: with few different shapes, MLX reuses its compiled kernels.
PAD_TO_MULTIPLE = 32

TokenRow: TypeAlias = tuple[list[int], int]  # (token ids of prompt and completion, index where the completion starts)


def tokenise_rows(tokenizer: Any, rows: list[dict]) -> list[TokenRow]:
    """TRL's conversational rows as (token ids, index where the completion starts)."""
    out = []
    for row in rows:
        prompt, completion = encode_example(tokenizer, row["prompt"], row["completion"][0]["content"])
        out.append((prompt + completion, len(prompt)))
    return out


def epoch_batches(num_rows: int, batch_size: int, seed: int) -> list[list[int]]:
    """The shuffled batches of an epoch, each a list of row numbers; an incomplete last batch is dropped. Depends on
    nothing but the arguments, so that a resumed run reads the same batches."""
    order = np.random.default_rng(seed).permutation(num_rows)
    return [order[i : i + batch_size].tolist() for i in range(0, num_rows - batch_size + 1, batch_size)]


def count_labels(rows: list[TokenRow]) -> int:
    """How many tokens of the rows have a label, that is, belong to a completion."""
    return sum(len(ids) - start for ids, start in rows)


def pad_batch(rows: list[TokenRow]) -> tuple[mx.array, mx.array]:
    """(token ids, (rows, length); first and last label of each row, (rows, 2)).

    mlx-lm's own batching would also train on the padding after the end token.
    """
    longest = max(len(ids) for ids, _ in rows)
    length = 1 + -(-longest // PAD_TO_MULTIPLE) * PAD_TO_MULTIPLE
    padded = np.zeros((len(rows), length), np.int32)
    for line, (ids, _) in zip(padded, rows, strict=True):
        line[: len(ids)] = ids
    return mx.array(padded), mx.array([(start, len(ids) - 1) for ids, start in rows])
