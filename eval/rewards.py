"""Writing as a Gymnasium environment: the observation is a prompt, the action a text, the reward what the text is worth
to its author.

One step is an episode. What the parts are worth is in WEIGHTS, and the only place where it is; `info` has each part.
The style is measured against the posts that were learnt from, by verifiers of its own: the scorecard's, which know only
posts that the model never saw, are not what is trained for.
"""

import gymnasium
from gymnasium.spaces import Text

from eval.memorization import FAIL_COVER_13, FAIL_RUN
from eval.text_scorer import TextScorer

# style: 0 for other bloggers, 1 for the author, and less again above that, which is caricature. on_topic: share of the
# other prompts that are less like the text. copied: 1 for a text that copies more than its author repeats himself.
# stopped: it came to its end.
WEIGHTS = {"style": 1.0, "on_topic": 0.5, "copied": -2.0, "stopped": 0.25}
SENTENCE_ENDS = (".", "!", "?", "…", ".”", "!”", "?”", '."', '!"', '?"', ".)", "*", "`")
MAX_CHARS = 20_000  # characters
ALLOWED_CHARACTERS = frozenset(map(chr, [*range(32, 127), *range(160, 0x2500), 9, 10]))


def looks_finished(text: str) -> bool:
    """Whether a text that stops here seems to be at its end."""
    return text.rstrip().endswith(SENTENCE_ENDS)


class RewardFunction:
    """What a text is worth, in parts."""

    def __init__(self, posts: list[str], briefs: list[str]):
        """`posts` are those that the twin learnt from."""
        self.single = TextScorer(posts, posts, briefs)

    def parts(self, text: str, brief: str, stopped: bool) -> dict[str, float]:
        """{style, on_topic, copied, stopped}; what can't be measured of a text, most often since it is too short,
        counts as 0."""
        copied = self.single.copying.measure(text)
        style, on_topic = self.single.style(text), self.single.on_topic(text, brief)
        return {
            "style": 0.0 if style is None else max(-1.0, min(style, 2.0 - style)),
            "on_topic": on_topic or 0.0,
            "copied": float(copied["run"] >= FAIL_RUN or copied["cover_13"] > FAIL_COVER_13),
            "stopped": float(stopped),
        }


def weighted_sum(parts: dict[str, float]) -> float:
    return sum(weight * parts[name] for name, weight in WEIGHTS.items())


class WritingEnvironment(gymnasium.Env):
    """A prompt of `prompts` in, a text out. reset(options={"prompt": i}) asks for the i-th; without it, one is
    drawn."""

    metadata = {"render_modes": []}

    def __init__(self, prompts: list[str], posts: list[str]):
        known = ALLOWED_CHARACTERS | {c for prompt in prompts for c in prompt}
        self.prompts, self.rewards = prompts, RewardFunction(posts, prompts)
        self.observation_space = Text(max(map(len, prompts)), min_length=0, charset=known)
        self.action_space = Text(MAX_CHARS, min_length=0, charset=known)
        self.prompt = prompts[0]

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[str, dict]:
        super().reset(seed=seed)
        number = (options or {}).get("prompt", None)
        number = int(self.np_random.integers(len(self.prompts))) if number is None else number
        self.prompt = self.prompts[number]
        return self.prompt, {"prompt": number}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict]:
        """(the prompt, the reward, True, False, the reward's parts)."""
        parts = self.rewards.parts(action, self.prompt, looks_finished(action))
        return self.prompt, weighted_sum(parts), True, False, parts
