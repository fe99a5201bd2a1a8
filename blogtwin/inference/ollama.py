"""The settings of a twin in Ollama: its template, its stops and how it samples, for the API and as a Modelfile."""

import json
from pathlib import Path

import yaml

from blogtwin.config import Params

TEMPLATES = Path(__file__).with_name("ollama_templates.yaml")
# How Ollama samples where a model says nothing (api/types.go there, DefaultOptions). A base's own values would be
# handed on to an adapter on it, and not to the whole twin.
DEFAULTS = {
    "top_k": 40,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_last_n": 64,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


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


def render_modelfile(source: str, settings: dict, adapter: str = "") -> str:
    """The result of `model_settings` as a Modelfile for `ollama create`. `source`: a GGUF, or the name of a model;
    `adapter`: a GGUF on it, if any."""
    lines = [f"FROM {source}", *([f"ADAPTER {adapter}"] if adapter else [])]
    lines += [f'TEMPLATE """{settings["template"]}"""', f'SYSTEM """{settings["system"]}"""']
    for key, value in settings["parameters"].items():
        for one in value if isinstance(value, list) else [value]:
            lines.append(f"PARAMETER {key} {json.dumps(one) if isinstance(one, str) else one}")
    return "\n".join(lines) + "\n"


def read_parameters(text: str) -> dict[str, list]:
    """{parameter: its values} of the text in which /api/show has them: a line for each value."""
    found: dict[str, list] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        try:
            found.setdefault(name, []).append(json.loads(value))
        except ValueError:
            found.setdefault(name, []).append(value.strip())
    return found


def lost_settings(shown: dict, settings: dict) -> list[str]:
    """What of `settings` a model does not have as /api/show describes it, each by its name; empty where it has all."""
    lost = [part for part in ("template", "system") if (shown.get(part) or "") != settings[part]]
    parameters = read_parameters(shown.get("parameters") or "")
    for name, value in settings["parameters"].items():
        wanted = value if isinstance(value, list) else [value]
        if sorted(parameters.get(name, [])) != sorted(wanted):
            lost.append(f"parameter {name}")
    return lost


def override_inherited(settings: dict, parent: dict) -> dict:
    """The settings with Ollama's defaults for what the base, as /api/show describes it, says and the twin does not."""
    inherited = read_parameters(parent.get("parameters") or "")
    kept = {name: DEFAULTS[name] for name in inherited if name in DEFAULTS}
    return {**settings, "parameters": {**kept, **settings["parameters"]}}
