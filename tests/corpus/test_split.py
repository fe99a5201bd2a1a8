"""The split: whole posts, copies and series together, the newest posts tested on, and no way for a test text to be in
training."""

import itertools
import json
import random
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from blogtwin.config import load_params
from blogtwin.text.tokens import SHINGLE_WORDS, longest_match, ngram_index, tokenise_words
from corpus import ingest, split
from corpus.cleaning import clean_markdown
from corpus.dedup import group_related, shared_shingles
from corpus.examples import build_examples
from tests.support.workspace import ROOT, environment

DATE = SimpleNamespace(strategy="date", train_fraction=0.72, valid_fraction=0.08, test_fraction=0.2, seed=7)
RANDOM = SimpleNamespace(**{**vars(DATE), "strategy": "random"})


def text(seed, n=200):
    """n words no other seed has."""
    return " ".join(f"w{seed}x{i}" for i in range(n))


def shingles(text) -> set[tuple]:
    """By the book; the project counts hashes of them."""
    tokens = tokenise_words(text)
    return {tuple(tokens[i : i + SHINGLE_WORDS]) for i in range(len(tokens) - SHINGLE_WORDS + 1)}


def posts(n, **more):
    """n posts that have nothing in common, a month apart, oldest first."""
    return [
        {
            "id": f"p{i:03}",
            "title": f"Post about {i} things",
            "date": f"{2000 + i // 12}-{1 + i % 12:02}-01",
            "text": text(i),
            **more,
        }
        for i in range(n)
    ]


def alone(found):
    return [[i] for i in range(len(found))]


def together(found, jaccard=0.3, containment=0.2):
    """The groups of more than one post."""
    return [g for g in group_related(found, jaccard, containment) if len(g) > 1]


# --- sizes and order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, expected",
    [(5, (2, 1)), (8, (2, 1)), (20, (4, 2)), (49, (10, 4)), (50, (10, 4)), (60, (12, 5)), (200, (40, 16))],
)
def test_sizes_follow_the_shares(n, expected):
    assert split.split_sizes(n, DATE) == expected


def test_fifty_posts_give_ten_test_posts_whatever_the_shares():
    small = SimpleNamespace(test_fraction=0.05, valid_fraction=0.05)
    assert split.split_sizes(50, small)[0] == 10 and split.split_sizes(49, small)[0] < 10


@pytest.mark.parametrize("n", [5, 6, 9, 30, 50, 120])
@pytest.mark.parametrize("params", [DATE, RANDOM], ids=["date", "random"])
def test_every_post_is_in_exactly_one_split(n, params):
    found = split.assign_groups(posts(n), alone(posts(n)), params)
    assert sorted(found["train"] + found["valid"] + found["test"]) == list(range(n))
    assert (len(found["test"]), len(found["valid"])) == split.split_sizes(n, params) and found["train"]


def test_by_date_the_newest_posts_are_the_test_and_the_next_the_validation():
    shuffled = random.Random(1).sample(posts(50), 50)
    found = split.assign_groups(shuffled, alone(shuffled), DATE)
    dates = {name: [shuffled[i]["date"] for i in members] for name, members in found.items()}
    assert min(dates["test"]) > max(dates["valid"]) and min(dates["valid"]) > max(dates["train"])


def test_undated_posts_count_as_old():
    some = [{**p, "date": None} if i % 2 else p for i, p in enumerate(posts(30))]
    found = split.assign_groups(some, alone(some), DATE)
    assert all(some[i]["date"] for i in found["test"] + found["valid"])


def test_a_blog_without_any_date_can_be_split():
    none = posts(20, date=None)
    assert [len(m) for m in split.assign_groups(none, alone(none), DATE).values()] == [14, 2, 4]


def test_random_is_the_seed_s_and_mixes_years():
    some = posts(50)
    once, again = (split.assign_groups(some, alone(some), RANDOM) for _ in range(2))
    other = split.assign_groups(some, alone(some), SimpleNamespace(**{**vars(RANDOM), "seed": 8}))
    assert once == again and once != other
    assert set(once["test"]) != set(range(40, 50))


def test_random_does_not_hang_on_the_order_of_the_files():
    some, turned = posts(30), posts(30)[::-1]
    names = [{f[i]["id"] for i in split.assign_groups(f, alone(f), RANDOM)["test"]} for f in (some, turned)]
    assert names[0] == names[1]


@pytest.mark.parametrize("sizes", [[3] * 4, [1, 5, 5], [1, 1, 4, 4], [8, 1, 1, 1], [2, 2, 2], [30] + [1] * 20], ids=str)
def test_groups_stay_whole_and_no_split_is_empty(sizes):
    """Also a blog of series only is split, into whole series, with at least two posts to test on."""
    numbers = iter(range(sum(sizes)))
    gathered = [[next(numbers) for _ in range(size)] for size in sizes]
    found = split.assign_groups(posts(sum(sizes)), gathered, DATE)
    assert len(found["test"]) >= 2 and found["valid"] and found["train"]
    for group in gathered:
        assert sum(bool(set(group) & set(members)) for members in found.values()) == 1


# --- posts that are added later ---------------------------------------------------------------------------------------


def test_posts_that_are_added_move_no_other():
    """Newer ones fill the splits up to their shares; without memory, ten newer posts would push all others out of the
    test."""
    some = posts(60)
    first = split.assign_groups(some[:50], alone(some[:50]), DATE)
    known = {some[i]["id"]: name for name, members in first.items() for i in members}
    later = split.assign_groups(some, alone(some), DATE, known)
    assert all(set(first[name]) < set(later[name]) or first[name] == later[name] for name in first)
    assert (len(later["test"]), len(later["valid"])) == split.split_sizes(60, DATE) and set(range(50, 60)) & set(
        later["test"]
    ) == {58, 59}
    assert set(split.assign_groups(some, alone(some), DATE)["test"]) == set(range(48, 60))


@pytest.mark.parametrize(
    "one, other, place",
    [("train", "test", "train"), ("valid", "test", "valid"), ("test", None, "test"), ("train", None, "train")],
)
def test_a_new_post_that_binds_two_groups_takes_no_learnt_post_into_the_test(one, other, place):
    some = posts(20)
    first = split.assign_groups(some[:19], alone(some[:19]), DATE)
    known = {some[i]["id"]: name for name, members in first.items() for i in members}
    bound = [first[one][0], *([first[other][0]] if other else []), 19]
    found = split.assign_groups(some, [g for g in alone(some) if g[0] not in bound] + [bound], DATE, known)
    assert set(bound) <= set(found[place])


def places(folder) -> dict[str, set]:
    return {
        name: {json.loads(x)["post_id"] for x in (folder / f"data/split/{name}.jsonl").read_text().splitlines()}
        for name in ("train", "valid", "test")
    }


@pytest.mark.slow
def test_the_script_remembers_and_forgets(tmp_path):
    """Where posts were, also of a post that was edited (it has a new id then); another seed or `--reset` splits
    afresh."""
    run_split(tmp_path, 50)
    before = places(tmp_path)
    done = run_split(tmp_path, 53)
    after = places(tmp_path)
    assert (
        all(before[name] <= after[name] for name in before) and "50 posts stay in their split, 3 are new" in done.stdout
    )
    tested = sorted(before["test"])[0]
    for name in ("data/raw/posts.jsonl", "data/prepared/examples.jsonl"):
        (tmp_path / name).write_text(
            (tmp_path / name)
            .read_text()
            .replace(f'"id": "{tested}"', '"id": "edited"')
            .replace(f'"post_id": "{tested}"', '"post_id": "edited"')
        )
    again = [sys.executable, ROOT / "scripts/03_split.py"]
    subprocess.run(again, cwd=tmp_path, env=environment(tmp_path), check=True, timeout=60)
    assert places(tmp_path)["test"] == after["test"] - {tested} | {"edited"}
    subprocess.run([*again, "--reset"], cwd=tmp_path, env=environment(tmp_path), check=True, timeout=60)
    assert "p052" in places(tmp_path)["test"] and places(tmp_path)["test"] != after["test"]
    run_split(tmp_path, 53)
    grown = places(tmp_path)
    run_split(tmp_path, 50, other=("seed: 7\n  # Near-dup", "seed: 8\n  # Near-dup"))
    assert places(tmp_path) == before  # by date again: the newest of these fifty
    run_split(tmp_path, 40)  # some are not there for once
    run_split(tmp_path, 53)
    assert places(tmp_path) == grown


@pytest.mark.slow
def test_assignments_under_the_former_name_are_read(tmp_path):
    """places.json of an earlier version: nobody's test posts move when the project is updated. The new file, once it is
    there, counts alone."""
    run_split(tmp_path, 50)
    file, former = (tmp_path / "data/split" / name for name in ("assignments.json", "places.json"))
    before = places(tmp_path)
    file.rename(former)
    assert "50 posts stay in their split, 3 are new" in run_split(tmp_path, 53).stdout
    after = places(tmp_path)
    assert all(before[name] <= after[name] for name in before) and file.is_file()
    former.write_text("{}")
    assert run_split(tmp_path, 53).returncode == 0 and places(tmp_path) == after


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoiled",
    ["", "[]", '{"x": 1}', '{"x": {"posts": {"p001": "elsewhere"}, "where": {}}}', '{"x": {"posts": [], "where": {}}}'],
)
def test_a_memory_that_is_broken_is_none(tmp_path, spoiled):
    run_split(tmp_path, 20)
    expected = places(tmp_path)
    (tmp_path / "data/split/assignments.json").write_text(spoiled)
    assert run_split(tmp_path, 20).returncode == 0 and places(tmp_path) == expected


def test_what_was_remembered_under_the_first_names_of_the_parameters_is_found():
    """The key as the first version wrote it, byte for byte: a renamed parameter must not move a post."""
    key = (
        '{"ingest.source": "data/blog", "by": "date", "train": 0.72, "valid": 0.08, "test": 0.2, "seed": 7, "jaccard":'
        ' 0.3, "containment": 0.2}'
    )
    params = load_params(ROOT / "params.yaml").split
    assert split.assignments_key("data/blog", params) == key
    assert len(json.loads(key)) == 1 + len(type(params).model_fields), "a new parameter of the split decides, too"
    raw = {f"p{n}": {"title": f"{n}", "source": f"{n}.md", "url": ""} for n in range(10)}
    rows = [
        {
            "id": f"p{n}-1",
            "post_id": f"p{n}",
            "part": 1,
            "task": "write",
            "date": f"2020-01-{n + 1:02}",
            "output": text(n),
        }
        for n in range(10)
    ]
    first = split.split_corpus(rows, raw, "data/blog", params, {})
    was = {
        key: {
            "posts": first.assignments[key]["posts"] | {"p0": "test", "p9": "train"},
            "where": first.assignments[key]["where"],
        }
    }  # as no fresh split would have it
    again = split.split_corpus(rows, raw, "data/blog", params, was)
    assert again.assignments == was and (again.num_unmoved, again.num_moved, again.num_new) == (10, 0, 0)
    assert {"p0"} < {p["id"] for p in again.posts["test"]} and "p9" in {p["id"] for p in again.posts["train"]}


def test_the_number_of_a_post_in_a_feed_is_no_place_of_its_own():
    """A feed is newest first: what comes on top takes the numbers of others. An address, or a file, stays."""
    kept = {
        "posts": {"old": "test", "file": "valid", "page": "train"},
        "where": {"a.md": "file", "https://x/1": "page"},
    }

    def post(i, source, url=""):
        return {"id": i, "source": source, "url": url}

    assert (
        split.post_location(post("new", "feed.xml#item 1")) == ""
        and split.post_location(post("new", "feed.xml#item 1", "https://x/1")) == "https://x/1"
    )
    assert split.previous_assignments(
        [post("changed", "a.md"), post("edited", "f.xml#item 9", "https://x/1"), post("other", "f.xml#item 1")], kept
    ) == {"changed": "valid", "edited": "train"}
    assert split.previous_assignments([post("file", "b.md"), post("new", "a.md")], kept) == {
        "file": "valid"
    }  # renamed, and another text in its place


# --- what stays together ----------------------------------------------------------------------------------------------


def test_posts_with_nothing_in_common_stay_alone():
    assert together(posts(20)) == []


def test_an_edited_repost_stays_with_its_original():
    some = posts(20)
    edited = [w if i % 12 else "changed" for i, w in enumerate(some[3]["text"].split())]
    some.append({"title": "Another title", "text": " ".join(edited)})
    assert together(some) == [[3, 20]]


def test_an_excerpt_stays_with_the_whole():
    some = [*posts(20), {"title": "An excerpt", "text": f"{text('new', 100)} {text(4, 60)}"}]
    assert together(some) == [[4, 20]]


def test_case_and_punctuation_hide_no_copy():
    some = [*posts(20), {"title": "X", "text": ", ".join(text(5).upper().split())}]
    assert together(some) == [[5, 20]]


def test_copies_of_copies_are_one_group():
    some = [*posts(10), {"title": "X", "text": f"{text(1, 100)} {text(2, 100)}"}]
    assert together(some) == [[1, 2, 10]]


@pytest.mark.parametrize("n", [1, 4, 30])
def test_what_texts_have_in_common_is_what_sets_of_words_say(n):
    """Random texts of few words, so that they share much: every count, with the footers taken out as the rule says."""
    chance = random.Random(n)
    texts = [
        " ".join(chance.choice("abc") for _ in range(chance.randrange(120))) + chance.choice(["", " w x y z v u t"] * 2)
        for _ in range(n)
    ]
    sets = [shingles(t) for t in texts]
    footers = {s for one in sets for s in one if sum(s in other for other in sets) >= max(5, 0.05 * n)}
    sets = [one - footers if len(one - footers) > len(one) / 2 else one for one in sets]
    sizes, one, other, shared = shared_shingles(texts)
    assert sizes.tolist() == [len(s) for s in sets]
    found = {(a, b): k for a, b, k in zip(one.tolist(), other.tolist(), shared.tolist(), strict=True)}
    assert found == {(a, b): len(sets[a] & sets[b]) for a in range(n) for b in range(a + 1, n) if sets[a] & sets[b]}


@pytest.mark.parametrize("copies", [2, 5, 12])
def test_a_text_posted_many_times_is_no_boilerplate(copies):
    """A text that comes again every year is in many posts, like a footer, but it is all there is of them."""
    some = posts(20)
    some += [{"title": f"Again {n}", "text": text("same") + " " + text(f"new{n}", 20)} for n in range(copies)]
    assert together(some) == [list(range(20, 20 + copies))]


def test_a_footer_binds_no_posts():
    assert together([{**p, "text": p["text"] + " " + text("footer", 60)} for p in posts(20)]) == []


@pytest.mark.parametrize(
    "one, two",
    [
        ("The pump, part 1", "The pump, part 2"),
        ("The pump (part one)", "The pump (Part Two)"),
        ("The pump: Part 1 – wind", "The pump: Part 2 – water"),
        ("The pump part 1/2", "The pump part 2/2"),
        ("The pump (1/2)", "The pump (2/2)"),
        ("The pump, 1 of 3", "The pump, 3 of 3"),
        ("The pump, part 1 of 3", "The pump, part 2 of three"),
        ("The pump, part I", "The pump, part IV"),
        ("The pump II", "The pump III"),
        ("The Pump #1", "the pump #2"),
        ("The pump, chapter ii", "The pump — chapter iii"),
    ],
)
def test_parts_of_a_series_stay_together(one, two):
    some = posts(20)
    some[2]["title"], some[9]["title"] = one, two
    assert together(some) == [[2, 9]]


@pytest.mark.parametrize(
    "one, two",
    [
        ("Part 1", "Part 2"),
        ("The pump in 1901", "The pump in 1902"),
        ("The pump, part 1", "The shed, part 1"),
        ("A mix", "A fix"),
        ("3 of us", "2 of us"),
    ],
)
def test_titles_that_are_no_series_bind_nothing(one, two):
    some = posts(20)
    some[2]["title"], some[9]["title"] = one, two
    assert together(some) == []


# --- the script -------------------------------------------------------------------------------------------------------


def run_split(folder, n, **knobs):
    """03_split.py on n posts of three examples each."""
    params = (ROOT / "params.yaml").read_text()
    for old, new in knobs.values():
        params = params.replace(old, new)
    (folder / "params.yaml").write_text(params)
    for name, rows in {
        "data/raw/posts.jsonl": [
            {"id": p["id"], "title": p["title"], "source": f"{p['id']}.md", "url": ""} for p in posts(n)
        ],
        "data/prepared/examples.jsonl": [
            {"id": f"{p['id']}-{k}", "post_id": p["id"], "date": p["date"], "output": p["text"] + f" {k}"}
            for p in posts(n)
            for k in (1, 2, 3)
        ],
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return subprocess.run(
        [sys.executable, ROOT / "scripts/03_split.py"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_all_examples_of_a_post_go_to_one_split(tmp_path):
    done = run_split(tmp_path, 50)
    assert done.returncode == 0, done.stderr
    found = {
        name: [json.loads(x)["post_id"] for x in (tmp_path / f"data/split/{name}.jsonl").read_text().splitlines()]
        for name in ("train", "valid", "test")
    }
    assert sum(map(len, found.values())) == 150
    assert all(members.count(i) == 3 for members in found.values() for i in members)
    assert len(set(found["test"])) == 10


@pytest.mark.parametrize("n", [1, 4])
def test_too_few_posts_are_one_sentence_that_says_how_many_are_needed(tmp_path, n):
    done = run_split(tmp_path, n)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"There are {n} usable posts" in done.stderr and "at least 5" in done.stderr
    assert not (tmp_path / "data/split").exists()


def test_five_posts_are_enough(tmp_path):
    assert run_split(tmp_path, 5).returncode == 0


@pytest.mark.slow
def test_posts_that_are_all_one_group_are_one_sentence(tmp_path):
    done = run_split(tmp_path, 6)
    examples = tmp_path / "data/prepared/examples.jsonl"
    examples.write_text(
        "".join(
            json.dumps({**json.loads(x), "output": text("same") + f" {i}"}) + "\n"
            for i, x in enumerate(examples.read_text().splitlines())
        )
    )
    shutil.rmtree(tmp_path / "data/split")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/03_split.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "repeat each other" in done.stderr, done.stderr
    assert not (tmp_path / "data/split").exists()


def test_a_stage_run_before_its_time_says_so(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/03_split.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (
        done.returncode == 1
        and done.stderr.count("\n") == 1
        and "There is no data/prepared/examples.jsonl yet" in done.stderr
    )


# --- the sample blog --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["date", "random"])
def sample(request):
    """(posts, groups, {split: post numbers}) of data/sample, through the real ingest, clean, cut, groups and assign."""
    params = load_params(ROOT / "params.yaml")
    read, _ = ingest.ingest_folder(ROOT / "data/sample", params.ingest.min_words, 1e7)
    found = []
    for post in read:
        parts = build_examples(
            post, clean_markdown(post["text"], params.prepare.links), lambda t: len(t.split()), 800, 90, 7
        )
        found.append(
            {
                "id": post["id"],
                "title": post["title"],
                "date": post["date"],
                "text": "\n\n".join(r["output"] for r in parts),
            }
        )
    gathered = group_related(found, params.split.min_jaccard, params.split.min_containment)
    return (
        found,
        gathered,
        split.assign_groups(found, gathered, params.split.model_copy(update={"strategy": request.param})),
    )


def test_the_sample_has_a_series_and_ten_test_posts_or_more(sample):
    found, gathered, splits = sample
    titles = [{found[i]["title"] for i in g} for g in gathered]
    assert {"The organ pump, part 1", "The organ pump, part 2"} in [t for t in titles if len(t) == 2]
    assert len(splits["test"]) >= 10 and len(splits["train"]) > 30


def test_no_two_sample_posts_in_different_splits_overlap(sample):
    """Measured from scratch, with no allowance for boilerplate: under 0.3 Jaccard, under 0.2 of the smaller one."""
    found, _, splits = sample
    where = {i: name for name, members in splits.items() for i in members}
    sets = [shingles(p["text"]) for p in found]
    for a, b in itertools.combinations(range(len(found)), 2):
        if where[a] != where[b]:
            common = len(sets[a] & sets[b])
            assert common < 0.3 * len(sets[a] | sets[b]) and common < 0.2 * min(len(sets[a]), len(sets[b])), (
                found[a]["title"],
                found[b]["title"],
            )


@pytest.mark.slow
def test_no_word_run_crosses_the_split_beyond_the_author_s_habit(sample):
    """A run of 8 or more words in both test and training must be a habit: no longer than what two training groups
    share."""
    found, gathered, splits = sample
    tokens = [tokenise_words(p["text"]) for p in found]
    training = [g for g in gathered if set(g) <= set(splits["train"])]
    habit = 0
    for group in training:
        others = [tokens[i] for g in training if g is not group for i in g]
        seen = ngram_index(others)
        habit = max(habit, *(longest_match(tokens[i], seen, others)[0] for i in group))
    learnt = [tokens[i] for i in splits["train"]]
    seen = ngram_index(learnt)
    for i in splits["test"] + splits["valid"]:
        length, at, _ = longest_match(tokens[i], seen, learnt)
        assert length < 8 or length <= habit, (found[i]["title"], " ".join(tokens[i][at : at + length]))


def test_longest_common_run_finds_the_longest():
    """The ruler of the test before: checked against every pair of places, on small texts."""
    chance = random.Random(5)
    for _ in range(200):
        one, two = ([chance.choice("abc") for _ in range(30)] for _ in range(2))
        lengths = [
            next((n for n in range(31) if i + n >= 30 or j + n >= 30 or one[i + n] != two[j + n]), 30)
            for i in range(30)
            for j in range(30)
        ]
        longest = max(lengths)
        assert longest_match(one, ngram_index([two]), [two])[0] == (longest if longest >= 5 else 0)
