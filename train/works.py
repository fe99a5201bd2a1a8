"""Does this trainer work here? Tried, in a process of its own that train/backend.py starts: a driver that is broken may
hang or end it.

Writes one line to standard output: ANSWER, and why not, if it doesn't. What else is there, a library has said.
Run     python -m train.works cuda
"""

import importlib
import importlib.util
import sys
import warnings

ANSWER = "why it doesn't work: "


def main() -> None:
    """Print why the trainer that is named can't run here."""
    why = {"cuda": cuda, "mlx": mlx}[sys.argv[1]]()
    print(f"\n{ANSWER}{why}")


def cuda() -> str:
    """Why nothing can be trained on a GPU here; "" when it can."""
    import torch

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        kind = next((kind for kind in ("cuda", "xpu") if getattr(torch, kind).is_available()), "")
    if not kind:
        reasons = [sentence(w.message) for w in told if "initialization" in str(w.message)]  # an old driver, say
        return f"PyTorch can't use it ({reasons[0]})" if reasons else "PyTorch finds no GPU that it can use"
    try:
        some = torch.ones(8, 8, device=kind)
        (some @ some).sum().item()
    except RuntimeError as e:  # a card that this build of PyTorch has no kernels for, or that another process holds
        return f"PyTorch can't compute on it ({sentence(e)})"
    if importlib.util.find_spec("unsloth") is None:
        return "unsloth is not installed (`pip install -r train/requirements-cuda.txt`)"
    return loads("cuda", "unsloth")


def mlx() -> str:
    """Why nothing can be trained with mlx here; "" when it can."""
    try:
        import mlx.core as mx
    except (ImportError, RuntimeError) as e:
        return f"mlx can't be loaded ({sentence(e)})"
    if sys.platform == "darwin" and not mx.metal.is_available():
        return "Metal is not available (in a virtual machine, say)"
    some = mx.ones((8, 8))
    try:
        mx.eval(some @ some)
    except RuntimeError as e:
        return f"mlx can't compute ({sentence(e)})"
    return loads("mlx", "mlx-lm")


def loads(trainer: str, package: str) -> str:
    """Why the module of a trainer can't be imported, "" when it can: versions that don't fit together are installed as
    well as others."""
    try:
        importlib.import_module(f"{__package__}.{trainer}")
    except Exception as e:
        return f"{package} can't be loaded ({type(e).__name__}: {sentence(e)})"
    return ""


def sentence(error) -> str:
    """The first line of an error or a warning, without its full stop."""
    return (str(error).strip().splitlines() or [""])[0][:200].rstrip(". ")


if __name__ == "__main__":
    main()
