"""The sampling parameters, shared by training, evaluation and serving.

blogtwin/models/decoding.py applies them, the repeat penalty too; for servers `Engine` (blogtwin/inference/client.py)
puts them into the request.
"""

from dataclasses import dataclass

from blogtwin.config import EvalParams


@dataclass(frozen=True)
class SamplingParams:
    """Sampling parameters of one answer. The defaults equal those in the shipped params.yaml, section eval; the last
    four, which it does not have, are llama.cpp's own.

    `seed` None: a random seed.
    """

    max_tokens: int
    temperature: float = 0.9
    top_p: float = 0.95
    repeat_penalty: float = 1.1
    seed: int | None = None
    top_k: int = 40
    min_p: float = 0.05
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    @classmethod
    def from_params(cls, params: EvalParams) -> "SamplingParams":
        """The sampling parameters of params.yaml, section eval."""
        return cls(params.max_tokens, params.temperature, params.top_p, params.repeat_penalty, params.seed)
