"""params.yaml: every mistake in it is one sentence, every knob is explained, and set_param changes nothing else."""

import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, environment

from blogtwin.config import Params, Tasks, load_params
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def change(folder, old, new):
    path = folder / "params.yaml"
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in params.yaml"
    path.write_text(text.replace(old, new))


def script(folder, name, *arguments):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60
    )


def assert_one_sentence(done, *words):
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and done.stderr.endswith((".\n", "?\n")), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_the_project_s_own_params_are_valid(folder):
    assert load_params(folder / "params.yaml").train.base


def test_every_knob_has_a_comment_above_it_or_above_its_group():
    """A group is up to four knobs that stand together under one comment, in one section."""
    bare = 4
    for number, line in enumerate((ROOT / "params.yaml").read_text().splitlines(), 1):
        if line.lstrip().startswith("#"):
            bare = 0
        elif line and not line.startswith(" "):
            bare = 4  # a new section has to explain itself anew
        elif line:
            bare += 1
            assert bare <= 4, f"line {number} of params.yaml has no comment above it or its group: {line}"


def test_params_yaml_has_exactly_the_knobs_the_code_knows():
    """No second default in code: a knob is in the model if and only if it is in the file."""
    written = yaml.safe_load((ROOT / "params.yaml").read_text())
    known = {name: set(field.annotation.model_fields) for name, field in Params.model_fields.items()}
    assert {name: set(section) for name, section in written.items()} == known
    assert all(f.is_required() for section in Params.model_fields.values() for f in section.annotation.model_fields.values())
    assert set(written["prepare"]["tasks"]) == set(Tasks.model_fields) and all(f.is_required() for f in Tasks.model_fields.values())


@pytest.mark.parametrize("spelling, value", [("2e-4", 2e-4), ("5e-05", 5e-5), ("0.0003", 3e-4), ("1.5E-4", 1.5e-4)])
def test_learning_rate_is_a_number_however_it_is_spelt(folder, spelling, value):
    """YAML 1.1 reads 2e-4 as a string; the trainer must get a number."""
    change(folder, "learning_rate: preset", f"learning_rate: {spelling}")
    assert load_params(folder / "params.yaml").train.learning_rate == value


def test_a_typo_names_its_path_and_the_nearest_right_name(folder):
    change(folder, "  epochs:", "  epocks:")
    with pytest.raises(UserError, match=r"no knob train\.epocks: did you mean train\.epochs\?"):
        load_params(folder / "params.yaml")


def test_a_misspelt_section_names_the_nearest_section(folder):
    change(folder, "\nsplit:", "\nsplits:")
    with pytest.raises(UserError, match=r"no knob splits: did you mean split\?"):
        load_params(folder / "params.yaml")


def test_a_knob_like_no_other_lists_what_there_is(folder):
    change(folder, "  min_words: 40", "  min_words: 40\n  zzz: 1")
    with pytest.raises(UserError, match=r"ingest\.zzz: known are source, min_words"):
        load_params(folder / "params.yaml")


def test_a_missing_knob_is_named(folder):
    change(folder, "  min_words: 40\n", "")
    with pytest.raises(UserError, match=r"ingest\.min_words is missing"):
        load_params(folder / "params.yaml")


@pytest.mark.parametrize(
    "old, new, named",
    [
        ("min_words: 40", "min_words: 0", "ingest.min_words"),
        ("min_words: 40", "min_words: forty", "ingest.min_words"),
        ("min_words: 40", "min_words: [40]", "ingest.min_words"),
        ("max_file_mb: 50", "max_file_mb: -1", "ingest.max_file_mb"),
        ("links: text", "links: html", "prepare.links"),
        ("tasks: {notes: auto,", "tasks: {notes: -1,", "prepare.tasks.notes is -1: it should be a number from 0 to 50, or auto."),
        ("tasks: {notes: auto,", "tasks: {notes: some,", "prepare.tasks.notes is 'some': it should be a number from 0 to 50, or auto."),
        ("tasks: {notes: auto,", "tasks: {note: 0,", "no knob prepare.tasks.note: did you mean prepare.tasks.notes?"),
        ("per_post: 4", "per_post: many", "prepare.per_post"),
        ("instructions: heuristic", "instructions: llm", "prepare.instructions"),
        ("by: date", "by: length", "split.by"),
        ("train: 0.72", "train: 0.9", "train + valid + test"),
        ("jaccard: 0.3", "jaccard: 1.5", "split.jaccard"),
        ("learning_rate: preset", "learning_rate: .nan", "train.learning_rate"),
        ("learning_rate: preset", "learning_rate: 40", "train.learning_rate"),
        ("preset: quality", "preset: best", "train: preset is 'best', known are highspeed, quality, bestaccuracy"),
        ("preset: quality", "preset: [1]", "train: preset is [1]"),
        ("max_length: 1024", "max_length: preset", "train.max_length"),
        ("max_length: 1024", "max_length: 64", "train.max_length"),
        ("epochs: preset", "epochs: 1.5", "train.epochs"),
        ("backend: auto", "backend: tpu", "train.backend"),
        ("votes: train/votes.jsonl", "votes: null", "train.votes is None: it should be a file that is there; for no votes, train/votes.jsonl"),
        ("votes: train/votes.jsonl", 'votes: ""', "train.votes is '': it should be a file that is there; for no votes, train/votes.jsonl"),
        ("quantization: q8_0", "quantization: q2_k", "export.quantization"),
        ("name: blogtwin", "name: My Twin", "ollama.name"),
        ("top_p: 0.95", "top_p: 0", "eval.top_p"),
        ("\neval:\n", "\neval: 5\nx:\n", "there is no knob x"),
    ],
)
def test_a_value_out_of_range_is_an_error_with_its_path(folder, old, new, named):
    change(folder, old, new)
    with pytest.raises(UserError) as error:
        load_params(folder / "params.yaml")
    assert named in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"ingest: [", b"ingest: 5", b"a: \xff\xfe", b"? [1]\n: 2", b"1: 2"], ids=repr)
def test_a_params_file_that_is_none_is_one_sentence(folder, content):
    (folder / "params.yaml").write_bytes(content)
    assert_one_sentence(script(folder, "01_ingest.py"), "params.yaml")


@pytest.mark.parametrize("name", ["01_ingest.py", "02_prepare.py", "03_split.py", "import_posts.py", "set_param.py"])
def test_scripts_say_a_bad_setting_in_one_sentence(folder, name):
    """Exit 1 and one line on stderr, no traceback, whichever script meets the mistake first."""
    change(folder, "  epochs:", "  epocks:")
    arguments = {"import_posts.py": [str(folder)], "set_param.py": ["train.seed=3"]}.get(name, [])
    assert_one_sentence(script(folder, name, *arguments), "train.epocks")


def test_scripts_say_where_they_must_be_run(tmp_path):
    assert_one_sentence(script(tmp_path, "01_ingest.py"), "There is no params.yaml", "project's folder")


def test_set_param_changes_one_line_and_keeps_the_comments(folder):
    path = folder / "params.yaml"
    before = path.read_text().splitlines()
    set_params(path, {"train.learning_rate": "2e-4"})
    after = path.read_text().splitlines()
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [("  learning_rate: preset", "  learning_rate: 2e-4")]


def test_set_param_sets_a_share_of_a_task_and_leaves_the_others(folder):
    path = folder / "params.yaml"
    before, tasks = path.read_text().splitlines(), load_params(path).prepare.tasks
    set_params(path, {"prepare.tasks.notes": "0.5"})
    (changed,) = [(a, b) for a, b in zip(before, path.read_text().splitlines(), strict=True) if a != b]
    assert changed[1].startswith("  tasks: {notes: 0.5,") and load_params(path).prepare.tasks == tasks.model_copy(update={"notes": 0.5})
    set_params(path, {"prepare.tasks.notes": "auto"})
    assert path.read_text().splitlines() == before


def test_set_param_sets_a_number_in_the_place_of_preset_and_back(folder):
    for value in ("3", "preset"):
        set_params(folder / "params.yaml", {"train.epochs": value})
        assert f"\n  epochs: {value}\n" in (folder / "params.yaml").read_text()


# --- presets ----------------------------------------------------------------------------------------------------------


def test_quality_is_what_the_published_figures_were_measured_with(folder):
    train = load_params(folder / "params.yaml").train
    knobs = {"epochs": 2, "max_tokens": 120000, "batch_size": 1, "learning_rate": 4e-4, "warmup": 0.1, "lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.0}
    assert train.preset == "quality" and {k: getattr(train, k) for k in knobs} == knobs and train.max_length == 1024


@pytest.mark.parametrize("preset", ["highspeed", "quality", "bestaccuracy"])
def test_a_preset_fills_the_knobs_that_name_it_and_a_number_wins(folder, preset):
    wanted = yaml.safe_load((ROOT / "blogtwin/presets.yaml").read_text())[preset]
    change(folder, "preset: quality", f"preset: {preset}")
    train = load_params(folder / "params.yaml").train
    assert train.by_preset == set(wanted) and all(getattr(train, k) == float(v) for k, v in wanted.items())
    change(folder, "epochs: preset", "epochs: 7")
    train = load_params(folder / "params.yaml").train
    assert train.epochs == 7 and train.by_preset == set(wanted) - {"epochs"}


def test_presets_know_the_same_knobs():
    presets = yaml.safe_load((ROOT / "blogtwin/presets.yaml").read_text())
    assert len({frozenset(knobs) for knobs in presets.values()}) == 1
    assert {k for k, v in yaml.safe_load((ROOT / "params.yaml").read_text())["train"].items() if v == "preset"} == set(presets["quality"])


@pytest.mark.parametrize("value", ["llama3.2:1b", "~/models/x", "a folder", "[draft", "*", "{x", "", "#1", "- x", "a: b", "!x", "2024", "yes", "1:30", "say \"hi\"", "null"])
def test_set_param_takes_any_words(folder, value):
    """What is typed after the `=` is the value, also where YAML would read it as something else."""
    set_params(folder / "params.yaml", {"prepare.author": value})
    assert load_params(folder / "params.yaml").prepare.author == value


def test_set_param_sets_several_that_are_only_valid_together(folder):
    """The shares of a split have to add up to 1, so they can only be changed at once."""
    done = script(folder, "set_param.py", "split.train=0.6", "split.test=0.32")
    assert done.returncode == 0, done.stderr
    assert load_params(folder / "params.yaml").split.test == 0.32


@pytest.mark.parametrize("argument", ["train.epochs=0", "train.epocks=3", "train.base.x=1", "=5", "epochs", "train.base=no-such-model", "train=5"])
def test_set_param_leaves_the_file_alone_when_the_result_would_be_wrong(folder, argument):
    before = (folder / "params.yaml").read_bytes()
    assert_one_sentence(script(folder, "set_param.py", argument))
    assert (folder / "params.yaml").read_bytes() == before
    assert [p.name for p in folder.iterdir()] == ["params.yaml"], "a trial file was left behind"
