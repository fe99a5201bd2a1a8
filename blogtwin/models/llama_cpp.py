"""A GGUF read and written with, through llama.cpp itself: log-probabilities of given tokens, and many answers at once.

llama.cpp's server tells the probabilities of what it generates, not of a text it is given (ggml-org/llama.cpp#8942),
and what runs beside a request changes its rounding, so that answers written in parallel differ from run to run. Its C
library does the first and can do the second in step, the same each time; xllamacpp's extension module exports it,
called here by ctypes. The parameter structs are opaque but for the first words of the context's; the parity gate would
see a wrong guess at once.
"""

import ctypes as C
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from blogtwin.hardware import available_cpus
from blogtwin.models.decoding import Constraint, Decoder, Generation, log_softmax
from blogtwin.models.llama_library import (
    N_BATCH,
    N_CTX,
    N_SEQ_MAX,
    N_THREADS,
    N_THREADS_BATCH,
    Pointer,
    load_library,
    log_errors,
)
from blogtwin.sampling import SamplingParams

MAX_PIECE_BYTES = 256  # a longer token is no word


class LlamaModel:
    """A GGUF, with an adapter if given, that scores tokens and writes. Use as a context manager: it holds the model's
    memory.

    `n_ctx` tokens for each of `sequences` texts that can be written at once; `threads` 0: all cores. llama.cpp works in
    a thread that ends with the model: OpenMP keeps a team of threads for each thread that ever called it, and an idle
    team that is left behind makes other models in the same process two times slower.
    """

    def __init__(
        self, model: Path, adapter: Path | None = None, n_ctx: int = 2048, sequences: int = 1, threads: int = 0
    ):
        self.lib = load_library()
        self.n_ctx, self.sequences, self.threads = n_ctx, sequences, threads or available_cpus()
        self.model = self.context = None
        self.seen: list[int] = []  # what the first sequence's cache holds
        self.closing = False
        self.vocab: int | None = None
        self.n_vocab = self.end_token = 0
        self.lora: int | None = None
        self.strength: float | None = None  # the adapter's scale in this context; None: not set yet
        self._pieces: list[str] = []
        self.decoder: Decoder | None = None  # of the last write, while the cache is as it left it
        self.worker = ThreadPoolExecutor(1)
        try:
            self.worker.submit(self._load, model, adapter).result()
        except BaseException:
            self.close()
            raise

    def _load(self, model: Path, adapter: Path | None) -> None:
        lib = self.lib
        log_errors.clear()
        self.model = lib.llama_model_load_from_file(str(model).encode(), lib.llama_model_default_params())
        if not self.model:
            raise OSError(f"llama.cpp can't load {model}: {' '.join(log_errors[-2:]) or 'no reason given'}")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.n_vocab = lib.llama_vocab_n_tokens(self.vocab)
        self.end_token = lib.llama_vocab_eos(self.vocab)
        if adapter is not None:
            self.lora = lib.llama_adapter_lora_init(self.model, str(adapter).encode())
            if not self.lora:
                raise OSError(
                    f"llama.cpp can't put {adapter} on {model}: {' '.join(log_errors[-2:]) or 'no reason given'}"
                )
        self.renew_context()

    def renew_context(self) -> None:
        """An empty cache: one that was used and cleared keeps places in another order, and so rounds otherwise. It must
        run in the model's own thread."""
        if self.context:
            self.lib.llama_free(self.context)
        self.decoder = None
        params = self.lib.llama_context_default_params()
        params.words[N_CTX], params.words[N_BATCH], params.words[N_SEQ_MAX] = (
            self.n_ctx * self.sequences,
            self.n_ctx,
            self.sequences,
        )
        params.words[N_THREADS] = params.words[N_THREADS_BATCH] = self.threads
        self.context, self.seen = self.lib.llama_init_from_model(self.model, params), []
        if not self.context:
            raise OSError(
                f"llama.cpp can't hold {self.sequences} times {self.n_ctx} tokens: "
                f"{' '.join(log_errors[-2:]) or 'no reason given'}"
            )
        self.strength = None
        self.set_strength(1.0)

    def set_strength(self, strength: float) -> None:
        """The adapter's scale from now on; 0: the model without it. Does nothing where there is no adapter."""
        if self.lora and strength != self.strength:
            count = 1 if strength else 0
            self.lib.llama_set_adapters_lora(self.context, (Pointer * 1)(self.lora), count, (C.c_float * 1)(strength))
            self.strength = strength

    def close(self) -> None:
        self.closing = True  # an answer that is being written ends at its next token: nothing is freed under its feet
        self.worker.shutdown()
        if self.context:
            self.lib.llama_free(self.context)
        if self.model:
            self.lib.llama_model_free(self.model)
        self.context = self.model = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def tokenize(self, text: str, add_special: bool = False) -> list[int]:
        """Token ids; special tokens in the text are read as such. `add_special`: those that the model wants at the
        ends of a plain text are added."""
        data = text.encode()
        ids = (C.c_int32 * (len(data) + 8))()
        n = self.lib.llama_tokenize(self.vocab, data, len(data), ids, len(ids), add_special, True)
        return list(ids[:n])

    def chat_template(self) -> str:
        """The chat template in the GGUF; empty where it has none."""
        return (self.lib.llama_model_chat_template(self.model, None) or b"").decode()

    def special_tokens(self) -> dict[str, str]:
        """{"bos_token", "eos_token"} as chat templates know them; those that the vocabulary has."""
        ids = {"bos_token": self.lib.llama_vocab_bos(self.vocab), "eos_token": self.end_token}
        return {n: self.lib.llama_vocab_get_text(self.vocab, i).decode() for n, i in ids.items() if i >= 0}

    def ends(self, token: int) -> bool:
        """Whether generation stops at this token."""
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))

    def text(self, tokens: list[int]) -> str:
        """Tokens as text, special ones left out: the pieces put together, as a text that is streamed has them."""
        return b"".join(map(self.piece, tokens)).decode("utf-8", "replace")

    def pieces(self) -> list[str]:
        """The text of each token of the vocabulary with the blank before it; special tokens have none. Made once."""
        if not self._pieces:
            self._pieces = [self.piece(token).decode("utf-8", "replace") for token in range(self.n_vocab)]
        return self._pieces

    def piece(self, token: int) -> bytes:
        """The bytes of a token's text, which may be a part of a character; none for special tokens."""
        data = C.create_string_buffer(MAX_PIECE_BYTES)
        n = self.lib.llama_token_to_piece(self.vocab, token, data, MAX_PIECE_BYTES, 0, False)
        return data.raw[: max(0, n)]

    def log_probabilities(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        """(len(completion), vocabulary) natural log-probabilities of what follows each position; row i predicts
        completion[i]."""
        return self.worker.submit(self._log_probabilities, prompt, completion).result()

    def log_likelihoods(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        """(len(completion),) natural log-probability of each completion token."""
        return self.worker.submit(self._log_likelihoods, prompt, completion).result()

    def write(
        self,
        prompts: list[list[int]],
        sampling: list[SamplingParams],
        seeds: list[int],
        wrote: Callable[[int], object] = lambda n: None,
        constraints: Sequence[Constraint | None] | None = None,
        fresh: bool = True,
    ) -> list[dict]:
        """An answer to each prompt (token ids), up to `sequences` of them in step: {"text", "ids", "end": "stop" or
        "length", "written_tokens", "log_likelihood"}.

        `wrote(n)` is told of n finished answers. The same prompts, sampling parameters, seeds and constraints give the
        same answers: which texts share a step depends on nothing else. `fresh=False` goes on with the cache of the call
        before, which saves making one and reading what the prompts share; then the calls since the last fresh one
        decide, too.
        """
        if not prompts:
            return []
        return self.worker.submit(self._write, prompts, sampling, seeds, wrote, constraints, fresh).result()

    def write_rounds(
        self,
        rounds: Iterable[Sequence[Generation]],
        take: Callable[[Generation], object],
        enough: Callable[[], bool],
        stragglers: int,
        fresh: bool = True,
    ) -> None:
        """Write one round of answers after the other, and hand each answer to `take` when it has ended, until there are
        `enough`.

        That is asked as soon as no more than `stragglers` answers are unfinished: they are then given up, or else
        written on beside the next round, and after the last one to their ends. A step with few answers takes almost as
        long as one with many, so the last long ones would cost as much as all others. `rounds` is read, and `take` and
        `enough` are called, in the model's own thread. `fresh` as in `write`.
        """
        self.worker.submit(self._write_rounds, rounds, take, enough, stragglers, fresh).result()

    def continuation_log_likelihoods(
        self, prompt: list[int], continuations: Sequence[list[int]], fresh: bool = True
    ) -> list[np.ndarray]:
        """For each continuation of a prompt (token ids) the natural log-probability of each of its tokens; read in one
        step, at most `sequences` of them. `fresh` as in `write`."""
        return self.worker.submit(self._continuation_log_likelihoods, prompt, continuations, fresh).result()

    def _continuation_log_likelihoods(
        self, prompt: list[int], continuations: Sequence[list[int]], fresh: bool
    ) -> list[np.ndarray]:
        decoder, self.decoder = self._decoder(fresh), None  # none is left behind that is half read
        found = decoder.log_likelihoods(prompt, continuations)
        self.decoder = decoder
        return found

    def _decoder(self, fresh: bool) -> Decoder:
        """The decoder of the call before; a `fresh` one, or where there is none, with an empty cache."""
        if fresh or self.decoder is None:
            self.renew_context()
            self.decoder = Decoder(self)
        return self.decoder

    def _write_rounds(
        self,
        rounds: Iterable[Sequence[Generation]],
        take: Callable[[Generation], object],
        enough: Callable[[], bool],
        stragglers: int,
        fresh: bool,
    ) -> None:
        decoder, unfinished = self._decoder(fresh), list[Generation]()

        def write_until(left: int) -> None:
            while len(unfinished) > left:
                for answer in decoder.step():
                    unfinished.remove(answer)
                    take(answer)

        try:
            for answers in rounds:
                for answer in answers:
                    decoder.add(answer)
                    unfinished.append(answer)
                write_until(stragglers)
                if enough():
                    for answer in unfinished:
                        decoder.cancel(answer)
                    return
            write_until(0)
        except BaseException:
            self.decoder = None  # its answers are half written
            raise
        finally:
            decoder.close()

    def _write(
        self,
        prompts: list[list[int]],
        sampling: list[SamplingParams],
        seeds: list[int],
        wrote: Callable[[int], object],
        constraints: Sequence[Constraint | None] | None,
        fresh: bool,
    ) -> list[dict]:
        answers = [
            Generation(prompt, parameters, seed, constraint)
            for prompt, parameters, seed, constraint in zip(
                prompts, sampling, seeds, constraints or [None] * len(prompts), strict=True
            )
        ]
        self._write_rounds([answers], lambda answer: wrote(1), lambda: False, 0, fresh)
        return [answer.result(self.text) for answer in answers]

    def _log_probabilities(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        return np.stack(list(self._rows(prompt, completion)))

    def _log_likelihoods(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        return np.array(
            [row[token] for row, token in zip(self._rows(prompt, completion), completion, strict=True)], np.float32
        )

    def _rows(self, prompt: list[int], completion: list[int]):
        """The log-probabilities that predict each completion token, a row at a time: a whole table of them is read from
        memory six times."""
        ids = [*prompt, *completion[:-1]]
        assert len(prompt) > 0 and len(ids) <= self.n_ctx, f"{len(ids)} tokens do not fit the context of {self.n_ctx}"
        known = self._keep_prefix(prompt[:-1])
        self.decode([(token, at, 0, at >= len(prompt) - 1) for at, token in enumerate(ids)][known:])
        self.seen = ids
        for at in range(len(prompt) - 1, len(ids)):
            yield log_softmax(self.logits(at - known))

    def _keep_prefix(self, prompt: list[int]) -> int:
        """How many tokens of `prompt` the first sequence's cache holds already; what follows them there is
        forgotten."""
        self.decoder = None
        known = len(os.path.commonprefix([self.seen, prompt]))
        self.lib.llama_memory_seq_rm(self.lib.llama_get_memory(self.context), 0, known, -1)
        return known

    def decode(self, tokens: list[tuple[int, int, int, bool]]) -> None:
        """Let llama.cpp read (token, position, sequence, whether its logits are wanted)."""
        assert not self.closing, "the model is being closed"
        batch = self.lib.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for i, (token, position, sequence, wanted) in enumerate(tokens):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = (
                    token,
                    position,
                    1,
                    sequence,
                    wanted,
                )
            failed = self.lib.llama_decode(self.context, batch)
            assert failed == 0, f"llama_decode answered {failed}"
        finally:
            self.lib.llama_batch_free(batch)

    def logits(self, place: int) -> np.ndarray:
        """(vocabulary,) logits of the batch's token `place`, in llama.cpp's own memory: what is written there is what
        its samplers see."""
        return np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, place), (self.n_vocab,))
