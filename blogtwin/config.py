"""params.yaml as frozen pydantic models. A misspelt parameter is an error that names it and the nearest right name."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from blogtwin import renamed_params
from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.presets import apply_preset
from blogtwin.validation import dotted, main_problem, message_of, nearest_name


class StrictModel(BaseModel):
    """A frozen model that refuses unknown names. An alias is the name in params.yaml, where Python needs another."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), serialize_by_alias=True)


class IngestParams(StrictModel):
    source: str
    min_words: int = Field(ge=1)
    max_file_mb: float = Field(gt=0)
    author: str
    chat_role: str = Field(min_length=1)
    # YAML 1.1 reads the code of Norwegian as false
    language: Annotated[str, BeforeValidator(lambda value: "no" if value is False else value)] = Field(
        pattern="^(auto|[a-z]{2}|)$"
    )
    post_types: list[str] = Field(min_length=1)


def _parse_rate(value: Any) -> float | str:
    if value == "auto":
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 50:
        raise ValueError("it should be a number from 0 to 50, or auto")
    return number


# Extra examples per post, or "auto". Not a plain union: its error messages would name the parts of the union.
Rate = Annotated[float | str, PlainValidator(_parse_rate)]


class AugmentationParams(StrictModel):
    notes: Rate
    brief: Rate
    outline: Rate
    rewrite: Rate
    answer: Rate
    persona: int = Field(ge=0, le=50)


class PrepareParams(StrictModel):
    seed: int
    system: str = Field(min_length=1, max_length=200)  # every training row holds it, and rows have a maximum length
    author: str
    links: Literal["text", "keep"]
    code: Literal["keep", "drop", "placeholder"]
    quotes: Literal["keep", "drop", "placeholder"]
    tables: Literal["keep", "drop", "placeholder"]
    embeds: Literal["keep", "drop", "placeholder"]
    redact: bool
    context_tokens: int = Field(ge=0)
    augmentation: AugmentationParams
    max_augmentations_per_post: int = Field(ge=0)
    instruction_source: Literal["heuristic", "model", "both"]
    instruction_model: str
    persona: str = Field(min_length=1)


class SplitParams(StrictModel):
    strategy: Literal["date", "random"]
    train_fraction: float = Field(gt=0, lt=1)
    valid_fraction: float = Field(gt=0, lt=1)
    test_fraction: float = Field(gt=0, lt=1)
    seed: int
    min_jaccard: float = Field(gt=0, le=1)
    min_containment: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def check_fractions_sum_to_one(self) -> "SplitParams":
        total = self.train_fraction + self.valid_fraction + self.test_fraction
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train_fraction + valid_fraction + test_fraction is {total:g}; it must be 1")
        return self


def _check_preference_data(value: Any) -> Any:
    if not value:  # the file is a DVC dependency of the stage, and DVC requires that a dependency exists
        raise ValueError(
            "it should be a file that exists; for no preference data use train/votes.jsonl, which is empty"
        )
    return value


class TrainParams(StrictModel):
    """A parameter that says `preset` takes its value from blogtwin/presets.yaml before validation; afterwards it is a
    number."""

    base: str
    preset: str
    backend: Literal["auto", "cpu", "cuda", "mlx"]
    max_length: int = Field(ge=256)
    epochs: int = Field(ge=1)
    max_steps: int = Field(ge=0)
    max_tokens: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    warmup_ratio: float = Field(ge=0, lt=1)
    lora_rank: int = Field(ge=1)
    lora_alpha: int = Field(ge=1)
    lora_dropout: float = Field(ge=0, lt=1)
    early_stopping_patience: int = Field(ge=1)
    save_steps: int = Field(ge=1)
    seed: int
    warm_start: bool
    num_canaries: int = Field(ge=0, le=100)
    method: Literal["sft", "dpo", "grpo"]
    preference_prompts: int = Field(ge=1)
    preference_data: Annotated[str, BeforeValidator(_check_preference_data)]
    _by_preset: frozenset[str] = PrivateAttr(frozenset())

    @property
    def by_preset(self) -> frozenset[str]:
        """Names of the parameters whose value comes from the preset."""
        return self._by_preset

    @model_validator(mode="wrap")
    @classmethod
    def fill_in_preset(cls, data: Any, handler: ModelWrapValidatorHandler["TrainParams"]) -> "TrainParams":
        if not isinstance(data, dict):
            return handler(data)
        filled, by_preset = apply_preset(data)
        params = handler(filled)
        params._by_preset = by_preset
        return params


class ExportParams(StrictModel):
    quantization: Literal["q4_k_m", "q5_k_m", "q6_k", "q8_0", "f16"]
    parity_prompts: int = Field(ge=1)
    parity_tokens: int = Field(ge=16)
    keep: int = Field(ge=1)


class OllamaParams(StrictModel):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    num_ctx: int = Field(ge=512)
    # `register` is a method of every pydantic model's class (abc.ABCMeta)
    form: Literal["auto", "adapter", "merged"] = Field(alias="register")


class EvalParams(StrictModel):
    num_prompts: int = Field(ge=0)
    num_notes_prompts: int = Field(ge=0)
    max_scored_tokens: int = Field(ge=0)
    max_tokens: int = Field(ge=16)
    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    repeat_penalty: float = Field(gt=0)
    seed: int
    impostors: str
    other_twin: str
    judge_model: str


class Params(StrictModel):
    ingest: IngestParams
    prepare: PrepareParams
    split: SplitParams
    train: TrainParams
    export: ExportParams
    ollama: OllamaParams
    eval: EvalParams


def parameter_names(model: type[BaseModel]) -> Iterable[str]:
    """The names of a section's parameters, as they stand in params.yaml."""
    return [field.alias or name for name, field in model.model_fields.items()]


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and validate params.yaml.

    Raises UserError with one sentence about the first mistake: where it is, and the nearest right name, or the new name
    of a parameter that was renamed.
    """
    try:
        # PyYAML reads 2e-4 as a string and DVC as a number: pydantic's lax mode takes both.
        text = Path(path).read_text(encoding="utf-8")
        if renamed_params.has_conflict_markers(text):
            raise UserError(
                f"{path} contains Git conflict markers (<<<<<<<): resolve them"
                f" (`{make_command('all', Path(path).parent)}` does this for you)."
            )
        data = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError(f"There is no {path} in {Path.cwd()}: run this command in the project's folder.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(e).split())}.") from None
    folder = Path(path).parent
    if outdated := renamed_params.first_outdated(data, folder):  # first, or it would be an unknown name
        raise UserError(f"{path}: {outdated} (`{make_command('all', folder)}` does this for you).")
    try:
        return Params.model_validate(data)
    except ValidationError as e:
        raise UserError(f"{path}: {_validation_sentence(e)}") from None


def _validation_sentence(error: ValidationError) -> str:
    problem = main_problem(error)
    where = dotted(problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, name = problem["loc"]
        model: Any = Params
        for parent in parents:
            model = model.model_fields[parent].annotation
        prefix = "".join(f"{parent}." for parent in parents)
        return f"there is no parameter {where}: {nearest_name(str(name), parameter_names(model), prefix)}"
    if problem["type"] == "missing":
        return f"{where} is missing: add it, with a value."
    if isinstance(problem["input"], dict):  # parameters of a section that don't fit together
        return f"{where}: {problem['msg'].removeprefix('Value error, ')}."
    if not where:
        return f"{problem['msg'].removeprefix('Value error, ')}."
    return f"{where} is {problem['input']!r}: {message_of(problem)}."
