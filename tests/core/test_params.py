"""params.yaml: every mistake in it is one sentence, every knob is explained, and set_param changes nothing else."""

import shutil
import subprocess
import sys

import pytest
import upgrade_params
import yaml

from blogtwin import edit_params, installation, renamed_params
from blogtwin.config import AugmentationParams, Params, load_params, parameter_names
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError
from tests.support.workspace import ROOT, environment, sh


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
        [sys.executable, ROOT / "scripts" / name, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_one_sentence(done, *words):
    assert done.returncode == 1, done
    assert (
        done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and done.stderr.endswith((".\n", "?\n"))
    ), done.stderr
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
    known = {name: set(parameter_names(field.annotation)) for name, field in Params.model_fields.items()}
    assert {name: set(section) for name, section in written.items()} == known
    assert all(
        f.is_required() for section in Params.model_fields.values() for f in section.annotation.model_fields.values()
    )
    assert set(written["prepare"]["augmentation"]) == set(AugmentationParams.model_fields) and all(
        f.is_required() for f in AugmentationParams.model_fields.values()
    )


@pytest.mark.parametrize("spelling, value", [("2e-4", 2e-4), ("5e-05", 5e-5), ("0.0003", 3e-4), ("1.5E-4", 1.5e-4)])
def test_learning_rate_is_a_number_however_it_is_spelt(folder, spelling, value):
    """YAML 1.1 reads 2e-4 as a string; the trainer must get a number."""
    change(folder, "learning_rate: preset", f"learning_rate: {spelling}")
    assert load_params(folder / "params.yaml").train.learning_rate == value


def test_a_typo_names_its_path_and_the_nearest_right_name(folder):
    change(folder, "  epochs:", "  epocks:")
    with pytest.raises(UserError, match=r"no parameter train\.epocks: did you mean train\.epochs\?"):
        load_params(folder / "params.yaml")


def test_a_typo_in_a_knob_that_python_calls_otherwise_names_that_of_the_file(folder):
    change(folder, "  register: auto", "  registr: auto")
    with pytest.raises(UserError, match=r"no parameter ollama\.registr: did you mean ollama\.register\?"):
        load_params(folder / "params.yaml")


def test_a_misspelt_section_names_the_nearest_section(folder):
    change(folder, "\nsplit:", "\nsplits:")
    with pytest.raises(UserError, match=r"no parameter splits: did you mean split\?"):
        load_params(folder / "params.yaml")


def test_a_knob_like_no_other_lists_what_there_is(folder):
    change(folder, "  min_words: 40", "  min_words: 40\n  zzz: 1")
    with pytest.raises(UserError, match=r"ingest\.zzz: valid names are source, min_words"):
        load_params(folder / "params.yaml")


def test_load_params_names_a_missing_parameter(folder):
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
        (
            "augmentation: {notes: auto,",
            "augmentation: {notes: -1,",
            "prepare.augmentation.notes is -1: it should be a number from 0 to 50, or auto.",
        ),
        (
            "augmentation: {notes: auto,",
            "augmentation: {notes: some,",
            "prepare.augmentation.notes is 'some': it should be a number from 0 to 50, or auto.",
        ),
        (
            "augmentation: {notes: auto,",
            "augmentation: {note: 0,",
            "no parameter prepare.augmentation.note: did you mean prepare.augmentation.notes?",
        ),
        ("max_augmentations_per_post: 4", "max_augmentations_per_post: many", "prepare.max_augmentations_per_post"),
        ("instruction_source: heuristic", "instruction_source: llm", "prepare.instruction_source"),
        ("strategy: date", "strategy: length", "split.strategy"),
        (
            "train_fraction: 0.72",
            "train_fraction: 0.9",
            "split: train_fraction + valid_fraction + test_fraction is 1.18; it must be 1.",
        ),
        ("min_jaccard: 0.3", "min_jaccard: 1.5", "split.min_jaccard"),
        ("learning_rate: preset", "learning_rate: .nan", "train.learning_rate"),
        ("learning_rate: preset", "learning_rate: 40", "train.learning_rate"),
        (
            "preset: quality",
            "preset: best",
            "train: preset is 'best', valid names are highspeed, quality, bestaccuracy",
        ),
        ("preset: quality", "preset: [1]", "train: preset is [1]"),
        ("max_length: 1024", "max_length: preset", "train.max_length"),
        ("max_length: 1024", "max_length: 64", "train.max_length"),
        ("epochs: preset", "epochs: 1.5", "train.epochs"),
        ("backend: auto", "backend: tpu", "train.backend"),
        (
            "preference_data: train/votes.jsonl",
            "preference_data: null",
            "train.preference_data is None: it should be a file that exists; for no preference data use"
            " train/votes.jsonl",
        ),
        (
            "preference_data: train/votes.jsonl",
            'preference_data: ""',
            "train.preference_data is '': it should be a file that exists; for no preference data use"
            " train/votes.jsonl",
        ),
        ("quantization: q8_0", "quantization: q2_k", "export.quantization"),
        ("name: blogtwin", "name: My Twin", "ollama.name"),
        ("top_p: 0.95", "top_p: 0", "eval.top_p"),
        ("\neval:\n", "\neval: 5\nx:\n", "there is no parameter x"),
    ],
)
def test_a_value_out_of_range_is_an_error_with_its_path(folder, old, new, named):
    change(folder, old, new)
    with pytest.raises(UserError) as error:
        load_params(folder / "params.yaml")
    assert named in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"[1, 2]", b"ingest: [", b"ingest: 5", b"a: \xff\xfe", b"? [1]\n: 2", b"1: 2"], ids=repr
)
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
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        ("  learning_rate: preset", "  learning_rate: 2e-4")
    ]


def test_set_param_sets_a_share_of_a_task_and_leaves_the_others(folder):
    path = folder / "params.yaml"
    before, rates = path.read_text().splitlines(), load_params(path).prepare.augmentation
    set_params(path, {"prepare.augmentation.notes": "0.5"})
    (changed,) = [(a, b) for a, b in zip(before, path.read_text().splitlines(), strict=True) if a != b]
    assert changed[1].startswith("  augmentation: {notes: 0.5,") and load_params(
        path
    ).prepare.augmentation == rates.model_copy(update={"notes": 0.5})
    set_params(path, {"prepare.augmentation.notes": "auto"})
    assert path.read_text().splitlines() == before


def test_set_param_sets_a_number_in_the_place_of_preset_and_back(folder):
    for value in ("3", "preset"):
        set_params(folder / "params.yaml", {"train.epochs": value})
        assert f"\n  epochs: {value}\n" in (folder / "params.yaml").read_text()


# --- presets ----------------------------------------------------------------------------------------------------------


def test_quality_is_what_the_published_figures_were_measured_with(folder):
    train = load_params(folder / "params.yaml").train
    knobs = {
        "epochs": 2,
        "max_tokens": 120000,
        "batch_size": 1,
        "learning_rate": 4e-4,
        "warmup_ratio": 0.1,
        "lora_rank": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.0,
    }
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


def test_presets_set_the_same_parameters():
    presets = yaml.safe_load((ROOT / "blogtwin/presets.yaml").read_text())
    assert len({frozenset(knobs) for knobs in presets.values()}) == 1
    assert {k for k, v in yaml.safe_load((ROOT / "params.yaml").read_text())["train"].items() if v == "preset"} == set(
        presets["quality"]
    )


@pytest.mark.parametrize(
    "value",
    [
        "llama3.2:1b",
        "~/models/x",
        "a folder",
        "[draft",
        "*",
        "{x",
        "",
        "#1",
        "- x",
        "a: b",
        "!x",
        "2024",
        "yes",
        "1:30",
        'say "hi"',
        "null",
    ],
)
def test_set_param_takes_any_words(folder, value):
    """What is typed after the `=` is the value, also where YAML would read it as something else."""
    set_params(folder / "params.yaml", {"prepare.author": value})
    assert load_params(folder / "params.yaml").prepare.author == value


def test_set_param_sets_several_that_are_only_valid_together(folder):
    """The shares of a split have to add up to 1, so they can only be changed at once."""
    done = script(folder, "set_param.py", "split.train_fraction=0.6", "split.test_fraction=0.32")
    assert done.returncode == 0, done.stderr
    assert load_params(folder / "params.yaml").split.test_fraction == 0.32


@pytest.mark.parametrize(
    "argument",
    ["train.epochs=0", "train.epocks=3", "train.base.x=1", "=5", "epochs", "train.base=no-such-model", "train=5"],
)
def test_set_param_leaves_the_file_alone_when_the_result_would_be_wrong(folder, argument):
    before = (folder / "params.yaml").read_bytes()
    assert_one_sentence(script(folder, "set_param.py", argument))
    assert (folder / "params.yaml").read_bytes() == before
    assert [p.name for p in folder.iterdir()] == ["params.yaml"], "a trial file was left behind"


# --- a params.yaml of an older version --------------------------------------------------------------------------------


def test_every_old_name_leads_to_a_parameter_there_is():
    """Of the real tables: a new name that is misspelt, or an old one that is in use again, would spoil somebody's
    file."""
    fields = {name for name, field in Params.model_fields.items()} | {
        f"prepare.augmentation.{name}" for name in AugmentationParams.model_fields
    }
    fields |= {
        f"{name}.{key}" for name, field in Params.model_fields.items() for key in parameter_names(field.annotation)
    }
    for old, new in renamed_params.RENAMED.items():
        assert old not in fields and (not new or renamed_params.current_name(old) in fields), old
        assert not new or new.rpartition(".")[0] == renamed_params.current_name(old.rpartition(".")[0]), (
            f"{old} is to stay in its section"
        )
    assert renamed_params.MOVED_DEFAULTS.keys() <= fields
    assert not renamed_params.may_be_outdated((ROOT / "params.yaml").read_text(encoding="utf-8")), (
        "`make setup` would start a process each time"
    )


def test_the_file_of_the_version_before_is_upgraded_to_todays_text(folder):
    """Of the real table: every old name is found in place, and no other byte changes."""
    today = (folder / "params.yaml").read_text()
    lines, section = [], ""
    old_names = {new: old.rpartition(".")[2] for old, new in renamed_params.RENAMED.items() if new}
    for line in today.splitlines(keepends=True):
        name, colon, value = line.partition(":")
        section = name if line[:1].isalpha() else section
        lines.append(
            f"  {old_names.pop(f'{section}.{name.strip()}', name.strip())}{colon}{value}"
            if line.startswith("  ") and colon and "#" not in name
            else line
        )
    assert not old_names and "".join(lines) != today
    (folder / "params.yaml").write_text("".join(lines))
    assert renamed_params.may_be_outdated("".join(lines))
    with pytest.raises(
        UserError, match=r"ingest\.role is now called ingest\.chat_role: rename it \(`make all` does this"
    ):
        load_params(folder / "params.yaml")
    said = upgrade_params.upgrade_file(folder / "params.yaml")
    assert (folder / "params.yaml").read_text() == today and len(said) == len(renamed_params.RENAMED)


@pytest.mark.parametrize(
    "name, flag", [("03_split.py", "--anew"), ("06_ollama_create.py", "--refresh"), ("07_eval.py", "--voice")]
)
def test_a_flag_that_was_renamed_is_the_usual_error(folder, name, flag):
    done = script(folder, name, flag)
    assert done.returncode == 2 and "unrecognized arguments" in done.stderr


OLD = {
    "train.halt": "train.early_stopping_patience",
    "prepare.jobs": "prepare.augmentation",
    "prepare.jobs.memo": "prepare.jobs.note",
    "prepare.augmentation.note": "prepare.augmentation.notes",
    "assess": "eval",
}
OLD_FILE = "scripts/somewhere/persona.yaml"


@pytest.fixture
def older(folder, monkeypatch):
    """A folder with a params.yaml from before five parameters were renamed, one of them twice, and a file moved; its
    text as it is today."""
    today = (folder / "params.yaml").read_text()
    persona = load_params(folder / "params.yaml").prepare.persona
    monkeypatch.setattr(renamed_params, "RENAMED", OLD)
    monkeypatch.setattr(renamed_params, "MOVED_DEFAULTS", {"prepare.persona": {OLD_FILE: persona}})
    today = today.replace(
        "  early_stopping_patience: preset", "  'early_stopping_patience':   preset  # stop early"
    ).replace("{notes: auto", "{notes: 0.5")
    change(folder, "  early_stopping_patience: preset", "  'halt':   preset  # stop early")
    change(folder, "augmentation: {notes: auto", "jobs: {memo: 0.5")
    change(folder, "\neval:\n", "\nassess:\n")
    change(folder, f"persona: {persona}", f"persona: {OLD_FILE}")
    return folder, today.replace("'early_stopping_patience'", "early_stopping_patience")


def test_upgrade_changes_the_old_names_and_no_other_byte(older, monkeypatch, capsys):
    folder, today = older
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["upgrade_params.py"])
    upgrade_params.main()
    assert (folder / "params.yaml").read_text() == today
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5 and any(OLD_FILE in line for line in said)
    assert {
        "params.yaml: train.halt is now called train.early_stopping_patience",
        "params.yaml: prepare.jobs.memo is now called prepare.augmentation.notes",
    } < set(said)
    assert load_params("params.yaml").prepare.augmentation.notes == 0.5
    before = (folder / "params.yaml").stat()
    upgrade_params.main()
    assert (folder / "params.yaml").stat() == before and not capsys.readouterr().out


def test_upgrade_keeps_line_ends(older):
    folder, today = older
    (folder / "params.yaml").write_bytes((folder / "params.yaml").read_text().replace("\n", "\r\n").encode())
    upgrade_params.upgrade_file(folder / "params.yaml")
    assert (folder / "params.yaml").read_bytes() == today.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    "text, left",
    [
        ("train:\n  halt: 3  # x\n  seed: 1\n", "train:\n  seed: 1\n"),
        (
            "train:\n  seed: 1\n  halt:\n    a: 1\n    b: [2,\n      3]\n\n  # y\n  z: 1",
            "train:\n  seed: 1\n\n  # y\n  z: 1",
        ),
        ("train:\n  seed: 1\n  halt: 3", "train:\n  seed: 1\n"),
        ("train: {seed: 1, halt: 3, z: 1}\n", "train: {seed: 1, z: 1}\n"),
        ("train: {halt: 3, z: 1}\n", "train: {z: 1}\n"),
        ("train: {seed: 1, halt: 3}\n", "train: {seed: 1}\n"),
    ],
)
def test_what_is_gone_is_taken_out_with_nothing_else(tmp_path, monkeypatch, text, left):
    monkeypatch.setattr(renamed_params, "RENAMED", {"train.halt": ""})
    (tmp_path / "params.yaml").write_text(text)
    (said,) = upgrade_params.upgrade_file(tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text() == left and said.startswith(
        "train.halt was removed: its line was deleted (halt:"
    )


def test_where_both_names_are_there_the_new_one_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(renamed_params, "RENAMED", {"train.halt": "train.early_stopping_patience"})
    (tmp_path / "params.yaml").write_text("train:\n  early_stopping_patience: 5\n  halt: 3\n")
    (said,) = upgrade_params.upgrade_file(tmp_path / "params.yaml")
    assert (
        (tmp_path / "params.yaml").read_text() == "train:\n  early_stopping_patience: 5\n"
        and "halt: 3" in said
        and "train.early_stopping_patience, which is also present" in said
    )


def test_a_file_of_ones_own_at_an_old_place_stays(older):
    folder, _ = older
    (folder / OLD_FILE).parent.mkdir(parents=True)
    (folder / OLD_FILE).touch()
    upgrade_params.upgrade_file(folder / "params.yaml")
    assert load_params(folder / "params.yaml").prepare.persona == OLD_FILE


def test_an_old_name_is_one_sentence_with_the_new_one(older):
    folder, _ = older
    with pytest.raises(
        UserError,
        match=(
            r"params\.yaml: train\.halt is now called train\.early_stopping_patience: rename it"
            r" \(`make all` does this for you\)\."
        ),
    ):
        load_params(folder / "params.yaml")
    change(folder, "'halt'", "early_stopping_patience")
    with pytest.raises(UserError, match=r"prepare\.jobs is now called prepare\.augmentation: rename it"):
        load_params(folder / "params.yaml")
    with pytest.raises(UserError, match=r"train\.halt is now called train\.early_stopping_patience: set that one\."):
        set_params(folder / "params.yaml", {"train.halt": "3"})


def test_an_old_default_is_one_sentence_with_the_new_one(older, monkeypatch):
    folder, _ = older
    monkeypatch.setattr(renamed_params, "RENAMED", {})
    persona = next(iter(renamed_params.MOVED_DEFAULTS["prepare.persona"].values()))
    with pytest.raises(
        UserError,
        match=rf"prepare\.persona is {OLD_FILE}, which is now {persona}: change it \(`make all` does this for you\)\.",
    ):
        load_params(folder / "params.yaml")


def test_setup_upgrades_only_where_there_is_something_old(older, monkeypatch):
    """It starts no process otherwise: every verb of the Makefile goes through it."""
    folder, today = older
    (folder / "scripts").mkdir()
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / "scripts/upgrade_params.py").write_text("open('called', 'a').write('once ')")
    monkeypatch.setattr(installation, "ROOT", folder)
    monkeypatch.setattr(installation, "VENV", folder / ".venv")
    for text in ((folder / "params.yaml").read_text(), "<<<<<<< HEAD\n", today):
        (folder / "params.yaml").write_text(text)
        installation.upgrade_params()
    assert (folder / "called").read_text() == "once once "
    (folder / "params.yaml").unlink()
    installation.upgrade_params()
    assert (folder / "called").read_text() == "once once "


@pytest.mark.parametrize("content", [b"ingest: [", b"\xff", b"- halt:\n", b"", None])
def test_what_is_no_params_file_is_left_to_those_who_read_it(older, monkeypatch, content):
    folder, _ = older
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["upgrade_params.py"])
    (folder / "params.yaml").unlink() if content is None else (folder / "params.yaml").write_bytes(content)
    upgrade_params.main()
    assert content is None or (folder / "params.yaml").read_bytes() == content


def test_null_stays_a_word_and_can_be_set(tmp_path, monkeypatch):
    monkeypatch.setattr(edit_params, "load_params", lambda path: None)  # no parameter is null today
    (tmp_path / "params.yaml").write_text("a:\n  b: null\n  c: 1\n")
    set_params(tmp_path / "params.yaml", {"a.c": "2"})
    assert (tmp_path / "params.yaml").read_text() == "a:\n  b: null\n  c: 2\n"
    set_params(tmp_path / "params.yaml", {"a.c": "null", "a.b": "x.jsonl"})
    assert yaml.safe_load((tmp_path / "params.yaml").read_text()) == {"a": {"b": "x.jsonl", "c": None}}


# how somebody with values of their own takes a new version, and Git can't merge the two
PULLS = {
    "autostash": "git pull -q --autostash",
    "stash": "git stash -q && git pull -q; git stash pop",
    "merge": "git commit -qam mine && git pull -q --no-rebase",
    "rebase": "git commit -qam mine && git pull -q --rebase",
}


@pytest.fixture
def pulled(older, tmp_path_factory):
    """pulled(how): a clone in which params.yaml was changed before it got a version that renames and explains
    everything anew."""
    folder, today = older
    setup = "git init -q && git config user.email a@b.c && git config user.name a && git add -A && git commit -qm old"
    assert sh(folder, setup).returncode == 0
    clone = tmp_path_factory.mktemp("clone") / "mine"
    assert sh(folder, f"git clone -q . {clone}").returncode == 0
    new = (
        today.replace("  early_stopping_patience:   preset  # stop early", "  early_stopping_patience: preset")
        .replace("  #", "  # Anew:")
        .replace("max_steps: 0", "max_steps: 1")
    )
    (folder / "params.yaml").write_text(new)
    assert sh(folder, "git commit -qam new").returncode == 0

    def pull(how: str):
        change(clone, "'halt':   preset", "'halt':   3")
        change(clone, "source: data/sample", "source: data/blog")
        change(clone, "name: blogtwin", "name: mine")
        sh(clone, f"git config user.email a@b.c; git config user.name a; {how}")
        return clone, new

    return pull


@pytest.mark.parametrize("how", PULLS)
def test_a_conflict_that_git_left_is_the_new_text_with_ones_own_values(pulled, monkeypatch, how, capsys):
    folder, new = pulled(PULLS[how])
    assert "<<<<<<<" in (folder / "params.yaml").read_text()
    with pytest.raises(UserError, match=r"conflict markers .* resolve them \(`make all` does this"):
        load_params(folder / "params.yaml")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["upgrade_params.py"])
    upgrade_params.main()
    assert "with your changes (ingest.source, train.early_stopping_patience, ollama.name)" in capsys.readouterr().out
    wanted = (
        new.replace("early_stopping_patience: preset", "early_stopping_patience: 3")
        .replace("source: data/sample", "source: data/blog")
        .replace("name: blogtwin", "name: mine")
    )
    assert (folder / "params.yaml").read_text() == wanted
    assert sh(folder, "git diff --name-only --diff-filter=U").stdout == ""
    if how in ("merge", "rebase"):
        done = sh(folder, "git commit -qm merged" if how == "merge" else "GIT_EDITOR=true git rebase --continue")
        assert done.returncode == 0 and sh(folder, "git status --porcelain").stdout == "", done


def test_a_conflict_without_its_versions_is_one_sentence(folder):
    text = "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n"
    (folder / "params.yaml").write_text(text)
    assert_one_sentence(script(folder, "upgrade_params.py"), "conflict markers", "keep one side of each")
    assert (folder / "params.yaml").read_text() == text


def test_a_conflict_whose_values_do_not_fit_is_one_sentence_and_stays(pulled):
    """The script itself, whose tables know none of the old names."""
    folder, _ = pulled(PULLS["autostash"])
    text = (folder / "params.yaml").read_text()
    assert_one_sentence(script(folder, "upgrade_params.py"), "train.halt", "by hand")
    assert (folder / "params.yaml").read_text() == text and "params.yaml" in sh(
        folder, "git diff --name-only --diff-filter=U"
    ).stdout
