"""What a penalty on the prompt's words costs: the count of told facts, and the engines that write the drafts."""

import pytest

from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from eval import penalties
from eval.note_sets import NoteSet, list_set_files


def test_facts_are_counted_over_all_drafts():
    sets = [NoteSet.from_file(file) for file in list_set_files("sample")[:2]]
    facts = [[fact for line in one.notes for fact in line.facts] for one in sets]
    told = " ".join(f"It was {fact.value[0]}." for fact in facts[0])
    found = penalties.fact_recall(sets, [told, "Nothing was said."])
    assert found["recall"] == len(facts[0]) / (len(facts[0]) + len(facts[1])) and found["lo"] < 0.5 < found["hi"]


@pytest.mark.slow
def test_each_penalty_writes_a_draft_for_each_prompt(tiny):
    """Greedy, so that they differ by what is penalised alone."""
    with LlamaModel(tiny.gguf) as model:
        prompts = [model.tokenize(text) for text in ("The rope was late again. " * 4, "Rain")]
    drafts = penalties.write_drafts(tiny.gguf, prompts, SamplingParams(40, 0.0, 1.0, 1.9), 1, lambda name: None)
    assert set(drafts) == {penalties.OWN_LOOP, *penalties.UPSTREAM}
    assert all(len(texts) == 2 and all(texts) for texts in drafts.values())
    free, own = drafts[max(penalties.UPSTREAM)], drafts[penalties.OWN_LOOP]
    assert penalties.UPSTREAM[max(penalties.UPSTREAM)] == 0 and free[0] != own[0]
