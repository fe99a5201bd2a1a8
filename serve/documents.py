"""The text of an uploaded .docx, read by stage 01's reader in a process of its own.

A document may be malicious: a process can be stopped when it takes too long, and its crash ends no other request. It
also has its own interpreter lock, so answers go on in this process.
"""

import multiprocessing
import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

MAX_BYTES = 10_000_000  # of a .docx with pictures; its text alone, as long as a book, has less than 1 MB
TIMEOUT_SECONDS = 30.0
SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the locks of the engine's threads


class Unreadable(Exception):
    """Why a document can't be read, worded as the end of a sentence."""


def read_docx(data: bytes, timeout: float = TIMEOUT_SECONDS) -> str:
    """The text of a .docx as Markdown, its title first. Blocks until it is read: call it in a thread.

    Raises Unreadable for what is no .docx with text in it, and for what takes longer than `timeout` seconds.
    """
    receiver, sender = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_send_text, args=(sender, data), daemon=True)
    try:
        process.start()
        sender.close()  # the other end is the process's, so the pipe ends with it
        if not receiver.poll(timeout):
            raise Unreadable(f"reading it takes more than {timeout:g} seconds")
        text, reason = receiver.recv()
    except (EOFError, BrokenPipeError):
        raise Unreadable("its reader crashed") from None
    finally:
        receiver.close()
        if process.pid is not None:
            process.kill()
            process.join()
    if reason:
        raise Unreadable(reason)
    return text


def _send_text(sender: Connection, data: bytes) -> None:
    """Send (text, "") or ("", why there is none). Runs in the process of its own."""
    import signal

    from corpus.post import SkippedPost, title_from_name
    from corpus.readers import read_post

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    os.nice(5)  # generating comes first
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "attached.docx")
        path.write_bytes(data)
        try:
            post = read_post(path, MAX_BYTES)
        except SkippedPost as e:
            sender.send(("", str(e)))
            return
    has_title = post.title != title_from_name(path)  # the reader's fallback
    sender.send((f"# {post.title}\n\n{post.text}" if has_title else post.text, ""))
