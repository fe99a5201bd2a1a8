"""A GGUF read and written with, through llama.cpp itself: log-probabilities of given tokens, and many answers at once.

llama.cpp's server tells the probabilities of what it generates, not of a text it is given (ggml-org/llama.cpp#8942),
and what runs beside a request changes its rounding, so that answers written in parallel differ from run to run. Its C
library does the first and can do the second in step, the same each time; xllamacpp's extension module exports it,
called here by ctypes. The parameter structs are opaque but for the first words of the context's; the parity gate would
see a wrong guess at once.
"""

import ctypes as C
import functools
import glob
import importlib.util
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from blogtwin.hardware import available_cpus
from blogtwin.sampling import SamplingParams

Pointer = C.c_void_p


class RawParams(C.Structure):
    """llama_model_params or llama_context_params, by value: larger than either, so that neither is cut."""

    _fields_ = [("words", C.c_uint32 * 128)]


class TokenBatch(C.Structure):
    """llama_batch of llama.h."""

    _fields_ = [
        ("n_tokens", C.c_int32),
        ("token", C.POINTER(C.c_int32)),
        ("embd", C.POINTER(C.c_float)),
        ("pos", C.POINTER(C.c_int32)),
        ("n_seq_id", C.POINTER(C.c_int32)),
        ("seq_id", C.POINTER(C.POINTER(C.c_int32))),
        ("logits", C.POINTER(C.c_int8)),
    ]


# llama_context_params begins: n_ctx, n_batch, n_ubatch, n_seq_max, n_rs_seq, n_outputs_max, n_outputs_max_per_seq,
# n_threads, n_threads_batch
N_CTX, N_BATCH, N_SEQ_MAX, N_THREADS, N_THREADS_BATCH = 0, 1, 3, 7, 8
# What llama.cpp's server uses where a request says nothing: the same here, so that a text is one the server could have
# written.
TOP_K, MIN_P, PENALTY_LAST_N = 40, 0.05, 64
SIGNATURES = {
    "llama_backend_init": (None,),
    "llama_model_default_params": (RawParams,),
    "llama_context_default_params": (RawParams,),
    "llama_model_load_from_file": (Pointer, C.c_char_p, RawParams),
    "llama_init_from_model": (Pointer, Pointer, RawParams),
    "llama_model_get_vocab": (Pointer, Pointer),
    "llama_vocab_n_tokens": (C.c_int32, Pointer),
    "llama_vocab_eos": (C.c_int32, Pointer),
    "llama_vocab_is_eog": (C.c_bool, Pointer, C.c_int32),
    "llama_tokenize": (C.c_int32, Pointer, C.c_char_p, C.c_int32, C.POINTER(C.c_int32), C.c_int32, C.c_bool, C.c_bool),
    "llama_batch_init": (TokenBatch, C.c_int32, C.c_int32, C.c_int32),
    "llama_batch_free": (None, TokenBatch),
    "llama_decode": (C.c_int32, Pointer, TokenBatch),
    "llama_get_logits_ith": (C.POINTER(C.c_float), Pointer, C.c_int32),
    "llama_get_memory": (Pointer, Pointer),
    "llama_memory_seq_rm": (C.c_bool, Pointer, C.c_int32, C.c_int32, C.c_int32),
    "llama_memory_seq_cp": (None, Pointer, C.c_int32, C.c_int32, C.c_int32, C.c_int32),
    "llama_detokenize": (
        C.c_int32,
        Pointer,
        C.POINTER(C.c_int32),
        C.c_int32,
        C.c_char_p,
        C.c_int32,
        C.c_bool,
        C.c_bool,
    ),
    "llama_sampler_chain_default_params": (C.c_bool,),
    "llama_sampler_chain_init": (Pointer, C.c_bool),
    "llama_sampler_chain_add": (None, Pointer, Pointer),
    "llama_sampler_init_penalties": (Pointer, C.c_int32, C.c_int32, C.c_float, C.c_float, C.c_float),
    "llama_sampler_init_top_k": (Pointer, C.c_int32),
    "llama_sampler_init_top_p": (Pointer, C.c_float, C.c_size_t),
    "llama_sampler_init_min_p": (Pointer, C.c_float, C.c_size_t),
    "llama_sampler_init_temp": (Pointer, C.c_float),
    "llama_sampler_init_dist": (Pointer, C.c_uint32),
    "llama_sampler_sample": (C.c_int32, Pointer, Pointer, C.c_int32),
    "llama_sampler_free": (None, Pointer),
    "llama_adapter_lora_init": (Pointer, Pointer, C.c_char_p),
    "llama_set_adapters_lora": (C.c_int32, Pointer, C.POINTER(Pointer), C.c_size_t, C.POINTER(C.c_float)),
    "llama_free": (None, Pointer),
    "llama_model_free": (None, Pointer),
}
LOG = C.CFUNCTYPE(None, C.c_int, C.c_char_p, Pointer)
_log_errors: list[str] = []


@LOG
def _log_callback(level, text, _):
    if level >= 3:  # warnings and errors: the reason, should loading fail
        _log_errors.append((text or b"").decode("utf-8", "replace").strip())


@functools.cache
def load_library():
    folder = importlib.util.find_spec("xllamacpp").submodule_search_locations[0]
    lib = C.CDLL(glob.glob(os.path.join(folder, "xllamacpp*.so"))[0])
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.llama_log_set.argtypes = [LOG, Pointer]
    lib.llama_log_set(_log_callback, None)
    lib.llama_backend_init()
    return lib


@dataclass
class Generation:
    """An answer as far as it is written; `end` says why it ended."""

    prompt: list[int]
    max_tokens: int
    sampler: int  # llama.cpp's
    ids: list[int] = field(default_factory=list)
    end: str = ""


class LlamaModel:
    """A GGUF, with an adapter if given, that scores tokens and writes. Use as a context manager: it holds the model's
    memory.

    `n_ctx` tokens for each of `sequences` texts that can be written at once. llama.cpp works in a thread that ends with
    the
    model: OpenMP keeps a team of threads for each thread that ever called it, and an idle team that is left behind
    makes the embedded server, in the same process, two times slower.
    """

    def __init__(self, model: Path, adapter: Path | None = None, n_ctx: int = 2048, sequences: int = 1):
        self.lib = load_library()
        self.n_ctx, self.sequences = n_ctx, sequences
        self.model = self.context = None
        self.seen: list[int] = []  # what the first sequence's cache holds
        self.closing = False
        self.worker = ThreadPoolExecutor(1)
        try:
            self.worker.submit(self._load, model, adapter).result()
        except BaseException:
            self.close()
            raise

    def _load(self, model: Path, adapter: Path | None) -> None:
        lib = self.lib
        _log_errors.clear()
        self.model = lib.llama_model_load_from_file(str(model).encode(), lib.llama_model_default_params())
        if not self.model:
            raise OSError(f"llama.cpp can't load {model}: {' '.join(_log_errors[-2:]) or 'no reason given'}")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.n_vocab = lib.llama_vocab_n_tokens(self.vocab)
        self.lora = None
        if adapter is not None:
            self.lora = lib.llama_adapter_lora_init(self.model, str(adapter).encode())
            if not self.lora:
                raise OSError(
                    f"llama.cpp can't put {adapter} on {model}: {' '.join(_log_errors[-2:]) or 'no reason given'}"
                )
        self._fresh_context()

    def _fresh_context(self) -> None:
        """An empty cache: one that was used and cleared keeps places in another order, and so rounds otherwise."""
        if self.context:
            self.lib.llama_free(self.context)
        params = self.lib.llama_context_default_params()
        params.words[N_CTX], params.words[N_BATCH], params.words[N_SEQ_MAX] = (
            self.n_ctx * self.sequences,
            self.n_ctx,
            self.sequences,
        )
        params.words[N_THREADS] = params.words[N_THREADS_BATCH] = available_cpus()
        self.context, self.seen = self.lib.llama_init_from_model(self.model, params), []
        if self.lora:
            self.lib.llama_set_adapters_lora(self.context, (Pointer * 1)(self.lora), 1, (C.c_float * 1)(1.0))

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

    def tokenize(self, text: str) -> list[int]:
        """Token ids; special tokens in the text are read as such, none is added."""
        data = text.encode()
        ids = (C.c_int32 * (len(data) + 8))()
        n = self.lib.llama_tokenize(self.vocab, data, len(data), ids, len(ids), False, True)
        return list(ids[:n])

    def ends(self, token: int) -> bool:
        """Whether generation stops at this token."""
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))

    def text(self, tokens: list[int]) -> str:
        """Tokens as text, special ones left out."""
        ids, room = (C.c_int32 * len(tokens))(*tokens), 16 * len(tokens) + 64
        data = C.create_string_buffer(room)
        n = self.lib.llama_detokenize(self.vocab, ids, len(tokens), data, room, False, False)
        return data.raw[:n].decode("utf-8", "replace")

    def log_probabilities(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        """(len(completion), vocabulary) natural log-probabilities of what follows each position; row i predicts
        completion[i]."""
        return self.worker.submit(self._log_probabilities, prompt, completion).result()

    def log_likelihoods(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        """(len(completion),) natural log-probability of each completion token."""
        return self.worker.submit(self._log_likelihoods, prompt, completion).result()

    def write(
        self, prompts: list[list[int]], sampling: list[SamplingParams], seeds: list[int], wrote=lambda n: None
    ) -> list[dict]:
        """An answer to each prompt (token ids), up to `sequences` of them in step: {"text", "ids", "end": "stop" or
        "length", "written_tokens"}.

        `wrote(n)` is told of n finished answers. The same
        prompts, sampling parameters and seeds give the same answers: which texts share a step depends on nothing else.
        """
        return self.worker.submit(self._write, prompts, sampling, seeds, wrote).result() if prompts else []

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
        self._decode([(token, at, 0, at >= len(prompt) - 1) for at, token in enumerate(ids)][known:])
        self.seen = ids
        for at in range(len(prompt) - 1, len(ids)):
            logits = self._logits(at - known)
            logits -= logits.max()
            yield logits - np.log(np.exp(logits).sum())

    def _write(self, prompts: list[list[int]], sampling: list[SamplingParams], seeds: list[int], wrote) -> list[dict]:
        self._fresh_context()
        longest = max(len(p) + d.max_tokens for p, d in zip(prompts, sampling, strict=True))
        assert longest <= self.n_ctx, f"{longest} tokens do not fit the context of {self.n_ctx}"
        answers = [
            Generation(p, d.max_tokens, self._sampler(d, seed))
            for p, d, seed in zip(prompts, sampling, seeds, strict=True)
        ]
        waiting = deque(answers)
        held: list[list[int]] = [[] for _ in range(self.sequences)]  # the tokens in each sequence's cache
        writing: dict[int, Generation] = {}  # by the number of its sequence
        try:
            while waiting or writing:
                while (
                    waiting and len(writing) < self.sequences
                ):  # whoever ends makes room for the next: few steps are half empty
                    place = next(s for s in range(self.sequences) if s not in writing)
                    writing[place] = waiting.popleft()
                    last = self._read_prompt(writing[place].prompt, place, held)
                    self._next_token(writing, place, last, wrote)
                active = list(writing)
                if active:
                    self._decode([(writing[place].ids[-1], len(held[place]), place, True) for place in active])
                for at, place in enumerate(active):
                    held[place].append(writing[place].ids[-1])
                    self._next_token(writing, place, at, wrote)
        finally:
            for answer in answers:
                self.lib.llama_sampler_free(answer.sampler)
        return [
            {"text": self.text(a.ids).strip(), "ids": a.ids, "end": a.end, "written_tokens": len(a.ids)}
            for a in answers
        ]

    def _read_prompt(self, prompt: list[int], place: int, held: list[list[int]]) -> int:
        """Let a sequence read a prompt, but for the beginning that this or another one holds: the posts shown to the
        five-shot base are read once for all. Returns where in the batch its last token stands."""
        memory = self.lib.llama_get_memory(self.context)
        known = [len(os.path.commonprefix([tokens, prompt[:-1]])) for tokens in held]
        best = max(range(self.sequences), key=lambda s: (known[s], s == place))
        if best != place:  # between sequences llama.cpp copies only wholes
            self.lib.llama_memory_seq_rm(memory, place, -1, -1)
            self.lib.llama_memory_seq_cp(memory, best, place, -1, -1)
        self.lib.llama_memory_seq_rm(memory, place, known[best], -1)
        rest = prompt[known[best] :]
        self._decode([(token, at, place, at == len(prompt) - 1) for at, token in enumerate(rest, known[best])])
        held[place] = list(prompt)
        return len(rest) - 1

    def _next_token(self, writing: dict[int, Generation], place: int, at: int, wrote) -> None:
        """Choose the next token of a sequence's answer, from the batch's token `at`; one that has come to its end makes
        room."""
        answer = writing[place]
        answer.ids.append(self.lib.llama_sampler_sample(answer.sampler, self.context, at))
        if self.ends(answer.ids[-1]):
            answer.end = "stop"
        elif len(answer.ids) >= answer.max_tokens:
            answer.end = "length"
        if answer.end:
            del writing[place]
            wrote(1)

    def _sampler(self, sampling: SamplingParams, seed: int):
        """llama.cpp's own chain, in its server's order."""
        lib = self.lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for sampler in (
            lib.llama_sampler_init_penalties(self.n_vocab, PENALTY_LAST_N, sampling.repeat_penalty, 0.0, 0.0),
            lib.llama_sampler_init_top_k(TOP_K),
            lib.llama_sampler_init_top_p(sampling.top_p, 1),
            lib.llama_sampler_init_min_p(MIN_P, 1),
            lib.llama_sampler_init_temp(sampling.temperature),
            lib.llama_sampler_init_dist(seed),
        ):
            lib.llama_sampler_chain_add(chain, sampler)
        return chain

    def _keep_prefix(self, prompt: list[int]) -> int:
        """How many tokens of `prompt` the first sequence's cache holds already; what follows them there is
        forgotten."""
        known = len(os.path.commonprefix([self.seen, prompt]))
        self.lib.llama_memory_seq_rm(self.lib.llama_get_memory(self.context), 0, known, -1)
        return known

    def _decode(self, tokens: list[tuple[int, int, int, bool]]) -> None:
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

    def _logits(self, place: int) -> np.ndarray:
        """A copy of the logits of the batch's token `place`."""
        return np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, place), (self.n_vocab,)).astype(
            np.float32
        )
