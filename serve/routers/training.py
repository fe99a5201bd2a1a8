"""Uploaded posts, training jobs on them, and the training data as files."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from blogtwin.files import read_jsonl
from blogtwin.paths import ARTIFACTS_DIR, SPLIT_DIR
from corpus import dataset_export
from serve import corpus_upload, database, job_params, streaming
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.logging_setup import log_event
from serve.routers.generation import EVENTS
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse

router = APIRouter(prefix="/api", tags=["training"])
CorpusName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
POLL_SECONDS, WATCH_SECONDS = 2, 60  # seconds between two looks at a job that somebody watches, and at all of them


class Discarded(BaseModel):
    source: str
    reason: str


class Readiness(BaseModel):
    """What stage 01 keeps of the files, and whether it is enough."""

    name: str
    posts: int
    words: int
    formats: dict[str, int]
    languages: dict[str, int]
    first: str | None
    last: str | None
    discarded: list[Discarded]
    ready: bool
    advice: list[str]


class Corpora(BaseModel):
    corpora: list[str]


class JobRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"corpus": "sample", "preset": "highspeed"}]})

    corpus: CorpusName = Field("sample", description="sample, or a name of GET /api/corpus")
    base_model: str | None = Field(
        None, max_length=100, description="a name of blogtwin/models/registry.yaml; none: params.yaml's"
    )
    preset: str = Field("quality", max_length=40)
    params: dict[Annotated[str, Field(max_length=80)], bool | int | float | str] = Field(
        {},
        max_length=40,
        description="hyper-parameters of params.yaml by dotted name, such as train.epochs; no path, no address",
    )
    scorecard: bool = Field(True, description="false stops after the export")


class Job(BaseModel):
    """`params`: hyper-parameters by dotted name, and whether a scorecard was asked for. `created_at`: seconds since 1970.
    `twin`: the model's name once the job is done, as long as its files are there."""

    id: str
    corpus: str
    params: dict[str, Any]
    created_at: float
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    twin: str | None


class Progress(BaseModel):
    state: str
    stage: str | None
    step: int | None
    steps: int | None
    loss: float | None
    tokens_per_second: float | None


class JobList(BaseModel):
    jobs: list[Job]


@router.post("/corpus")
async def upload_corpus(
    name: Annotated[str, Form(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")],
    files: Annotated[list[UploadFile], File()],
    state: StateDep,
) -> Readiness:
    """A new corpus of .md, .txt and .docx files, or .zip of them, and what it is good for."""
    if name == "sample":
        raise ApiError(409, "corpus_exists", "sample is the sample blog.", "Take another name.")
    uploads = [(f.filename or "", await f.read()) for f in files]

    def work() -> dict:
        folder = corpus_upload.save_corpus(state.settings.home, name, uploads, state.settings.max_body_mb * 4e6)
        return corpus_upload.assess_upload(folder, state.params)

    return Readiness(name=name, **await asyncio.to_thread(work))


@router.get("/corpus")
def list_corpora(state: StateDep) -> Corpora:
    folder = state.settings.home / "corpora"
    return Corpora(corpora=["sample", *sorted(f.name for f in folder.glob("[a-z0-9]*") if f.is_dir())])


@router.post("/v1/training/jobs")
async def start_job(asked: JobRequest, state: StateDep, caller: CallerDep) -> Job:
    """Queue a twin: the project's own stages, as an experiment in DVC's queue. Jobs run one after the other. A job has
    no API key and asks no model elsewhere: where params.yaml names an instruction model or a judge, it goes without."""
    if asked.corpus != "sample" and not (state.settings.home / "corpora" / asked.corpus).is_dir():
        raise ApiError(404, "unknown_corpus", f"There is no corpus {asked.corpus}.", "POST /api/corpus makes one.")
    knobs = job_params.validate_params(state.params, asked.base_model, asked.preset, asked.params)
    job = await asyncio.to_thread(state.jobs.submit, caller.name, asked.corpus, knobs, asked.scorecard)
    return await find_job(state, job)


@router.get("/v1/training/jobs")
async def list_jobs(state: StateDep) -> JobList:
    states = await asyncio.to_thread(state.jobs.states)
    return JobList(jobs=[await job_view(state, row, states) for row in await state.database.run(database.jobs)])


async def find_job(state, job_id: str) -> Job:
    states = await asyncio.to_thread(state.jobs.states)
    row = await state.database.run(database.job, job_id)
    if row is None:
        raise ApiError(404, "unknown_job", f"There is no job {job_id[:64]!r}.", "GET /api/v1/training/jobs lists them.")
    return await job_view(state, row, states)


async def job_view(state, row: dict, states: dict[str, str]) -> Job:
    """A job as it is now; a finished one's twin is put among the others, and a failure is remembered.

    `row` was read after `states`: DVC calls a stopped job failed, and its row says so first.
    """
    result = row["result"]
    now = result if result in ("stopped", "failed") else "done" if result else states.get(row["id"], "failed")
    if now == "done" and not result:
        await asyncio.to_thread(state.jobs.publish, row["id"], row["corpus"], row["params"].get("scorecard", True))
    if now == "failed" and not result:
        await state.database.run(database.set_job_result, row["id"], "failed")
    twin = f"{row['corpus']}/{row['id']}"
    has_twin = now == "done" and (ARTIFACTS_DIR / "twins" / twin).is_dir()  # `make gc` frees old ones
    return Job(
        id=row["id"],
        corpus=row["corpus"],
        params=row["params"],
        created_at=row["created_at"],
        state=now,
        twin=twin if has_twin else None,
    )


async def watch_jobs(state) -> None:
    """Once a minute, as long as the server lives: a finished twin is put among the others, and what waits has a worker,
    though nobody looks."""
    while True:
        try:
            if any(not row["result"] for row in await state.database.run(database.jobs)):
                await list_jobs(state)
        except Exception as e:  # DVC, Git, the disk: the next minute may be better
            log_event("jobs not looked after", 40, e)
        await asyncio.sleep(WATCH_SECONDS)


@router.get("/v1/training/jobs/{job_id}")
async def get_job(job_id: str, state: StateDep) -> Job:
    return await find_job(state, job_id)


@router.delete("/v1/training/jobs/{job_id}")
async def cancel_job(job_id: str, state: StateDep) -> Job:
    """Stop it as Ctrl-C would: nothing half-written is kept. A job that is over stays as it is."""
    job = await find_job(state, job_id)
    if job.state in ("waiting", "running"):
        await asyncio.to_thread(state.jobs.cancel, job_id)
    return await find_job(state, job_id)


async def stream_job(state, job_id: str) -> AsyncIterator[Event]:
    """Events progress, whenever something changed; `job` when it is over."""
    before = None
    while (job := await find_job(state, job_id)).state in ("waiting", "running"):
        now = Progress(**await asyncio.to_thread(state.jobs.progress, job_id, job.state))
        if now != before:
            yield Event("progress", now)
        before = now
        await asyncio.sleep(POLL_SECONDS)
    yield Event("job", job)


@router.get("/v1/training/jobs/{job_id}/progress", response_class=PrimedStreamingResponse, responses=EVENTS)
async def job_progress(job_id: str, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep):
    """Events progress {state, stage, step, steps, loss, tokens_per_second}, and at the end job. Stopping to listen
    stops no job."""
    relay = GenerationStream(state.running, request_id, caller.name, [stream_job(state, job_id)], 7 * 86400)
    return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))


class FinetuneRequest(BaseModel):
    """`chat`: messages, as TRL and OpenAI read them. `alpaca`: instruction, input, output. `text`: only the posts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"format": "chat", "validation_split": 0.1}]})

    format: Literal["chat", "alpaca", "text"] = "chat"
    include_system: bool = True
    quality_filter: bool = Field(
        False,
        description=(
            "leave out answers under 40 words, with a word or line repeated more than people do, or mostly not words"
        ),
    )
    deduplicate: bool = Field(True, description="leave out what is near to an example before")
    validation_split: float = Field(0.1, ge=0, le=0.5, description="share of the posts, whole posts only")


ZIP = {
    200: {
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        "description": "train.jsonl, validation.jsonl and about.json",
    }
}


@router.post("/finetune/export", response_class=Response, responses=ZIP)
def export_training_data(asked: FinetuneRequest, state: StateDep) -> Response:
    """What the twin was trained on, to train elsewhere: a zip of JSON lines. Held-out posts are never in it."""
    examples = read_jsonl(SPLIT_DIR / "train.jsonl") + read_jsonl(SPLIT_DIR / "valid.jsonl")
    form = "chatml" if asked.format == "chat" else asked.format
    parts = dataset_export.split_examples(
        examples, form, asked.validation_split, state.params.prepare.seed, asked.deduplicate, asked.quality_filter
    )
    system = state.params.prepare.system if asked.include_system else ""
    tables = {name: [dataset_export.format_row(e, form, system) for e in some] for name, some in parts.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables.items():
            archive.writestr(f"{name}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        archive.writestr(
            "about.json",
            json.dumps({**asked.model_dump(), **{name: len(rows) for name, rows in tables.items()}}, indent=2),
        )
    return Response(
        out.getvalue(),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="finetune.zip"'},
    )
