"""The files of a model as the hub has them."""

import pytest

from blogtwin.models import gguf_to_hf, registry
from tests.support.hub_models import write_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    from transformers import AutoTokenizer

    embedded = registry._embedded(registry.load_registry()["smollm2:135m"])
    tokenizer = AutoTokenizer.from_pretrained(embedded.parent, gguf_file=embedded.name)
    tokenizer.eos_token = "<|im_end|>"
    gguf_to_hf.mend_tokenizer(tokenizer, embedded)
    folder = tmp_path_factory.mktemp("private-hub") / "model"
    write_repository(folder, tokenizer)
    return folder
