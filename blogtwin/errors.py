"""The errors that end in a sentence for the user."""

import errno
import re


class UserError(Exception):
    """A mistake the user can mend; its text is one sentence: what was asked, what is there, what to do."""


def is_disk_full(error: Exception) -> bool:
    """Whether that is what an error says. Libraries that write by themselves have no errno: safetensors tells the
    number in its text, numpy only how much of an array it wrote, PyTorch only that it could not."""
    numbers = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
    told = (
        rf"\(os error ({'|'.join(map(str, numbers))})\)|^\d+ requested and \d+ written$|PytorchStreamWriter failed"
        r" writing|unexpected pos \d+ vs"
    )
    return getattr(error, "errno", None) in numbers or bool(re.search(told, str(error)))
