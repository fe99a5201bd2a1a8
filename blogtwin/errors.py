"""Errors that are reported to the user in one sentence."""

import errno
import re


class UserError(Exception):
    """A mistake that the user can fix. Its text is one sentence: what was asked, what is there, what to do."""


def is_disk_full(error: Exception) -> bool:
    """Whether an error means that the disk is full, or a quota or size limit is exceeded.

    Some libraries raise errors without an errno: safetensors has the number in its text, NumPy says how much of an
    array was written, PyTorch only that writing failed.
    """
    numbers = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
    messages = (
        rf"\(os error ({'|'.join(map(str, numbers))})\)"
        r"|^\d+ requested and \d+ written$"
        r"|PytorchStreamWriter failed writing|unexpected pos \d+ vs"
    )
    return getattr(error, "errno", None) in numbers or bool(re.search(messages, str(error)))
