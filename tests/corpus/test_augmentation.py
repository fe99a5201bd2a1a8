"""The other ways to ask for a passage: the author's words on the one side, all of their facts and none of their runs on
the other."""

import importlib
import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.models import chat
from blogtwin.text import keyphrases
from blogtwin.text.facts import extract_facts, preserved_facts
from blogtwin.text.sentences import split_sentences
from blogtwin.text.tokens import longest_match, ngram_index, tokenise_words
from corpus import augmentation, ingest, persona
from corpus.cleaning import clean_markdown
from corpus.examples import PROMPT_RESERVE_TOKENS, build_examples, join_parts, post_examples
from tests.support.workspace import ROOT, environment
from train.budget import select_within_token_budget

ALL = dict.fromkeys(augmentation.TASK_TYPES, 1.0)
POST = {"id": "p1", "title": "The kettle", "date": "2020-01-02", "tags": []}
PASSAGE = (
    "Denzil has bought a rowing boat. It is 11 feet long and cost £85, and it has not sunk.\n\nPask sold it to him on"
    " Friday at 25 past 9. He said that it was a very good boat. It really was nearly new."
)


def count(text):
    """Tokens, for tests: words and marks."""
    return len(re.findall(r"\w+|[^\w\s]", text))


@pytest.fixture(scope="module")
def sample():
    """[(post, its parts)] of data/sample."""
    params = load_params(ROOT / "params.yaml")
    posts, _ = ingest.ingest_folder(ROOT / "data/sample", params.ingest.min_words, 1e7)
    return [
        (post, [row["output"] for row in build_examples(post, clean_markdown(post["text"]), count, 1024, 120, 7)])
        for post in posts
    ]


@pytest.fixture(scope="module")
def made(sample):
    """[(Wanted, what asks for it by rule)] of three of each kind a post."""
    weights = keyphrases.InverseDocumentFrequency(["\n\n".join(parts) for _, parts in sample])
    asked = [
        one
        for post, parts in sample
        for one in augmentation.sample_requests(
            post, parts, count, 1024, dict.fromkeys(augmentation.TASK_TYPES, 3.0), 15, 7
        )
    ]
    return [(one, augmentation.heuristic_prompt(one, weights, count, 7)) for one in asked]


def asked_for(passage, kind, post=POST):
    return augmentation.AugmentationRequest("p1-1-x-1", post, 1, 1, kind, passage, 500)


def of_kind(made, kind):
    found = [(one, text) for one, text in made if one.kind == kind and text]
    assert len(found) > 60, kind
    return found


@pytest.mark.slow
def test_every_output_is_a_stretch_of_the_post(sample, made):
    """Whole paragraphs, and of notes whole sentences, as they are: a model's words never stand there, whatever asks for
    them."""
    whole = {post["id"]: parts for post, parts in sample}
    for one, text in made:
        example = augmentation.to_example(one, text, count, 7)
        part = whole[one.post["id"]][one.part - 1]
        assert example["output"] == one.passage
        assert one.passage in part or (one.kind == "notes" and one.passage in " ".join(part.split()))


def test_notes_are_written_for_one_to_four_sentences_of_a_paragraph(made):
    """As drafts ask for them; a passage gives several such examples, which hold each of its sentences once."""
    units = [one.passage for one, _ in of_kind(made, "notes")]
    lengths = [len(split_sentences(unit)) for unit in units]
    assert set(lengths) <= {1, 2, 3, 4} and {1, 2, 3} <= set(lengths) and not any("\n" in unit for unit in units)
    assert augmentation.split_into_units(
        "One is here today, Denzil. Two is too.\n\n- a list\n\nThree comes in the end."
    ) == [
        "One is here today, Denzil. Two is too.",
        "Three comes in the end.",
    ]


@pytest.mark.parametrize("kind", ["notes", "rewrite"])
def test_notes_and_flat_drafts_keep_the_numbers_and_names(made, kind):
    """A twin that is taught to write more facts than its notes have is taught to invent them."""
    wanted = stands = 0
    for one, text in of_kind(made, kind):
        stated = {f for f in extract_facts(one.passage) if f.kind in ("number", "name")}
        wanted, stands = wanted + len(stated), stands + len(stated & preserved_facts(one.passage, text))
    assert wanted > 500 and stands >= 0.99 * wanted


@pytest.mark.parametrize("kind", [kind for kind in augmentation.TASK_TYPES if kind != "notes"])
def test_no_six_words_stand_in_a_row_as_in_the_passage(made, kind):
    """But for runs of facts, and for headings, which are what an outline is."""
    for one, text in of_kind(made, kind):
        own, asking = tokenise_words(one.passage), tokenise_words(text)
        runs = {tuple(own[i : i + 6]) for i in range(len(own) - 5)}
        for i in range(len(asking) - 5):
            assert (
                tuple(asking[i : i + 6]) not in runs
                or "#" in one.passage
                or sum(w.isdigit() for w in asking[i : i + 6]) > 1
            ), (one.id, asking[i : i + 6])


def test_most_notes_hold_no_six_words_in_a_row_of_their_passage(made):
    """Whoever jots down a short sentence keeps its order; a twin that saw whole sentences would read them out."""
    longest = []
    for one, text in of_kind(made, "notes"):
        own, lines = tokenise_words(one.passage), [tokenise_words(line) for line in text.split("\n")]
        index = ngram_index([own])
        longest.append(max(longest_match(line, index, [own])[0] for line in lines))
    assert sum(run >= 6 for run in longest) < 0.4 * len(longest) and sum(run >= 10 for run in longest) < 0.05 * len(
        longest
    )


def test_notes_say_what_is_denied_and_in_which_unit():
    weights = keyphrases.InverseDocumentFrequency([])
    found = keyphrases.tokenise(PASSAGE, weights)
    text = augmentation.make_notes(asked_for(PASSAGE, "notes"), found, random.Random(1), 2)
    assert "11 feet" in text and "not sunk" in text and "25 past 9" in text and "£85" in text
    assert {"Denzil", "Pask", "Friday"} <= set(re.findall(r"\w+", text))


def test_a_flat_draft_has_no_hedges():
    flat = augmentation.heuristic_prompt(
        asked_for(PASSAGE, "rewrite"), keyphrases.InverseDocumentFrequency([]), count, 7
    )
    assert not {"very", "really", "nearly"} & set(flat.split()) and flat.count(".") == 5 and "Denzil has bought" in flat


def test_an_outline_is_the_headings_where_there_are_some():
    text = "## The hull\n\nOne thing here. Two there.\n\n## The engine\n\nThree here. Four there."
    assert (
        augmentation.heuristic_prompt(asked_for(text, "outline"), keyphrases.InverseDocumentFrequency([]), count, 7)
        == "1. The hull\n2. The engine"
    )
    assert (
        augmentation.heuristic_prompt(
            asked_for("Only one paragraph, which has no outline.", "outline"),
            keyphrases.InverseDocumentFrequency([]),
            count,
            7,
        )
        == ""
    )


def test_a_heading_that_asks_is_the_question():
    text = "## Why does it leak?\n\nThe valve had worn, and nobody had looked."
    assert (
        augmentation.heuristic_prompt(asked_for(text, "answer"), keyphrases.InverseDocumentFrequency([]), count, 7)
        == "Why does it leak?"
    )


def test_the_shares_are_means_and_per_post_is_a_limit(sample):
    def counts(per_post, **shares):
        found = [
            augmentation.sample_requests(
                post, parts, count, 1024, {**dict.fromkeys(augmentation.TASK_TYPES, 0.0), **shares}, per_post, 7
            )
            for post, parts in sample
        ]
        return [len(some) for some in found]

    assert set(counts(4)) == {0} and set(counts(0, brief=1.0)) == {0}
    assert set(counts(4, brief=1.0)) == {1} and max(counts(2, outline=1.0, brief=1.0, answer=1.0)) == 2
    half = sum(counts(4, brief=0.5))
    assert 0.3 * len(sample) < half < 0.7 * len(sample)


def test_auto_asks_much_of_few_posts_and_nothing_of_many():
    """Of a blog of ten, forty, a hundred and a thousand posts of 550 words; a number of one's own stays."""
    auto = dict.fromkeys(augmentation.TASK_TYPES, "auto")
    rates = {n: augmentation.augmentation_rates(auto, n * 550, n, 4) for n in (1, 10, 40, 100, 1000)}
    notes = {n: rate.pop("notes") for n, rate in rates.items()}
    of = {n: sum(rate.values()) for n, rate in rates.items()}
    assert of[1] == of[10] == pytest.approx(0.6 * 4) and of[100] == of[1000] == 0
    assert of[40] == pytest.approx(0.6 * 8000 / 150 / 40, abs=0.03)
    assert notes == {1: 1.5, 10: 1.5, 40: 1.5, 100: 1.5, 1000: 0.4}  # 400 passages at most
    assert augmentation.augmentation_rates({**auto, "notes": 0.25, "brief": 0}, 100_000, 100, 4) == {
        **dict.fromkeys(augmentation.TASK_TYPES, 0),
        "notes": 0.25,
    }
    assert augmentation.augmentation_rates({**auto, "notes": 0.25}, 5500, 10, 4)["notes"] == 0.25


def test_no_passage_is_asked_for_twice_in_one_way(made):
    seen = [(one.post["id"], one.kind, one.passage) for one, _ in made]
    assert len(seen) == len(set(seen)) and len({one.id for one, _ in made}) == len(made)


def test_code_and_quotations_are_not_asked_for():
    """They can't be told from notes; a passage that is half code would teach that they can."""
    prose_only = " ".join(f"It was the kettle that stopped at {n}." for n in range(20))
    assert augmentation.is_mostly_prose(prose_only)
    assert not augmentation.is_mostly_prose(
        prose_only + "\n\n```\n" + "x = 1\n" * 60 + "```"
    ) and not augmentation.is_mostly_prose("> " + prose_only.replace(". ", ".\n> "))
    assert not augmentation.is_mostly_prose("Too short.")


@pytest.mark.parametrize("max_length", [256, 400, 1024])
def test_a_row_fits_and_what_does_not_fit_is_left_out(sample, max_length):
    """What asks and what answers stay within a row, for short rows and for a title of the worst kind too."""
    weights, shares = keyphrases.InverseDocumentFrequency([]), dict.fromkeys(augmentation.TASK_TYPES, 2.0)
    found = 0
    for post, parts in [*sample[::4], ({**POST, "title": "漢" * 500}, [PASSAGE * 4])]:
        for one in augmentation.sample_requests(post, parts, count, max_length, shares, 10, 7):
            text = augmentation.heuristic_prompt(one, weights, count, 7)
            assert count(text) + count(one.passage) <= max_length - PROMPT_RESERVE_TOKENS
            if text:
                found += 1
                example = augmentation.to_example(one, text, count, 7)
                assert (
                    count(example["instruction"]) + count(example["input"]) + count(example["output"])
                    <= max_length - 60
                )
    assert found > 20


@pytest.mark.slow
def test_no_row_is_longer_than_max_length_for_the_real_tokenizer(sample, real_lengths):
    """For scripts the tokenizer doesn't know too."""
    real, of_row = real_lengths
    weights, found = keyphrases.InverseDocumentFrequency([]), 0
    odd = [
        ({**POST, "title": t * 100}, ["\n\n".join(f"{t * 9} 19 {t * 5}, {t} {t}. " * 8 for _ in range(9))])
        for t in ("漢", "🫖", "x1 ", "Щ ")
    ]
    for max_length in (256, 1024):
        for post, parts in [*sample[::9], *odd]:
            for one in augmentation.sample_requests(
                post, parts, real, max_length, dict.fromkeys(augmentation.TASK_TYPES, 2.0), 10, 7
            ):
                if text := augmentation.heuristic_prompt(one, weights, real, 7):
                    assert of_row(augmentation.to_example(one, text, real, 7)) <= max_length, (
                        post["title"][:20],
                        one.kind,
                    )
                    found += 1
    assert found > 40


def test_braces_in_a_title_or_in_the_notes_are_words():
    post = {**POST, "title": "{made} and {terms}"}
    rows = [
        augmentation.to_example(
            augmentation.AugmentationRequest(f"p1-1-outline-{n}", post, 1, 1, "outline", PASSAGE, 500),
            "1. {title}\n2. x",
            count,
            7,
        )
        for n in range(12)
    ]
    assert all(row["input"] == "1. {title}\n2. x" and "{title}" not in row["instruction"] for row in rows)
    assert any("“{made} and {terms}”" in row["instruction"] for row in rows)


# --- who reads the examples -------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path):
    """A project folder with ten posts, all tasks on, and a persona; 02 and 03 have run. Returns (folder, examples,
    splits)."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["prepare"] |= {
        "augmentation": {**ALL, "persona": 2},
        "max_augmentations_per_post": 5,
        "persona": "persona.yaml",
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "persona.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "Wenna",
                "bio": "I mend things.",
                "system": "You are Wenna.",
                "facts": ["I was a ferry engineer for 29 years."],
                "opinions": [{"about": "screws", "say": "Plain ones."}],
            }
        )
    )
    posts = [
        {
            "id": f"p{i}",
            "title": f"Post {i}",
            "source": f"{i}.md",
            "url": "",
            "date": f"20{10 + i}-01-01",
            "tags": [],
            "text": "\n\n".join(
                f"Boat {i}{n} came to Port {chr(65 + i)}lanner, and nobody had {n} words for what we saw there. Then it"
                f" left us at {n} past {i}."
                for n in range(1, 40)
            ),
        }
        for i in range(10)
    ]
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/posts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in posts))
    from corpus.prepare import build_examples

    rows = prepare_in(tmp_path, build_examples, posts)
    (tmp_path / "data/prepared").mkdir()
    (tmp_path / "data/prepared/examples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/03_split.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return (
        tmp_path,
        rows,
        {
            s: [json.loads(x) for x in (tmp_path / f"data/split/{s}.jsonl").read_text().splitlines()]
            for s in ("train", "valid", "test")
        },
    )


def prepare_in(folder, prepare, posts):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return prepare(posts, load_params(), count)


def test_a_passage_that_is_asked_for_again_doubles_no_post(mixed):
    _, rows, splits = mixed
    assert {"write", "continue", "persona", *augmentation.TASK_TYPES} == {r["task"] for r in rows}
    alone = [r for r in rows if r["task"] in ("write", "continue")]
    assert join_parts(rows) == join_parts(alone) and post_examples(rows) == alone
    assert all("persona" not in join_parts(some) for some in splits.values())


def test_what_asks_for_a_test_post_is_in_the_test_split_and_who_the_author_is_in_training(mixed):
    _, rows, splits = mixed
    where = {name: {r["post_id"] for r in some if r["task"] != "persona"} for name, some in splits.items()}
    assert (
        not where["test"] & where["train"]
        and not where["valid"] & where["train"]
        and sum(map(len, where.values())) == 10
    )
    assert any(r["task"] in augmentation.TASK_TYPES for r in splits["test"])
    assert {name: sum(r["task"] == "persona" for r in some) for name, some in splits.items()} == {
        "train": sum(r["task"] == "persona" for r in rows),
        "valid": 0,
        "test": 0,
    }
    assert sum(map(len, splits.values())) == len(rows)


def test_budget_takes_the_persona_first_then_openings_with_their_passages_then_later_parts(mixed):
    rows = mixed[2]["train"]
    lengths = {r["id"]: 10 for r in rows}
    first = [r for r in rows if r["task"] == "persona"]
    later = [r for r in rows if r["task"] == "continue"]
    kept = select_within_token_budget(rows, lengths, 1, 10 * len(first))
    assert [r for r in kept if r["task"] != "notes"] == first
    of_posts = [r for r in rows if r["task"] != "notes"]
    kept = select_within_token_budget(rows, lengths, 1, 10 * (len(of_posts) - len(later)))
    assert [r for r in kept if r["task"] != "notes"] == [r for r in of_posts if r["task"] != "continue"]
    assert select_within_token_budget(rows, lengths, 1, 10 * len(rows)) == rows


def test_a_persona_brings_its_own_system_message(mixed):
    example = next(r for r in mixed[1] if r["task"] == "persona")
    assert chat.prompt_messages(example, "You write.")[0]["content"] == "You are Wenna."
    assert chat.prompt_messages({**example, "system": ""}, "You write.")[0]["content"] == "You write."


def test_other_tools_get_each_text_once_and_the_persona_in_training(mixed, monkeypatch):
    """As bare text no passage stands there again; with instructions it may; a persona is never what is validated on."""
    from corpus import dataset_export

    folder, rows, _ = mixed
    monkeypatch.chdir(folder)
    examples = read_jsonl("data/split/train.jsonl") + read_jsonl("data/split/valid.jsonl")
    texts = [
        dataset_export.format_row(e, "text", "S")["text"]
        for some in dataset_export.split_examples(examples, "text", 0.3, 7).values()
        for e in some
    ]
    assert len(texts) == len(set(texts)) and "Plain ones." not in texts
    tables = {
        name: [dataset_export.format_row(e, "alpaca", "S") for e in some]
        for name, some in dataset_export.split_examples(examples, "alpaca", 0.3, 7).items()
    }
    told = [row["system"] for row in tables["train"] if row["output"] == "Plain ones."]
    assert (
        told == ["You are Wenna."] * 2
        and all(row["output"] != "Plain ones." for row in tables["validation"])
        and {r["system"] for r in tables["validation"]} == {"S"}
    )
    for seed in range(12):
        assert "persona" not in {
            r["post_id"] for r in dataset_export.split_examples(rows, "chatml", 0.5, seed)["validation"]
        }


def test_who_the_author_is_stays_out_of_git(run_in):
    """The file a person fills in, where the form says to put it, is ignored; the empty form is not."""
    assert run_in(ROOT, "git check-ignore data/persona.yaml").stdout
    assert run_in(ROOT, "git check-ignore corpus/persona.yaml", ok=False).returncode == 1


@pytest.mark.slow
def test_preview_shows_each_kind_and_writes_nothing(mixed):
    folder, rows, _ = mixed
    from corpus import prepare as stage

    some = stage.sample_by_task(rows, 8)
    assert [r["task"] for r in some] == list(dict.fromkeys(r["task"] for r in rows)) and len(
        stage.sample_by_task(rows, 3)
    ) == 3
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/02_prepare.py", "--preview", "8"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert all(f"of 8: {r['task']} ──" in done.stdout for r in some) and "nothing was written" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before
    assert max(map(len, done.stdout.splitlines())) < 130


@pytest.mark.slow
def test_rows_longer_than_the_base_model_reads_are_refused(mixed, monkeypatch):
    """Before anything is written: llama.cpp and transformers would go on past what it was made for, and the twin would
    babble."""
    monkeypatch.chdir(mixed[0])
    stage = importlib.import_module("02_prepare")
    params = stage.load_params()
    monkeypatch.setattr(
        stage,
        "load_params",
        lambda: params.model_copy(update={"train": params.train.model_copy(update={"max_length": 9000})}),
    )
    monkeypatch.setattr(sys, "argv", ["02_prepare.py"])
    before = Path("data/prepared/examples.jsonl").read_bytes()
    with pytest.raises(
        UserError,
        match=(
            "train.max_length is 9000, and smollm2:135m reads no more than 8192 tokens: set train.max_length to 8192 or"
            " less"
        ),
    ):
        stage.main()
    assert Path("data/prepared/examples.jsonl").read_bytes() == before


# --- who the author is ------------------------------------------------------------------------------------------------


def told(data, tmp_path):
    path = tmp_path / "persona.yaml"
    path.write_text(yaml.safe_dump(data))
    return persona.load_persona(str(path))


def test_a_persona_says_its_own_words_and_nothing_else(tmp_path):
    """Each entry is asked for in so many ways, and answered with what stands in the file; what is empty is left out."""
    one = told(
        {
            "name": "Wenna",
            "facts": ["I was a ferry engineer.", {"ask": "Where do you live?", "say": "By the harbour."}],
            "opinions": [{"about": "plain screws", "say": "Yes."}],
        },
        tmp_path,
    )
    rows = persona.build_dialogues(one, 2, lambda text: ["ferry engineer"], 7)
    assert {r["output"] for r in rows} == {"Wenna", "I was a ferry engineer.", "By the harbour.", "Yes."}
    assert [r["instruction"] for r in rows if r["output"] == "By the harbour."] == ["Where do you live?"]
    assert all("plain screws" in r["instruction"] for r in rows if r["output"] == "Yes.") and len(rows) == 7
    assert len({r["id"] for r in rows}) == len(rows) and len({(r["instruction"], r["output"]) for r in rows}) == len(
        rows
    )
    assert persona.build_dialogues(one, 0, lambda text: [], 7) == []


def test_the_form_that_comes_along_is_valid_and_teaches_nothing():
    assert persona.build_dialogues(persona.load_persona(str(ROOT / "corpus/persona.yaml")), 3, lambda text: [], 7) == []


@pytest.mark.parametrize(
    "text, said",
    [
        ("nmae: x", "nmae"),
        ("facts: [{ask: hm}]", "facts.1"),
        ("facts: 5", "facts"),
        ("opinions: [{about: x}]", "opinions.1.say"),
        ("- a\n- b", "the file"),
        ("name: [", "not YAML"),
    ],
)
def test_a_persona_that_is_none_is_one_sentence(tmp_path, text, said):
    path = tmp_path / "persona.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(said)) as error:
        persona.load_persona(str(path))
    assert "\n" not in str(error.value)


def test_a_persona_that_is_not_there_and_an_answer_that_fits_no_row_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        persona.load_persona(str(tmp_path / "none.yaml"))
    rows = persona.build_dialogues(persona.Persona(bio="word " * 2000), 1, lambda text: [], 7)
    with pytest.raises(UserError, match="split it into several facts"):
        persona.check_length(rows, "x.yaml", count, 1024)


def test_weights_are_rarity_and_nothing_for_plain_words():
    weights = keyphrases.InverseDocumentFrequency(["the boat and the kettle"] * 9 + ["the boat sank"])
    assert weights("the") == weights("boat") == 0 and weights("kettle") == 0 and weights("sank") == 1 + math.log(11 / 2)
