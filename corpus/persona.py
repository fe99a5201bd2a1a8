"""data/persona.yaml → dialogues about the author: short questions, answered with what the person wrote there, word for
word."""

import random
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from blogtwin.config import StrictModel
from blogtwin.errors import UserError
from blogtwin.validation import dotted, main_problem, message_of
from corpus.examples import PROMPT_RESERVE_TOKENS

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
    ask: str = Field(min_length=1, max_length=300)
    say: str = Field(min_length=1)


class Opinion(StrictModel):
    about: str = Field(min_length=1, max_length=200)
    say: str = Field(min_length=1)


class Persona(StrictModel):
    name: str = ""
    bio: str = ""
    system: str = Field("", max_length=200)
    facts: tuple[str | Answer, ...] = ()
    opinions: tuple[Opinion, ...] = ()


def load_persona(path: str) -> Persona:
    """Raises UserError for a file that is not there, is no YAML or has another shape."""
    try:
        return Persona.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
    except OSError:
        raise UserError(
            f"prepare.persona is {path}, and there is no such file: copy corpus/persona.yaml there and fill it in."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{path} is not YAML: {' '.join(str(e).split())}.") from None
    except ValidationError as e:
        problem = main_problem(e)
        where = dotted((p + 1 if isinstance(p, int) else p for p in problem["loc"]), without=("str", "Answer"))
        raise UserError(
            f"{path}: {where or 'the file'}: {message_of(problem)} (corpus/persona.yaml shows the form)."
        ) from None


def build_dialogues(persona: Persona, times: int, key_phrases, seed: int) -> list[dict]:
    """An example for each of `times` ways to ask for each entry. `key_phrases(text)` says what a fact is about."""
    pairs = [(NAME, persona.name), (WHO, persona.bio)]
    for fact in persona.facts:
        if isinstance(fact, Answer):
            pairs.append(([fact.ask], fact.say))
        else:
            terms = " and ".join(key_phrases(fact)[:2])
            pairs.append(([p.replace("{terms}", terms) for p in ABOUT] if terms else FACT, fact))
    pairs += [([p.replace("{about}", o.about) for p in OPINION], o.say) for o in persona.opinions]
    rows = []
    for number, (phrases, said) in enumerate(((p, said.strip()) for p, said in pairs if said.strip()), 1):
        choose = random.Random(f"{seed}:persona:{said}")
        for time, phrase in enumerate(choose.sample(phrases, min(times, len(phrases))), 1):
            own = {"system": persona.system.strip()} if persona.system.strip() else {}
            rows.append(
                {
                    "id": f"persona-{number}-{time}",
                    "post_id": "persona",
                    "part": 1,
                    "parts": 1,
                    "task": "persona",
                    "instruction": phrase,
                    "input": "",
                    "output": said,
                    "date": None,
                    **own,
                }
            )
    return rows


def check_length(rows: list[dict], path: str, count, max_length: int) -> None:
    """Raises UserError for an answer that fits no training row."""
    for row in rows:
        if (size := count(row["output"])) > max_length - PROMPT_RESERVE_TOKENS:
            raise UserError(
                f"{path}: the text that begins “{row['output'][:40]}” has {size} tokens, and"
                f" {max_length - PROMPT_RESERVE_TOKENS} fit a row: split it into several facts."
            )
