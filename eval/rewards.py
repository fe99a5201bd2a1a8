"""The reward of a text, and writing as a Gymnasium environment: the observation is a prompt, the action a text.

One step is an episode. The reward is the sum of its components, weighted by WEIGHTS; `info` has each component. Style
is measured against the training posts, by verifiers of its own: the scorecard's, which use only posts that the model
was not trained on, must not be optimised.
"""

import gymnasium
from gymnasium.spaces import Text

from eval.memorization import MAX_COPIED_13GRAM_FRACTION, MAX_COPY_WORDS
from eval.text_scorer import TextScorer

# style: 0 for other bloggers, 1 for the author, and less again above 1, which overshoots. on_topic: share of the other
# prompts that are less similar to the text. copied: 1 for a text that copies more than its author repeats himself.
# stopped: 1 for a text that came to its end.
WEIGHTS = {"style": 1.0, "on_topic": 0.5, "copied": -2.0, "stopped": 0.25}
SENTENCE_ENDS = (".", "!", "?", "…", ".”", "!”", "?”", '."', '!"', '?"', ".)", "*", "`")
MAX_CHARS = 20_000
ALLOWED_CHARACTERS = frozenset(map(chr, [*range(32, 127), *range(160, 0x2500), 9, 10]))


def looks_finished(text: str) -> bool:
    """True if a text that stops here seems complete: it ends as a sentence does."""
    return text.rstrip().endswith(SENTENCE_ENDS)


class RewardFunction:
    """The components of a text's reward."""

    def __init__(self, posts: list[str], briefs: list[str]) -> None:
        """`posts`: those that the twin is trained on. `briefs`: of all prompts."""
        self.scorer = TextScorer(posts, posts, briefs)

    def components(self, text: str, brief: str, stopped: bool) -> dict[str, float]:
        """{style (−1 to 1), on_topic (0 to 1), copied (0 or 1), stopped (0 or 1)}; a component that can't be measured,
        most often because the text is too short, is 0."""
        copied = self.scorer.copying.measure(text)
        style, on_topic = self.scorer.style(text), self.scorer.on_topic(text, brief)
        over_limit = (
            copied["longest_copy"] >= MAX_COPY_WORDS or copied["copied_13gram_fraction"] > MAX_COPIED_13GRAM_FRACTION
        )
        return {
            "style": 0.0 if style is None else max(-1.0, min(style, 2.0 - style)),
            "on_topic": on_topic or 0.0,
            "copied": float(over_limit),
            "stopped": float(stopped),
        }


def weighted_sum(components: dict[str, float]) -> float:
    """The reward: the components weighted by WEIGHTS."""
    return sum(weight * components[name] for name, weight in WEIGHTS.items())


class WritingEnvironment(gymnasium.Env):
    """A prompt of `prompts` in, a text out. reset(options={"prompt": i}) gives the i-th prompt; without it, one is
    drawn at random."""

    metadata = {"render_modes": []}

    def __init__(self, prompts: list[str], posts: list[str]) -> None:
        characters = ALLOWED_CHARACTERS | {c for prompt in prompts for c in prompt}
        self.prompts, self.rewards = prompts, RewardFunction(posts, prompts)
        self.observation_space = Text(max(map(len, prompts)), min_length=0, charset=characters)
        self.action_space = Text(MAX_CHARS, min_length=0, charset=characters)
        self.prompt = prompts[0]

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[str, dict]:
        """(the prompt, {"prompt": its number})."""
        super().reset(seed=seed)
        number = (options or {}).get("prompt", None)
        number = int(self.np_random.integers(len(self.prompts))) if number is None else number
        self.prompt = self.prompts[number]
        return self.prompt, {"prompt": number}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict]:
        """(the prompt, the reward, True: the episode is over, False: not truncated, the reward's components)."""
        components = self.rewards.components(action, self.prompt, looks_finished(action))
        return self.prompt, weighted_sum(components), True, False, components
