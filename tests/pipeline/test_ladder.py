"""`make ladder` with what is not there."""

import pytest

from tests.support.workspace import copy_project, link_venv, sh

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc]


def test_a_base_and_a_folder_that_are_not_there_are_one_sentence(tmp_path):
    copy_project(tmp_path)
    link_venv(tmp_path)
    for more, said in (("BASES=nobody", "train.base is nobody"), ("BLOGS=docs", "BLOGS is docs, where no folder")):
        done = sh(tmp_path, f"make ladder {more}")
        assert done.returncode == 2 and done.stderr.startswith(f"error: {said}"), done
