"""The quick reader of GGUFs finds what the `gguf` package's own does."""

import shutil

import gguf
import numpy as np
import pytest

from blogtwin.models import gguf_reader

pytestmark = [pytest.mark.slow, pytest.mark.model]  # a tiny model is made with torch and transformers


def test_settings_and_tensors_are_those_of_the_packages_reader(tiny):
    plain, quick = gguf.GGUFReader(tiny.gguf), gguf_reader.open_gguf(tiny.gguf)
    assert {k: (f.types, f.contents()) for k, f in quick.fields.items()} == {
        k: (f.types, f.contents()) for k, f in plain.fields.items()
    }
    assert len(plain.tensors) == len(quick.tensors) > 0
    for one, other in zip(plain.tensors, quick.tensors):
        assert (one.name, one.tensor_type, one.shape.tolist()) == (other.name, other.tensor_type, other.shape.tolist())
        assert np.array_equal(one.data, other.data)


def test_a_file_is_read_once_until_it_changes(tiny, tmp_path):
    path = shutil.copy(tiny.gguf, tmp_path / "one.gguf")
    first = gguf_reader.open_gguf(path)
    assert gguf_reader.open_gguf(path) is first
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "llama")
    writer.add_string("general.name", "other")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    (tmp_path / "other.gguf").replace(path)
    assert gguf_reader.open_gguf(path).fields["general.name"].contents() == "other"


def test_half_a_file_is_an_error(tiny, tmp_path):
    (tmp_path / "half.gguf").write_bytes(tiny.gguf.read_bytes()[: tiny.gguf.stat().st_size // 2])
    with pytest.raises(ValueError):
        gguf_reader.open_gguf(tmp_path / "half.gguf")


def test_transformers_has_it_only_while_it_is_lent():
    before = gguf.GGUFReader, gguf.get_tensor_name_map
    with pytest.raises(RuntimeError), gguf_reader.use_fast_reader():
        assert gguf.GGUFReader is gguf_reader.open_gguf
        raise RuntimeError
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == before
