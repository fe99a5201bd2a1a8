"""How a model writes: the one set of sampling parameters, for training, evaluation and serving."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SamplingParams:
    """Sampling parameters of one answer. The defaults are those of params.yaml's section eval, as it is shipped."""

    max_tokens: int
    temperature: float = 0.9
    top_p: float = 0.95
    repeat_penalty: float = 1.1
    seed: int | None = None

    @classmethod
    def from_params(cls, params) -> "SamplingParams":
        """As the section eval of params.yaml says."""
        return cls(params.max_tokens, params.temperature, params.top_p, params.repeat_penalty, params.seed)
