"""OpenAI's own client, unchanged, against the real server and the real base model."""

import httpx2
import openai
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.model]
RAIN = [{"role": "user", "content": "Write about rain."}]


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="any", max_retries=0, http_client=httpx2.Client(trust_env=False)
    )


def test_models_are_listed(client):
    assert [m.id for m in client.models.list()] == ["base", "finetuned"]


def test_a_stream_says_the_same_as_the_whole_answer(client):
    asked = {"model": "finetuned", "messages": RAIN, "max_tokens": 12, "seed": 3, "temperature": 0.9}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content and len(text) > 10
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 12
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason == "length"
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 5  # written as it comes, not at once


def test_a_stream_has_no_usage_unless_asked(client):
    assert not any(
        c.usage for c in client.chat.completions.create(model="base", messages=RAIN, max_tokens=2, stream=True)
    )


def test_seed_makes_an_answer_again_and_another_seed_another(client):
    def text(seed):
        return (
            client.chat.completions.create(model="base", messages=RAIN, max_tokens=16, temperature=1.5, seed=seed)
            .choices[0]
            .message.content
        )

    assert text(1) == text(1) != text(2)


def test_stop_ends_the_answer_before_that_word(client):
    free = (
        client.chat.completions.create(model="base", messages=RAIN, max_tokens=12, temperature=0)
        .choices[0]
        .message.content
    )
    word = free.split()[3]
    answer = client.chat.completions.create(
        model="base", messages=RAIN, max_tokens=12, temperature=0, stop=[word]
    ).choices[0]
    assert answer.finish_reason == "stop" and answer.message.content == free[: free.index(word)]


def test_logprobs_are_those_of_the_tokens(client):
    answer = client.chat.completions.create(
        model="base",
        messages=RAIN,
        max_tokens=4,
        temperature=0,
        logprobs=True,
        top_logprobs=3,
        extra_body={"repeat_penalty": 1.0},
    ).choices[0]
    tokens = answer.logprobs.content
    assert "".join(t.token for t in tokens) == answer.message.content and len(tokens) == 4
    # greedily chosen: each is the likeliest of its alternatives
    assert all(len(t.top_logprobs) == 3 and t.logprob == max(o.logprob for o in t.top_logprobs) <= 0 for t in tokens)


def test_max_completion_tokens_is_max_tokens_under_its_new_name(client):
    assert (
        client.chat.completions.create(model="base", messages=RAIN, max_completion_tokens=3).usage.completion_tokens
        == 3
    )


def test_a_plain_completion_goes_on_with_the_prompt(client):
    answer = client.completions.create(model="base", prompt="One, two, three, four, five,", max_tokens=3, temperature=0)
    assert "six" in answer.choices[0].text and answer.object == "text_completion"
    streamed = client.completions.create(
        model="base", prompt="One, two, three, four, five,", max_tokens=3, temperature=0, stream=True
    )
    assert "".join(c.choices[0].text for c in streamed if c.choices) == answer.choices[0].text


def test_logprobs_of_a_plain_completion_have_their_own_shape(client):
    asked = {
        "model": "base",
        "prompt": "One, two, three, four, five,",
        "max_tokens": 3,
        "temperature": 0,
        "logprobs": 2,
    }
    whole = client.completions.create(**asked).choices[0]
    assert "".join(whole.logprobs.tokens) == whole.text and len(whole.logprobs.token_logprobs) == 3
    assert all(
        top[token] == value == max(top.values()) <= 0
        for token, value, top in zip(whole.logprobs.tokens, whole.logprobs.token_logprobs, whole.logprobs.top_logprobs)
    )
    parts = [
        c.choices[0].logprobs
        for c in client.completions.create(**asked, stream=True)
        if c.choices and c.choices[0].logprobs
    ]
    assert [t for part in parts for t in part.tokens] == whole.logprobs.tokens


def test_text_in_parts_and_fields_of_other_clients_are_taken(client):
    parts = [{"role": "user", "content": [{"type": "text", "text": "Write about "}, {"type": "text", "text": "rain."}]}]
    same = [
        client.chat.completions.create(
            model="base", messages=m, max_tokens=6, temperature=0, extra_body={"chat_id": "1"}
        )
        .choices[0]
        .message.content
        for m in (parts, RAIN)
    ]
    assert same[0] == same[1]


def test_the_base_and_the_twin_are_two_models(client):
    said = {
        m: client.chat.completions.create(model=m, messages=RAIN, max_tokens=16, temperature=0)
        .choices[0]
        .message.content
        for m in ("base", "finetuned")
    }
    assert said["base"] != said["finetuned"]


def test_errors_are_the_clients_own_exceptions_with_our_code(client):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody", messages=RAIN)
    assert unknown.value.code == "unknown_model"
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(
            model="base", messages=[{"role": "user", "content": "rain " * 4000}], max_tokens=5, stream=True
        )
    assert long.value.code == "prompt_too_long" and long.value.body["hint"]
    with pytest.raises(openai.UnprocessableEntityError) as wrong:
        client.chat.completions.create(model="base", messages=RAIN, temperature=9)
    assert wrong.value.code == "invalid_request" and "temperature" in wrong.value.message
