"""data/persona.yaml → dialogues about the author: short questions, answered with the author's own words from there."""

import random
from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from blogtwin.config import StrictModel
from blogtwin.errors import UserError
from blogtwin.validation import dotted, main_problem, message_of
from corpus.chunking import TokenCount
from corpus.examples import PROMPT_RESERVE_TOKENS, Example

WHO = ["Who are you?", "Tell me about yourself.", "Introduce yourself, please.", "What should I know about you?"]
NAME = ["What is your name?", "What are you called?", "Who am I talking to?"]
FACT = [
    "Tell me something about yourself.",
    "What else should I know about you?",
    "Tell me more about you.",
    "And what else is there to say about you?",
]
ABOUT = ["Tell me about {terms}.", "What can you tell me about {terms}?", "What about {terms}?"]
OPINION = [
    "What do you think of {about}?",
    "What is your opinion on {about}?",
    "Tell me what you think about {about}.",
    "Where do you stand on {about}?",
]


class Answer(StrictModel):
    """A fact with a question of its own."""

    ask: str = Field(min_length=1, max_length=300)
    say: str = Field(min_length=1)


class Opinion(StrictModel):
    about: str = Field(min_length=1, max_length=200)
    say: str = Field(min_length=1)


class Persona(StrictModel):
    """The form corpus/persona.yaml, filled in or not."""

    name: str = ""
    bio: str = ""
    system: str = Field("", max_length=200)
    facts: tuple[str | Answer, ...] = ()
    opinions: tuple[Opinion, ...] = ()


def load_persona(path: str) -> Persona:
    """Read the file prepare.persona. Raises UserError if it does not exist, is no YAML, or does not fit the form."""
    try:
        return Persona.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
    except OSError:
        raise UserError(
            f"prepare.persona is {path}, but there is no such file: copy corpus/persona.yaml there and fill it in."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{path} is not YAML: {' '.join(str(e).split())}.") from None
    except ValidationError as e:
        problem = main_problem(e)
        location = dotted((p + 1 if isinstance(p, int) else p for p in problem["loc"]), without=("str", "Answer"))
        raise UserError(
            f"{path}: {location or 'the file'}: {message_of(problem)} (corpus/persona.yaml shows the form)."
        ) from None


def build_dialogues(
    persona: Persona, max_per_entry: int, key_phrases: Callable[[str], list[str]], seed: int
) -> list[Example]:
    """Up to `max_per_entry` examples of each entry, with different questions. `key_phrases(text)`: its topics."""
    examples: list[Example] = []
    answered = [(questions, answer.strip()) for questions, answer in _entries(persona, key_phrases) if answer.strip()]
    for number, (questions, answer) in enumerate(answered, 1):
        rng = random.Random(f"{seed}:persona:{answer}")
        for variant, question in enumerate(rng.sample(questions, min(max_per_entry, len(questions))), 1):
            example: Example = {
                "id": f"persona-{number}-{variant}",
                "post_id": "persona",
                "part": 1,
                "parts": 1,
                "task": "persona",
                "instruction": question,
                "input": "",
                "output": answer,
                "date": None,
            }
            if persona.system.strip():
                example["system"] = persona.system.strip()
            examples.append(example)
    return examples


def _entries(persona: Persona, key_phrases: Callable[[str], list[str]]) -> list[tuple[list[str], str]]:
    """(questions, the answer to each of them) of all entries, empty ones too."""
    entries = [(NAME, persona.name), (WHO, persona.bio)]
    for fact in persona.facts:
        if isinstance(fact, Answer):
            entries.append(([fact.ask], fact.say))
            continue
        terms = " and ".join(key_phrases(fact)[:2])
        questions = [template.replace("{terms}", terms) for template in ABOUT] if terms else FACT
        entries.append((questions, fact))
    for opinion in persona.opinions:
        entries.append(([template.replace("{about}", opinion.about) for template in OPINION], opinion.say))
    return entries


def check_length(examples: list[Example], path: str, count_tokens: TokenCount, max_length: int) -> None:
    """Raises UserError for an answer that does not fit a training row of `max_length` tokens."""
    limit = max_length - PROMPT_RESERVE_TOKENS
    for example in examples:
        size = count_tokens(example["output"])
        if size > limit:
            raise UserError(
                f"{path}: the text that begins “{example['output'][:40]}” has {size} tokens, but a training row has"
                f" room for {limit}: split it into several facts."
            )
