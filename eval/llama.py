"""Log-probabilities of given tokens under a GGUF, through llama.cpp itself.

llama.cpp's server tells the probabilities of what it generates, not of a text it is given (ggml-org/llama.cpp#8942). Its C
library does, and xllamacpp's extension module exports it: these are the dozen functions needed, called by ctypes. The
parameter structs are opaque here but for the first words of the context's; the parity gate would see a wrong guess at once.
"""

import ctypes as C
import functools
import glob
import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

P = C.c_void_p


class Params(C.Structure):
    """llama_model_params or llama_context_params, by value: larger than either, so that neither is cut."""

    _fields_ = [("words", C.c_uint32 * 128)]


class Batch(C.Structure):
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


# llama_context_params begins: n_ctx, n_batch, n_ubatch, n_seq_max, n_rs_seq, n_outputs_max, n_outputs_max_per_seq, n_threads, n_threads_batch
N_CTX, N_BATCH, N_THREADS, N_THREADS_BATCH = 0, 1, 7, 8
SIGNATURES = {
    "llama_backend_init": (None,),
    "llama_model_default_params": (Params,),
    "llama_context_default_params": (Params,),
    "llama_model_load_from_file": (P, C.c_char_p, Params),
    "llama_init_from_model": (P, P, Params),
    "llama_model_get_vocab": (P, P),
    "llama_vocab_n_tokens": (C.c_int32, P),
    "llama_vocab_eos": (C.c_int32, P),
    "llama_vocab_is_eog": (C.c_bool, P, C.c_int32),
    "llama_tokenize": (C.c_int32, P, C.c_char_p, C.c_int32, C.POINTER(C.c_int32), C.c_int32, C.c_bool, C.c_bool),
    "llama_batch_init": (Batch, C.c_int32, C.c_int32, C.c_int32),
    "llama_batch_free": (None, Batch),
    "llama_decode": (C.c_int32, P, Batch),
    "llama_get_logits_ith": (C.POINTER(C.c_float), P, C.c_int32),
    "llama_get_memory": (P, P),
    "llama_memory_clear": (None, P, C.c_bool),
    "llama_adapter_lora_init": (P, P, C.c_char_p),
    "llama_set_adapters_lora": (C.c_int32, P, C.POINTER(P), C.c_size_t, C.POINTER(C.c_float)),
    "llama_free": (None, P),
    "llama_model_free": (None, P),
}
LOG = C.CFUNCTYPE(None, C.c_int, C.c_char_p, P)
_complaints: list[str] = []


@LOG
def _listen(level, text, _):
    if level >= 3:  # warnings and errors: the reason, should loading fail
        _complaints.append((text or b"").decode("utf-8", "replace").strip())


@functools.cache
def library():
    folder = importlib.util.find_spec("xllamacpp").submodule_search_locations[0]
    lib = C.CDLL(glob.glob(os.path.join(folder, "xllamacpp*.so"))[0])
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.llama_log_set.argtypes = [LOG, P]
    lib.llama_log_set(_listen, None)
    lib.llama_backend_init()
    return lib


class Scorer:
    """A GGUF, with an adapter if given, that scores tokens. Use as a context manager: it holds the model's memory.

    llama.cpp works in a thread that ends with the scorer: OpenMP keeps a team of threads for each thread that ever called
    it, and an idle team that is left behind makes the embedded server, in the same process, two times slower.
    """

    def __init__(self, model: Path, adapter: Path | None = None, n_ctx: int = 2048):
        self.lib = library()
        self.n_ctx = n_ctx
        self.model = self.context = None
        self.worker = ThreadPoolExecutor(1)
        try:
            self.worker.submit(self._load, model, adapter).result()
        except BaseException:
            self.close()
            raise

    def _load(self, model: Path, adapter: Path | None) -> None:
        lib = self.lib
        _complaints.clear()
        self.model = lib.llama_model_load_from_file(str(model).encode(), lib.llama_model_default_params())
        if not self.model:
            raise OSError(f"llama.cpp can't load {model}: {' '.join(_complaints[-2:]) or 'no reason given'}")
        params = lib.llama_context_default_params()
        params.words[N_CTX] = params.words[N_BATCH] = self.n_ctx
        params.words[N_THREADS] = params.words[N_THREADS_BATCH] = os.cpu_count() or 1
        self.context = lib.llama_init_from_model(self.model, params)
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.n_vocab = lib.llama_vocab_n_tokens(self.vocab)
        if adapter is not None:
            lora = lib.llama_adapter_lora_init(self.model, str(adapter).encode())
            if not lora:
                raise OSError(f"llama.cpp can't put {adapter} on {model}: {' '.join(_complaints[-2:]) or 'no reason given'}")
            lib.llama_set_adapters_lora(self.context, (P * 1)(lora), 1, (C.c_float * 1)(1.0))

    def close(self) -> None:
        if self.context:
            self.lib.llama_free(self.context)
        if self.model:
            self.lib.llama_model_free(self.model)
        self.context = self.model = None
        self.worker.shutdown()

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

    def log_probabilities(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        """(len(completion), vocabulary) natural log-probabilities of what follows each position; row i predicts completion[i]."""
        return self.worker.submit(self._log_probabilities, prompt, completion).result()

    def _log_probabilities(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        ids = [*prompt, *completion[:-1]]
        assert len(prompt) > 0 and len(ids) <= self.n_ctx, f"{len(ids)} tokens do not fit the context of {self.n_ctx}"
        batch = self.lib.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for i, token in enumerate(ids):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = token, i, 1, 0
                batch.logits[i] = i >= len(prompt) - 1
            self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
            failed = self.lib.llama_decode(self.context, batch)
            assert failed == 0, f"llama_decode answered {failed}"
            rows = [np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, i), (self.n_vocab,)) for i in range(len(prompt) - 1, len(ids))]
            logits = np.stack(rows).astype(np.float32)
        finally:
            self.lib.llama_batch_free(batch)
        top = logits.max(-1, keepdims=True)
        logits -= top
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))

    def log_likelihoods(self, prompt: list[int], completion: list[int]) -> np.ndarray:
        """(len(completion),) natural log-probability of each completion token."""
        return self.log_probabilities(prompt, completion)[np.arange(len(completion)), completion]
