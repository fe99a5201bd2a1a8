"""The text of an answer while it is written: which part of it can be shown already."""

import codecs
from collections.abc import Sequence


class AnswerText:
    """Takes the bytes of one token after the other. Held back are a character whose other bytes are still to come, and
    what may be the beginning of a stop string; `stopped` says that one was found, and nothing is shown from there on.
    `decoded` and `shown` count characters.
    """

    def __init__(self, stops: Sequence[str] = ()):
        self.stops = [stop for stop in stops if stop]
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held = ""
        self.stopped = False
        self.decoded = self.shown = 0

    def add(self, piece: bytes) -> str:
        """What can be shown since the last token."""
        if self.stopped:
            return ""
        return self._take(self.decoder.decode(piece))

    def finish(self) -> str:
        """What was held back, at the end of the answer."""
        if self.stopped:
            return ""
        text = self._take(self.decoder.decode(b"", final=True)) + self.held
        self.shown += len(self.held)
        self.held = ""
        return text

    def _take(self, text: str) -> str:
        self.decoded += len(text)
        self.held += text
        found = [at for stop in self.stops if (at := self.held.find(stop)) >= 0]
        if found:
            self.stopped = True
            shown, self.held = self.held[: min(found)], ""
        else:
            end = len(self.held) - self._uncertain()
            shown, self.held = self.held[:end], self.held[end:]
        self.shown += len(shown)
        return shown

    def _uncertain(self) -> int:
        """Length of the longest end of the text so far that is the beginning of a stop string."""
        longest = max((len(stop) - 1 for stop in self.stops), default=0)
        for length in range(min(longest, len(self.held)), 0, -1):
            if any(stop.startswith(self.held[-length:]) for stop in self.stops):
                return length
        return 0
