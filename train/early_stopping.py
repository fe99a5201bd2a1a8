"""Early stopping: when more epochs no longer help. Called by train/callbacks.py (CPU, CUDA) and train/mlx.py."""


def should_stop_early(losses: list[float], patience: int) -> bool:
    """Early stopping: whether `patience` epochs have passed since the one with the lowest validation loss. `losses`:
    before training, then after each epoch."""
    after = losses[1:]
    return bool(after) and len(after) - 1 - after.index(min(after)) >= patience
