"""Tries out whether a trainer works on this machine. train/backend.py runs it in a process of its own, because a broken
driver may hang it or crash it.

Writes one line to standard output: ANSWER and the reason why the trainer doesn't work, or ANSWER alone if it does. All
other output comes from libraries.
Run     python -m train.probe cuda
"""

import importlib
import importlib.util
import sys
import warnings

ANSWER = "why it doesn't work: "


def main() -> None:
    """Print why the trainer named on the command line can't run here."""
    reason = {"cuda": probe_cuda, "mlx": probe_mlx}[sys.argv[1]]()
    print(f"\n{ANSWER}{reason}")


def probe_cuda() -> str:
    """Why training on a GPU doesn't work here; "" if it does."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        device = next((kind for kind in ("cuda", "xpu") if getattr(torch, kind).is_available()), "")
    if not device:
        # PyTorch only warns of, for example, a driver that is too old.
        reasons = [first_line(w.message) for w in caught if "initialization" in str(w.message)]
        return f"PyTorch can't use it ({reasons[0]})" if reasons else "PyTorch finds no GPU that it can use"
    try:
        matrix = torch.ones(8, 8, device=device)
        (matrix @ matrix).sum().item()
    except RuntimeError as e:  # this build of PyTorch has no kernels for the GPU, or another process has reserved it
        return f"PyTorch can't compute on it ({first_line(e)})"
    if importlib.util.find_spec("unsloth") is None:
        return "unsloth is not installed (`pip install -r train/requirements-cuda.txt`)"
    return import_problem("cuda", "unsloth")


def probe_mlx() -> str:
    """Why training with mlx doesn't work here; "" if it does."""
    try:
        import mlx.core as mx
    except (ImportError, RuntimeError) as e:
        return f"mlx can't be loaded ({first_line(e)})"
    if sys.platform == "darwin" and not mx.metal.is_available():
        return "Metal is not available (in a virtual machine, for example)"
    matrix = mx.ones((8, 8))
    try:
        mx.eval(matrix @ matrix)
    except RuntimeError as e:
        return f"mlx can't compute ({first_line(e)})"
    return import_problem("mlx", "mlx-lm")


def import_problem(trainer: str, package: str) -> str:
    """Why the trainer's module can't be imported; "" if it can. A package may be installed in a version that does not
    fit the others."""
    try:
        importlib.import_module(f"{__package__}.{trainer}")
    except Exception as e:
        return f"{package} can't be loaded ({type(e).__name__}: {first_line(e)})"
    return ""


def first_line(error: object) -> str:
    """The first line of an error or a warning, without its full stop."""
    return (str(error).strip().splitlines() or [""])[0][:200].rstrip(". ")


if __name__ == "__main__":
    main()
