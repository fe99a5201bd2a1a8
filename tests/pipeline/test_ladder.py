"""`make ladder` with what is not there."""

import pytest

from tests.support.workspace import make_workspace, sh, with_tiny

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc, pytest.mark.model]
QUICK = (
    "train.max_steps=8 train.preset=highspeed train.learning_rate=1e-2 train.warmup_ratio=0"
    " export.parity_prompts=1 export.parity_tokens=16"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, tiny_root):
    folder = make_workspace(tmp_path_factory.mktemp("project") / "blogtwin")
    base = with_tiny(folder, tiny_root)
    done = sh(folder, f"python scripts/set_param.py {QUICK} && git commit -qam quick")
    assert done.returncode == 0, done
    return folder, base


def test_a_base_and_a_folder_that_are_not_there_are_one_sentence(workspace):
    folder, _ = workspace
    for more, said in (("BASES=nobody", "train.base is nobody"), ("BLOGS=docs", "BLOGS is docs, where no folder")):
        done = sh(folder, f"make ladder {more}")
        assert done.returncode == 2 and done.stderr.startswith(f"error: {said}"), done
