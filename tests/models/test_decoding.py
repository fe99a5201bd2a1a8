"""The loop in which answers are written, on a tiny random model in the real llama.cpp: what a constraint forbids never
appears, and who else is written beside an answer changes nothing."""

import re
import shutil
from dataclasses import replace

import gguf
import numpy as np
import pytest

from blogtwin.drafting.candidates import Request, SentenceWriter
from blogtwin.drafting.fence import Fence, Licences
from blogtwin.models import chat, registry
from blogtwin.models.decoding import PIECE_TOKENS, Decoder, Generation, likeliest
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from tests.support import sample_corpus

pytestmark = [pytest.mark.slow, pytest.mark.model]
SEQUENCES = 16
SAMPLING = SamplingParams(24, 0.9, 0.95, 1.1)


@pytest.fixture(scope="module")
def model(tiny_root):
    with LlamaModel(tiny_root / "tiny.gguf", None, 256, SEQUENCES) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def prompt(model):
    return model.tokenize("The rope is 22 mm thick and")


class Unconstrained:
    """Allows everything, and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def adjust(self, ids, candidates):
        self.asked += 1
        return np.zeros(len(candidates), np.float32)

    def is_complete(self, ids):
        return False


class Without(Unconstrained):
    """Forbids the tokens for which `forbidden(token)` holds."""

    def __init__(self, forbidden):
        super().__init__()
        self.forbidden = forbidden

    def adjust(self, ids, candidates):
        self.asked += 1
        return np.array([-np.inf if self.forbidden(token) else 0 for token in candidates.tolist()], np.float32)


class EndsAfter(Unconstrained):
    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def is_complete(self, ids):
        return len(ids) == self.tokens


class Pulls(Unconstrained):
    """Makes one token certain wherever it is among the candidates."""

    def __init__(self, token):
        super().__init__()
        self.token = token

    def adjust(self, ids, candidates):
        return np.where(candidates == self.token, 1000.0, 0.0).astype(np.float32)


def write(model, prompt, constraints, sampling=SAMPLING, seed=1):
    many = len(constraints)
    return model.write([prompt] * many, [sampling] * many, list(range(seed, seed + many)), constraints=constraints)


def test_forbidden_tokens_never_appear(model, prompt):
    free = write(model, prompt, [None] * SEQUENCES)
    assert any(token % 2 for answer in free for token in answer["ids"])
    fenced = write(model, prompt, [Without(lambda token: token % 2) for _ in range(SEQUENCES)])
    written = [token for answer in fenced for token in answer["ids"] if not model.ends(token)]
    assert len(written) > 100 and not any(token % 2 for token in written)


def test_where_every_token_is_forbidden_the_answer_ends(model, prompt):
    (answer,) = write(model, prompt, [Without(lambda token: True)])
    assert (answer["text"], answer["end"], answer["ids"]) == ("", "stop", [model.end_token])


def test_where_the_likeliest_are_forbidden_others_are_asked_about(model, prompt):
    likeliest = np.argsort(-model.log_probabilities(prompt, [0])[0])[:100].tolist()
    only_rest = Without(lambda token: token in likeliest)
    (answer,) = write(model, prompt, [only_rest], SamplingParams(1, 0.9, 0.95, 1.0))
    assert answer["ids"][0] not in likeliest and answer["ids"][0] != model.end_token
    assert only_rest.asked == 2  # a few, then many


def test_a_constraint_may_raise_a_token(model, prompt):
    token = int(np.argsort(-model.log_probabilities(prompt, [0])[0])[20])
    (answer,) = write(model, prompt, [Pulls(token)], SamplingParams(1, 0.9, 0.95, 1.0))
    assert answer["ids"] == [token]


def test_a_constraint_may_end_the_answer(model, prompt):
    answers = write(model, prompt, [EndsAfter(n) for n in (1, 5, 9)])
    assert [(len(a["ids"]), a["end"]) for a in answers] == [(1, "stop"), (5, "stop"), (9, "stop")]


def rounds_of(prompt, *lengths):
    """Rounds of answers that end after so many tokens."""
    return [[Generation(prompt, SAMPLING, n, EndsAfter(n)) for n in each] for each in lengths]


def test_the_last_answers_of_a_round_are_given_up_once_there_are_enough(model, prompt):
    taken, begun = [], []
    first, second = rounds_of(prompt, (2, 9, 4, 30, 3), (5,))
    model.write_rounds((begun.append(r) or r for r in (first, second)), taken.append, lambda: len(taken) >= 3, 2)
    assert taken == [first[0], first[4], first[2]] and begun == [first]
    assert [len(answer.ids) for answer in first] == [2, 4, 4, 4, 3] and [a.end for a in first].count("stop") == 3
    # What was given up leaves its places: the next call with the same cache writes on undisturbed.
    (after,) = rounds_of(prompt, (6, 7))
    model.write_rounds([after], lambda answer: None, lambda: False, 2, fresh=False)
    for answer in after:
        expected = float(model.log_likelihoods(prompt, answer.ids).sum())
        assert answer.end == "stop" and answer.log_likelihood == pytest.approx(expected, abs=0.2)


def test_without_enough_the_next_round_begins_beside_the_last_answers_and_all_end(model, prompt):
    taken = []
    first, second = rounds_of(prompt, (2, 9), (3, 12))
    model.write_rounds([first, second], taken.append, lambda: False, 1)
    assert taken == [first[0], second[0], first[1], second[1]]
    assert [len(answer.ids) for answer in (*first, *second)] == [2, 9, 3, 12]


def test_continuations_are_as_likely_together_as_alone_and_writing_goes_on_undisturbed(model, prompt):
    first, other = rounds_of(prompt, (4, 6), (5,))
    model.write_rounds([first], lambda answer: None, lambda: False, 0)
    lead = model.tokenize("A title. The rope is old, and was never replaced in nine years of use.")
    texts = [model.tokenize(text) for text in (" It broke.", " Nobody saw it, and it hung there till May.", " I")]
    found = [model.continuation_log_likelihoods(lead, texts, fresh=False) for _ in range(2)]  # read, then kept
    model.write_rounds([other], lambda answer: None, lambda: False, 0, fresh=False)
    for nats in found:
        for ids, ours in zip(texts, nats, strict=True):
            assert ours == pytest.approx(model.log_likelihoods(lead, ids), abs=0.05)
    assert other[0].log_likelihood == pytest.approx(float(model.log_likelihoods(prompt, other[0].ids).sum()), abs=0.2)


def test_whoever_stops_the_rounds_is_heard_and_the_model_writes_on_afterwards(model, prompt):
    def stop(answer):
        raise RuntimeError("no longer wanted")

    with pytest.raises(RuntimeError, match="no longer wanted"):
        model.write_rounds(rounds_of(prompt, (2, 9)), stop, lambda: False, 1)
    assert [len(a["ids"]) for a in write(model, prompt, [EndsAfter(3)])] == [3]


def test_the_likeliest_are_those_of_a_whole_sort(model, prompt):
    scores = model.log_probabilities(prompt, [0])[0]
    flat = np.zeros(50, np.float32)
    flat[7] = 100.0  # all others are far below
    for row, count in ((scores, 40), (scores, 400), (flat, 10)):
        found = likeliest(row, count)
        assert row[found].tolist() == np.sort(row)[::-1][:count].tolist() and len(set(found.tolist())) == count


def test_the_log_likelihood_is_the_models_own(model, prompt):
    (answer,) = write(model, prompt, [Without(lambda token: token % 2)])
    expected = model.log_likelihoods(prompt, answer["ids"]).sum()
    assert answer["log_likelihood"] == pytest.approx(float(expected), rel=1e-3)


def test_a_constraint_that_allows_everything_changes_no_text(model, prompt):
    """Without a penalty: a constraint sees the likeliest tokens before what was said already is made less likely."""
    sampling = replace(SAMPLING, repeat_penalty=1.0)
    free = write(model, prompt, [None] * 4, sampling)
    asked = [Unconstrained() for _ in range(4)]
    assert [a["ids"] for a in write(model, prompt, asked, sampling)] == [a["ids"] for a in free]
    assert [c.asked for c in asked] == [len(a["ids"]) for a in free]


def test_answers_without_a_constraint_are_the_same_beside_constrained_ones(model, prompt):
    free = write(model, prompt, [None] * 4)
    beside = write(model, prompt, [None, Without(lambda t: t % 2), None, EndsAfter(2)])
    assert [beside[n]["ids"] for n in (0, 2)] == [free[n]["ids"] for n in (0, 2)]


def test_answers_that_end_apart_each_go_on_from_their_own_words(model, prompt):
    """Where one ends, the last of the batch moves into its place. More answers than places, so that new ones begin
    where others go on. Texts can't be compared with those written alone: a batch of another size rounds otherwise, and
    a random model's choices are close. But a token chosen from another answer's words would be out by nats."""
    lengths = [3, 17, 1, 24, 8, 2, 30, 12, 5, 21, 9, 28, 4, 15, 6, 26, 11, 7, 19, 2]
    sampling = [replace(SAMPLING, max_tokens=length) for length in lengths]
    prompts = [[*prompt, *model.tokenize(f" it took {n} of them")] for n in range(len(lengths))]
    constraints = [Unconstrained() for _ in lengths]
    answers = model.write(prompts, sampling, list(range(len(lengths))), constraints=constraints)
    assert [len(a["ids"]) for a in answers] == lengths
    for own_prompt, answer in zip(prompts, answers, strict=True):
        expected = float(model.log_likelihoods(own_prompt, answer["ids"]).sum())
        assert answer["log_likelihood"] == pytest.approx(expected, abs=0.2)
    other = float(model.log_likelihoods(prompts[0], answers[11]["ids"]).sum())
    assert abs(other - answers[11]["log_likelihood"]) > 1  # what a mix-up would look like


def test_the_same_seeds_give_the_same_texts_and_others_do_not(model, prompt):
    one, same, other = (write(model, prompt, [None] * 3, seed=seed) for seed in (5, 5, 50))
    assert [a["ids"] for a in one] == [a["ids"] for a in same] != [a["ids"] for a in other]


NOTES = "rope 22 mm, fitted Tuesday 14 March with Denzil"
FORBIDDEN = [*"013456789", " seven", " thirty", " hundred", " April", " Monday", " “", ' "', " (", " ["]
TEMPTING = [*FORBIDDEN, "2", " two", " March", ".", "?"]
STATED = re.compile(r"\d+|\b(?:seven|thirty|hundred|april|monday)|[“”\"()\[\]]", re.I)
LOUDER = 2  # times the weights of a token: about half of those so raised are written far more often


@pytest.fixture(scope="module")
def tempting(tiny_root, model, tmp_path_factory):
    """The tiny model, in love with numbers, months and quotation marks."""
    path = tmp_path_factory.mktemp("tempting") / "tempting.gguf"
    shutil.copy(tiny_root / "tiny.gguf", path)
    reader = gguf.GGUFReader(path, "r+")
    embeddings = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    rows = sorted({model.tokenize(text)[-1] for text in TEMPTING})
    embeddings.data[rows] *= LOUDER
    embeddings.data.flush()
    with LlamaModel(path, None, 256, SEQUENCES) as loaded:
        yield loaded


def test_a_random_model_states_no_unlicensed_number_under_the_fence(tempting):
    prompt, sampling = tempting.tokenize("It took"), SamplingParams(24, 1.5, 1.0, 1.3)
    free = " ".join(a["text"] for a in write(tempting, prompt, [None] * 16, sampling))
    assert len(set(STATED.findall(free)) - {"22", "14"}) > 5  # it would
    fences = [Fence(Licences(NOTES), tempting.pieces(), "It took") for _ in range(16)]
    answers = write(tempting, prompt, fences, sampling)
    assert any(STATED.search(answer["text"]) for answer in answers)
    for answer in answers:
        cut = re.sub(r"\d+$", "", answer["text"])  # the length may end an answer inside a number
        assert set(STATED.findall(cut)) <= {"22", "14"}, answer["text"]


# --- the writer of candidates, on the same model ---


def request(**changes) -> Request:
    return replace(Request((NOTES,), "", NOTES, frozenset({"rope"}), 16, 1.0, 3), **changes)


def test_candidates_are_single_sentences_and_the_same_for_the_same_seed(tempting):
    writer = SentenceWriter(tempting, lambda lines: tempting.tokenize("\n".join(lines)), tempting.tokenize, NOTES)
    found = writer.write(request())
    assert found and writer.candidates == 16 and writer.written_tokens > 16
    assert [c.text for c in writer.write(request())] == [c.text for c in found]
    before, taken = writer.candidates, []
    writer.write_rounds([request(), request(seed=99)], taken.append, lambda: bool(taken))
    assert taken and {c.text for c in taken} <= {c.text for c in found} and writer.candidates == before + 16
    for candidate in found:
        assert "\n" not in candidate.text and candidate.text[-1] in '.!?…"”’)]' and candidate.mean_log_likelihood < 0
        assert set(STATED.findall(candidate.text)) <= {"22", "14"}
    begun = writer.write(request(prefix="Rope was"))
    assert begun and all(candidate.text.startswith("Rope was") for candidate in begun)


def test_what_stands_in_the_prompt_is_not_penalised(model, prompt):
    """The likeliest token is chosen though it stands among the prompt's last ones, and not a second time."""
    ids = list(prompt)
    for _ in range(60):
        likeliest = int(np.argmax(model.log_probabilities(ids, [0])[0]))
        if likeliest in ids:
            break
        ids = [likeliest, *ids]
    assert likeliest in ids
    greedy = SamplingParams(24, 0.0, 1.0, 1.9)
    (answer,) = model.write([ids], [greedy], [1])
    assert answer["ids"][0] == likeliest
    (free,) = model.write([ids], [replace(greedy, repeat_penalty=1.0)], [1])
    assert len(set(answer["ids"])) > len(set(free["ids"]))


def test_prompts_are_read_in_pieces_between_which_others_write(model, prompt):
    """As the engine does it: a long prompt holds up nobody for longer than a piece."""
    decoder = new_decoder(model)
    first = Generation(prompt, SAMPLING, 1)
    long = Generation(prompt * 20, replace(SAMPLING, max_tokens=1), 2)

    def work():
        decoder.add(first)
        decoder.step(pieces=1)
        decoder.add(long)
        steps = 0
        while not long.ids:
            decoder.step(pieces=1)
            steps += 1
        decoder.close()
        return steps

    steps = model.worker.submit(work).result()
    assert steps == -(-len(long.prompt) // PIECE_TOKENS) > 1 and len(first.ids) == 1 + steps


def test_a_cancelled_answer_gives_its_place_to_the_next(model, prompt):
    """Cancelled while it waits, while its prompt is read, and while it is written; the others go on."""
    decoder = new_decoder(model)
    answers = [Generation([*prompt, n], SAMPLING, n) for n in range(SEQUENCES + 2)]
    reading = Generation(prompt * 20, SAMPLING, 1)

    def work():
        decoder.add(reading)
        decoder.step(pieces=1)
        decoder.cancel(reading)
        for answer in answers:
            decoder.add(answer)
        decoder.step()
        decoder.cancel(answers[0])
        decoder.cancel(answers[SEQUENCES + 1])
        while decoder.is_busy():
            decoder.step()
        decoder.cancel(answers[1])  # has ended: nothing happens

    model.worker.submit(work).result()
    assert not reading.ids and len(answers[0].ids) == 1 and not answers[SEQUENCES + 1].ids
    assert all(answer.end for answer in answers[1 : SEQUENCES + 1]) and not decoder.samplers


def new_decoder(model) -> Decoder:
    model.worker.submit(model.renew_context).result()
    return Decoder(model)


def test_a_kept_cache_reads_only_what_is_new_and_the_same_calls_write_the_same(model, prompt, monkeypatch):
    """The second call of a pair goes on where the first one ended: of its prompt, only the last token is read again."""
    read = []
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda tokens: (read.append(len(tokens)), decode(tokens)))

    def write_twice():
        first = model.write([prompt], [SAMPLING], [1])
        read.clear()
        second = model.write([prompt], [SAMPLING], [2], fresh=False)
        return first[0]["ids"], second[0]["ids"], read[0]

    assert write_twice() == write_twice()
    assert write_twice()[2] == 1 < len(prompt)
    model.write([prompt], [SAMPLING], [1])
    model.log_likelihoods(prompt, prompt)  # which uses the cache for itself
    read.clear()
    model.write([prompt], [SAMPLING], [2], fresh=False)
    assert read[0] == len(prompt)


def test_the_author_repeats_runs_of_five_tokens_so_that_no_rule_forbids_them():
    """Why the loop has no such rule: it would change half of the author's own passages of 400 tokens."""
    tokenizer = registry.resolve_base("smollm2:135m").tokenizer()
    repeats = []
    for _, text in sample_corpus.posts(words=5000):
        ids = chat.encode(tokenizer, text)
        for start in range(0, len(ids) - 399, 400):
            passage = ids[start : start + 400]
            runs = list(zip(*(passage[i:] for i in range(5)), strict=False))
            repeats.append(len(set(runs)) < len(runs))
    assert len(repeats) > 80 and 0.4 < sum(repeats) / len(repeats) < 0.6
