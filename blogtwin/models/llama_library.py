"""llama.cpp's C library, by ctypes: xllamacpp's extension module exports it.

The parameter structs are opaque but for the first words of the context's; the parity gate would see a wrong guess at
once.
"""

import ctypes as C
import functools
import glob
import importlib.util
import os

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
    "llama_token_to_piece": (C.c_int32, Pointer, C.c_int32, C.c_char_p, C.c_int32, C.c_int32, C.c_bool),
    "llama_vocab_bos": (C.c_int32, Pointer),
    "llama_vocab_get_text": (C.c_char_p, Pointer, C.c_int32),
    "llama_model_chat_template": (C.c_char_p, Pointer, C.c_char_p),
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
    # (type, weights, where to write, first weight, rows, columns, importance matrix) → bytes written
    "ggml_quantize_chunk": (
        C.c_size_t,
        C.c_int,
        C.POINTER(C.c_float),
        Pointer,
        C.c_int64,
        C.c_int64,
        C.c_int64,
        Pointer,
    ),
    "llama_free": (None, Pointer),
    "llama_model_free": (None, Pointer),
}
LogCallback = C.CFUNCTYPE(None, C.c_int, C.c_char_p, Pointer)
log_errors: list[str] = []


@LogCallback
def _log_callback(level: int, text: bytes | None, _: object) -> None:
    if level >= 3:  # warnings and errors: the reason, should loading fail
        log_errors.append((text or b"").decode("utf-8", "replace").strip())


@functools.cache
def load_library() -> C.CDLL:
    """The library with the signatures of the functions that are used, its backend started and its log kept."""
    spec = importlib.util.find_spec("xllamacpp")
    assert spec is not None and spec.submodule_search_locations, "xllamacpp is not installed"
    folder = spec.submodule_search_locations[0]
    lib = C.CDLL(glob.glob(os.path.join(folder, "xllamacpp*.so"))[0])
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.llama_log_set.argtypes = [LogCallback, Pointer]
    lib.llama_log_set(_log_callback, None)
    lib.llama_backend_init()
    return lib
