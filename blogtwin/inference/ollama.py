"""The settings of a twin in Ollama: its template, its stops and how it samples, for the API and as a Modelfile."""

import json
from pathlib import Path

import yaml

from blogtwin.config import Params

TEMPLATES = Path(__file__).with_name("ollama_templates.yaml")


def go_template(name: str) -> dict:
    """{"template", "stop"} of a name in ollama_templates.yaml."""
    return yaml.safe_load(TEMPLATES.read_text(encoding="utf-8"))[name]


def model_settings(base_template: str, system: str, params: Params) -> dict:
    """The settings of a twin in Ollama: {"template", "system", "parameters"}, the latter with stops and sampling."""
    chosen = go_template(base_template)
    return {
        "template": chosen["template"],
        "system": system,
        "parameters": {
            "stop": chosen["stop"],
            "num_ctx": params.ollama.num_ctx,
            "temperature": params.eval.temperature,
            "top_p": params.eval.top_p,
            "repeat_penalty": params.eval.repeat_penalty,
        },
    }


def render_modelfile(gguf: str, settings: dict) -> str:
    """The result of `model_settings` as a Modelfile for `ollama create`."""
    lines = [f"FROM {gguf}", f'TEMPLATE """{settings["template"]}"""', f'SYSTEM """{settings["system"]}"""']
    for key, value in settings["parameters"].items():
        for one in value if isinstance(value, list) else [value]:
            lines.append(f"PARAMETER {key} {json.dumps(one) if isinstance(one, str) else one}")
    return "\n".join(lines) + "\n"
