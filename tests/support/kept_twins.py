"""Twins that are nothing but a header: enough to be kept, packed and listed, and small."""

import json
import zipfile
from pathlib import Path

import gguf
import yaml

from blogtwin.files import write_json, write_jsonl
from blogtwin.twins.store import Version, keep_twin, pipeline_digest
from eval.compare_runs import load_samples, measured_samples
from eval.verdict import GATES
from tests.support.workspace import ROOT

SETTINGS = {"template": "{{ .Prompt }}", "system": "You write.", "parameters": {"stop": ["x"], "temperature": 0.9}}
ABOUT = {"base": "keeper:1", "license": "mit", "quantization": "q8_0", "ollama_settings": SETTINGS}


def write_twin(folder: Path, mark: str) -> None:
    """artifacts/gguf as stage 05 leaves it; another mark is another twin."""
    for name in ("twin.gguf", "adapter.gguf"):
        (folder / "artifacts/gguf").mkdir(parents=True, exist_ok=True)
        path = folder / f"artifacts/gguf/.{name}"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_string("general.base_model.0.name", "keeper:1")
        writer.add_string("blogtwin.base_digest", mark)
        writer.add_string("general.name", name)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        path.replace(folder / f"artifacts/gguf/{name}")
    write_json(folder / "artifacts/gguf/parity.json", {"quantization": "q8_0", "mark": mark})


def write_scorecard(folder: Path, bits: float) -> None:
    """artifacts/eval as stage 07 leaves it, of the twin in artifacts/gguf."""
    scorecard = folder / "artifacts/eval"
    write_json(scorecard / "metrics.json", {"twin": {"verdict": dict.fromkeys(GATES, 1)}})
    (scorecard / "verdict.txt").write_text(f"Style {bits}.\n")
    rows = [{"id": f"p{n}", "twin": {"bits_per_byte": bits + n / 10 + n % 3 / 1000}} for n in range(8)]
    write_jsonl(scorecard / "samples.jsonl", rows)
    same = [{"path": "artifacts/gguf", "md5": pipeline_digest(folder)}]
    stages = {"export_gguf": {"outs": same}, "eval": {"deps": same}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def keep_as_pipeline_does(params, made_in: Path = Path()) -> Version:
    """What serve.kept_twins.keep does, without the base model, which these twins lack."""
    samples = load_samples(str(made_in / "artifacts/eval/samples.jsonl"))
    return keep_twin({**ABOUT, "posts": 40}, None, measured_samples(samples), made_in)


def keep(mark: str, created: str) -> Version:
    """A twin that the pipeline made and kept on that day, in the working folder."""
    write_twin(Path(), mark)
    version = keep_twin(ABOUT)
    about = json.loads((version.folder / "about.json").read_text())
    write_json(version.folder / "about.json", about | {"created": f"{created}T12:00:00+00:00"})
    folder = version.folder.with_name(f"{created}-{version.digest[:12]}")
    return Version(f"versions/{folder.name}", version.folder.rename(folder), about, version.live)


def write_params(folder: Path) -> None:
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())


def rewrite(package: Path, target: Path, change) -> Path:
    """The package again, after change({name: (bytes, compression)})."""
    with zipfile.ZipFile(package) as archive:
        entries = {e.filename: (archive.read(e), e.compress_type) for e in archive.infolist()}
    with zipfile.ZipFile(target, "w") as archive:
        for name, (data, compression) in change(entries).items():
            archive.writestr(name, data, compression)
    return target
