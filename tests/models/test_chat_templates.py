"""Chat templates are rendered as transformers renders them, without transformers."""

import pytest

from blogtwin.models import chat

MESSAGES = [
    {"role": "system", "content": "You write <b>."},
    {"role": "user", "content": "Who “goes” there?"},
    {"role": "assistant", "content": "A dog."},
    {"role": "user", "content": "And then?\n"},
]
# What published templates do that ours do not: marks for training, JSON, loops that are left, tools that are not given.
PUBLISHED = """{%- if tools is not none %}{{ raise_exception('no tools here') }}{% endif %}
{% for message in messages %}
    {% if loop.index > 3 %}{% break %}{% endif %}
    {%- if message.role == 'assistant' %}{% generation %}{{ message.content | trim }}{{ eos_token }}{% endgeneration %}
    {% else %}
{{ bos_token }}{{ message | tojson }}{{ undefined_token }}
    {% endif %}
{% endfor %}
{% if add_generation_prompt %}answer:{% endif %}"""
TEMPLATES = {file.stem: file.read_text() for file in chat.TEMPLATES_DIR.glob("*.jinja")}


@pytest.mark.slow
@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("template", [PUBLISHED, *TEMPLATES.values()], ids=["published", *TEMPLATES])
def test_a_template_is_rendered_as_transformers_does(template, is_answered):
    from transformers.utils.chat_template_utils import render_jinja_template

    special = {"bos_token": "<s>", "eos_token": "</s>"}
    messages = MESSAGES[:3] if is_answered else MESSAGES
    expected, _ = render_jinja_template(
        [messages], chat_template=template, add_generation_prompt=not is_answered, **special
    )
    assert chat.render_template(template, messages, special, is_answered) == expected[0]


def test_a_template_has_no_way_out():
    from jinja2 import TemplateError

    with pytest.raises(TemplateError):
        chat.render_template("{{ messages.__class__.__mro__ }}", MESSAGES, {})
    with pytest.raises(TemplateError, match="no system"):
        chat.render_template("{{ raise_exception('no system') }}", MESSAGES, {})
