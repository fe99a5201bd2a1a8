"""Chat templates are rendered as transformers renders them, without transformers."""

import pytest

from blogtwin.models import chat
from tests.support.hub_models import QWEN3

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


# --- thoughts ---------------------------------------------------------------------------------------------------------


def test_a_model_that_thinks_reads_its_own_sign_not_to_and_says_no_thought():
    """What Qwen3 reads for enable_thinking=false, to the byte, whether the switch is set or not."""
    made = chat.without_thoughts(QWEN3)
    switched = chat.render_template("{%- set enable_thinking = false %}" + QWEN3, MESSAGES[:2], {})
    assert chat.render_template(made, MESSAGES[:2], {}) == switched != chat.render_template(QWEN3, MESSAGES[:2], {})
    assert chat.without_thoughts(made) == made and chat.family(made) == "qwen3"
    answered = chat.render_template(made, MESSAGES[:3], {}, is_answered=True)
    assert answered.removeprefix(switched) == MESSAGES[2]["content"] + "<|im_end|>\n"  # no thought is learnt


def test_a_model_of_another_family_that_thinks_has_its_switch_set():
    template = "{{ messages[0].content }}{% if enable_thinking is defined and not enable_thinking %}!{% endif %}"
    made = chat.without_thoughts(template)
    assert chat.render_template(made, MESSAGES[:1], {}).endswith("!")
    assert not chat.render_template(template, MESSAGES[:1], {}).endswith("!")


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"qwen3"}))
def test_a_model_that_does_not_think_keeps_its_template(name):
    assert chat.without_thoughts(TEMPLATES[name]) == TEMPLATES[name]
