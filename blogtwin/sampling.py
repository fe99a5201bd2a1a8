"""The sampling parameters, shared by training, evaluation and serving.

blogtwin/models/decoding.py applies them, the repeat penalty too; for servers `Engine` (blogtwin/inference/client.py)
puts them into the request.
"""

from dataclasses import dataclass

from blogtwin.config import EvalParams


@dataclass(frozen=True)
class SamplingParams:
    """Sampling parameters of one answer. The defaults equal those in the shipped params.yaml, section eval.

    `seed` None: a random seed.
    """

    max_tokens: int
    temperature: float = 0.9
    top_p: float = 0.95
    repeat_penalty: float = 1.1
    seed: int | None = None

    @classmethod
    def from_params(cls, params: EvalParams) -> "SamplingParams":
        """The sampling parameters of params.yaml, section eval."""
        return cls(params.max_tokens, params.temperature, params.top_p, params.repeat_penalty, params.seed)
