"""Uploaded documents as text, for prompts in the web app."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, File, UploadFile
from pydantic import BaseModel

from corpus.readers import OLE_MAGIC
from serve.apart import Unreadable
from serve.dependencies import StateDep
from serve.documents import MAX_BYTES, read_docx
from serve.errors import ApiError

router = APIRouter(prefix="/api", tags=["posts"])


class DocumentText(BaseModel):
    """Markdown. The document's title, if it has one, is the first heading."""

    text: str


@router.post("/read")
async def read_document(
    file: Annotated[UploadFile, File(description="a .docx of at most 10 MB")], state: StateDep
) -> DocumentText:
    """The text of a .docx, read as `make all` reads it. Nothing is saved."""
    name = repr((file.filename or "")[:80])
    if not name[1:-1].lower().endswith(".docx"):
        raise ApiError(
            422, "not_docx", f"{name} is not a .docx file.", "Send a .docx file; plain text needs no reader."
        )
    data = await file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ApiError(
            413,
            "too_large",
            f"{name} is larger than {MAX_BYTES / 1e6:.0f} MB.",
            "Remove its pictures, or send a part of it.",
        )
    if not data.startswith((b"PK", OLE_MAGIC)):  # answered here, without a process
        raise ApiError(
            422,
            "unreadable",
            f"{name} can't be read: it is not a .docx file.",
            "Open it in a word processor and save it as .docx.",
        )
    if state.reading.locked():
        raise ApiError(
            503, "busy", "The server is reading other documents.", "Send it again after Retry-After seconds.", 1
        )
    async with state.reading:
        try:
            return DocumentText(text=await asyncio.to_thread(read_docx, data))
        except Unreadable as e:
            raise ApiError(
                422, "unreadable", f"{name} can't be read: {e}.", "Send a .docx with text in it, without a password."
            ) from None
