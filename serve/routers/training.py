"""Upload posts, train on them, and export the training data."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from blogtwin.files import read_jsonl, to_jsonl
from blogtwin.paths import ARTIFACTS_DIR, SPLIT_DIR
from corpus import dataset_export
from serve import corpus_upload, database, job_params, retraining_jobs, streaming
from serve.app_state import AppState
from serve.dependencies import CallerDep, RequestIdDep, StateDep
from serve.errors import ApiError
from serve.logging_setup import log_event
from serve.routers.generation import EVENTS
from serve.streaming import Event, GenerationStream, PrimedStreamingResponse

router = APIRouter(prefix="/api", tags=["training"])
CorpusName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
POLL_SECONDS = 2  # between two reads of the progress of a job that is watched
WATCH_SECONDS = 60  # between two checks of all jobs


class Discarded(BaseModel):
    source: str
    reason: str
    cause: Literal["", "not yours", "not public"]


class Readiness(BaseModel):
    """What stage 01 keeps of the files, and whether that is enough. `first` and `last`: ISO dates of the posts."""

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
    """`formats`: the endings of files that can be uploaded."""

    corpora: list[str]
    formats: list[str]


class JobRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"corpus": "sample", "preset": "highspeed"}]})

    corpus: CorpusName = Field("sample", description="sample, or a name of GET /api/corpus")
    base_model: str | None = Field(
        None, max_length=100, description="a name of blogtwin/models/registry.yaml; null: the base of params.yaml"
    )
    preset: str = Field("quality", max_length=40)
    params: dict[Annotated[str, Field(max_length=80)], bool | int | float | str] = Field(
        {},
        max_length=40,
        description="hyper-parameters of params.yaml by dotted name, such as train.epochs; no paths or addresses",
    )
    scorecard: bool = Field(True, description="false: stop after the export")


class Job(BaseModel):
    """`params`: hyper-parameters by dotted name, and whether a scorecard was asked for. `created_at`: seconds since
    1970. `twin`: the model's name once the job is done, as long as its files are there. `retraining`: whether it trains
    on the project's own posts; `outcome`: whether its twin went live, and why, or what keeps it from being compared."""

    id: str
    corpus: str
    params: dict[str, Any]
    created_at: float
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    twin: str | None
    retraining: bool
    outcome: str


class Progress(BaseModel):
    """Of a running job. `loss` and `tokens_per_second` are those of the last logged training step."""

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
    """Save posts, exports or archives of them as a new corpus, and assess it. `formats` of GET /corpus names their
    endings."""
    if name == "sample":
        raise ApiError(409, "corpus_exists", "sample is the name of the sample blog.", "Choose another name.")
    uploads = [(f.filename or "", f.file) for f in files]  # spooled: what is larger than 1 MB is on the disk

    def work() -> dict:
        max_bytes = state.settings.max_body_mb * 4e6
        return corpus_upload.save_corpus(state.settings.home, name, uploads, max_bytes, state.params)

    return Readiness(name=name, **await asyncio.to_thread(work))


@router.get("/corpus")
def list_corpora(state: StateDep) -> Corpora:
    """The sample, and every uploaded corpus."""
    folder = state.settings.home / "corpora"
    names = sorted(f.name for f in folder.glob("[a-z0-9]*") if f.is_dir())
    return Corpora(corpora=["sample", *names], formats=corpus_upload.post_suffixes())


@router.post("/v1/training/jobs")
async def start_job(asked: JobRequest, state: StateDep, caller: CallerDep) -> Job:
    """Queue a training job: the project's own stages, as an experiment in DVC's queue. Jobs run one at a time.

    A job has no API keys and calls no remote model: it ignores the instruction model and the judge of params.yaml.
    """
    refuse_several_workers(state)
    if asked.corpus != "sample" and not (state.settings.home / "corpora" / asked.corpus).is_dir():
        raise ApiError(
            404, "unknown_corpus", f"There is no corpus {asked.corpus}.", "Upload one with POST /api/corpus."
        )
    knobs = job_params.validate_params(state.params, asked.base_model, asked.preset, asked.params)
    job = await asyncio.to_thread(state.jobs.submit, caller.name, asked.corpus, knobs, asked.scorecard)
    return await find_job(state, job)


def refuse_several_workers(state: AppState) -> None:
    """Raises ApiError 409 where several processes answer: each would have jobs and looks of its own."""
    if state.settings.workers > 1:
        raise ApiError(
            409, "no_training", "A server with several workers does not train.", "Start one with SERVE_WORKERS=1."
        )


@router.get("/v1/training/jobs")
async def list_jobs(state: StateDep) -> JobList:
    """All jobs, newest first."""
    states = await asyncio.to_thread(state.jobs.states)
    return JobList(jobs=[await job_view(state, row, states) for row in await state.database.run(database.jobs)])


async def find_job(state: AppState, job_id: str) -> Job:
    """Raises ApiError 404."""
    states = await asyncio.to_thread(state.jobs.states)
    row = await state.database.run(database.job, job_id)
    if row is None:
        raise ApiError(
            404, "unknown_job", f"There is no job {job_id[:64]!r}.", "List the jobs with GET /api/v1/training/jobs."
        )
    return await job_view(state, row, states)


async def job_view(state: AppState, row: dict, states: dict[str, str]) -> Job:
    """A job as it is now. The twin of a finished job is published, and a failure is saved. A job on the project's own
    posts is running until it is settled.

    `row` must be read after `states`: to DVC a stopped job has failed, and only its row says that it was stopped.
    """
    result = row["result"]
    now = states.get(row["id"], "failed")
    if result:
        now = result if result in ("stopped", "failed") else "done"
    elif now == "done" and row["retraining"]:
        now = "running"  # `watch_jobs` settles it
    elif now == "done":
        await asyncio.to_thread(state.jobs.publish, row["id"], row["corpus"], row["params"].get("scorecard", True))
    elif now == "failed":
        await state.database.run(database.set_job_result, row["id"], "failed")
    twin = row["retraining"]["version"] if row["retraining"] else f"{row['corpus']}/{row['id']}"
    has_twin = now == "done" and twin != "" and (ARTIFACTS_DIR / "twins" / twin).is_dir()  # `make gc` frees old ones
    return Job(
        id=row["id"],
        corpus=row["corpus"],
        params=row["params"],
        created_at=row["created_at"],
        state=now,
        twin=twin if has_twin else None,
        retraining=row["retraining"] is not None,
        outcome=row["retraining"]["outcome"] if row["retraining"] else "",
    )


async def watch_jobs(state: AppState) -> None:
    """Every minute, as long as the server lives: publish and settle finished twins, and start a worker for waiting
    jobs."""
    while True:
        try:
            if any(not row["result"] for row in await state.database.run(database.jobs)):
                await list_jobs(state)
                await settle_jobs(state)
        except Exception as e:  # DVC, Git or the disk: try again in a minute
            log_event("watching jobs failed", 40, e)
        await asyncio.sleep(WATCH_SECONDS)


async def settle_jobs(state: AppState) -> None:
    """Settle the jobs on this project's own posts that have ended, the oldest first."""
    states = await asyncio.to_thread(state.jobs.states)
    for row in reversed(await state.database.run(database.jobs)):
        of_here = row["retraining"] and row["retraining"]["project"] == state.posts.project
        if of_here and not row["result"] and states.get(row["id"]) == "done":
            await asyncio.to_thread(retraining_jobs.settle_job, state.jobs, row["id"])


@router.get("/v1/training/jobs/{job_id}")
async def get_job(job_id: str, state: StateDep) -> Job:
    """A job and its state."""
    return await find_job(state, job_id)


@router.delete("/v1/training/jobs/{job_id}")
async def cancel_job(job_id: str, state: StateDep) -> Job:
    """Stop a job as Ctrl-C does: nothing half-written is kept. A job that has ended is not changed."""
    job = await find_job(state, job_id)
    if job.state in ("waiting", "running"):
        await asyncio.to_thread(state.jobs.cancel, job_id)
    return await find_job(state, job_id)


async def stream_job(state: AppState, job_id: str) -> AsyncIterator[Event]:
    """Events progress (a Progress), whenever it changed; `job` (a Job) when the job has ended."""
    before = None
    while (job := await find_job(state, job_id)).state in ("waiting", "running"):
        now = Progress(**await asyncio.to_thread(state.jobs.progress, job_id, job.state))
        if now != before:
            yield Event("progress", now)
        before = now
        await asyncio.sleep(POLL_SECONDS)
    yield Event("job", job)


@router.get("/v1/training/jobs/{job_id}/progress", response_class=PrimedStreamingResponse, responses=EVENTS)
async def job_progress(
    job_id: str, request: Request, state: StateDep, caller: CallerDep, request_id: RequestIdDep
) -> PrimedStreamingResponse:
    """The events progress {state, stage, step, steps, loss, tokens_per_second}, and at the end job. Disconnecting does
    not stop the job."""
    relay = GenerationStream(state.running, request_id, caller.name, [stream_job(state, job_id)], 7 * 86400)
    return await PrimedStreamingResponse.of(request, streaming.encode_stream(relay))


class FinetuneRequest(BaseModel):
    """The formats of scripts/export_dataset.py. `chatml`, also called `chat`: messages, as TRL and OpenAI have them.
    `sharegpt`: conversations. `alpaca`: instruction, input, output. `completion`: prompt, completion. `text`: only the
    posts."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"format": "chatml", "quality_filter": True, "deduplicate": True}]}
    )

    format: Annotated[
        Literal["chatml", "alpaca", "sharegpt", "completion", "text"],
        BeforeValidator(lambda form: "chatml" if form == "chat" else form),
    ] = "chatml"
    include_system: bool = True
    quality_filter: bool = Field(
        False,
        description=(
            "skip answers under 40 words, with a word or line repeated more than people do, or mostly not words"
        ),
    )
    deduplicate: bool = Field(True, description="skip near-duplicates of earlier examples")
    validation_split: float = Field(0.1, ge=0, le=0.5, description="fraction of the posts; posts are never divided")


ZIP = {
    200: {
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        "description": "train.jsonl, validation.jsonl and about.json",
    }
}


@router.post("/finetune/export", response_class=Response, responses=ZIP)
def export_training_data(asked: FinetuneRequest, state: StateDep) -> Response:
    """The twin's training data as a zip of JSON lines, to train elsewhere. Held-out posts are never in it."""
    examples = read_jsonl(SPLIT_DIR / "train.jsonl") + read_jsonl(SPLIT_DIR / "valid.jsonl")
    parts = dataset_export.split_examples(
        examples,
        asked.format,
        asked.validation_split,
        state.params.prepare.seed,
        asked.deduplicate,
        asked.quality_filter,
    )
    system = state.params.prepare.system if asked.include_system else ""
    about = asked.model_dump()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            rows = [dataset_export.format_row(example, asked.format, system) for example in part]
            archive.writestr(f"{name}.jsonl", "".join(to_jsonl(rows)))
            about[name] = len(rows)
        archive.writestr("about.json", json.dumps(about, indent=2))
    return Response(
        out.getvalue(),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="finetune.zip"'},
    )
