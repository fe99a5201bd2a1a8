"""How much work a function does: lines of the project's Python that run, and steps of the regular expressions it
applies.

A pattern that looks at the rest of a text again from each of its characters, or a loop that does, costs the square of
the length. Seconds tell that only on a machine that is known and idle. The steps are those of a plain backtracking
matcher, which Python's own (in C) follows with shortcuts: it takes no more of them.
"""

import functools
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from re import _compiler, _constants, _parser

from tests.support.workspace import ROOT

METHODS = ("sub", "subn", "search", "match", "fullmatch", "finditer", "findall", "split")
MORE = 2.3  # times as much work for twice the text, at most: 2 is linear, 4 the square
MOST = (
    1000  # steps a character: what is linear in the text may still look hundreds of characters ahead from each of them
)


def assert_linear(function: Callable, make: Callable[[int], str], size: int = 1000) -> None:
    """`function` does about twice the work on `make(2 * size)`, a text of that length, as on `make(size)`."""
    small, large = (work(function, make(n)) for n in (size, 2 * size))
    assert large <= MORE * small and large <= MOST * 2 * size, (
        f"{small:,} steps for {size:,} characters, {large:,} for {2 * size:,}"
    )


def work(function: Callable, *arguments) -> int:
    """Lines and steps of a call."""
    lines = 0

    def count(frame, event, _):
        nonlocal lines
        lines += event == "line"
        return count

    def enter(frame, event, _):
        return count if own(frame.f_code.co_filename) else None

    with spied() as applied:
        before = sys.gettrace()
        sys.settrace(enter)
        try:
            function(*arguments)
        finally:
            sys.settrace(before)
    return lines + sum(times * steps(*some) for some, times in Counter(applied).items())


@functools.cache
def own(file: str | None) -> bool:
    """Whether a file is the project's, and no test."""
    path = Path(file or "/")
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] not in (".venv", "tests")


# --- which patterns are applied to which texts ------------------------------------------------------------------------


class Spy:
    """A compiled pattern that notes each text it is applied to."""

    def __init__(self, pattern: re.Pattern, applied: list):
        self._pattern, self._applied = pattern, applied

    def __getattr__(self, name: str):
        value = getattr(self._pattern, name)
        if name not in METHODS:
            return value

        def noted(*arguments, **options):
            # sub(replacement, string): the text is second there
            text, *rest = arguments[1 if name in ("sub", "subn") else 0 :]
            if isinstance(text, str):
                start = rest[0] if rest and name in ("search", "match", "fullmatch", "finditer", "findall") else 0
                self._applied.append(
                    (
                        self._pattern,
                        text,
                        start,
                        "all" if name in ("sub", "subn", "finditer", "findall", "split") else name,
                    )
                )
            return value(*arguments, **options)

        return noted


class SpyModule:
    """The module `re`, whose patterns are spies."""

    def __init__(self, applied: list):
        self._applied = applied

    def compile(self, pattern, flags=0) -> Spy:
        return pattern if isinstance(pattern, Spy) else Spy(re.compile(pattern, flags), self._applied)

    def __getattr__(self, name: str):
        if name not in METHODS:
            return getattr(re, name)
        return lambda pattern, *arguments, flags=0, **options: getattr(self.compile(pattern, flags), name)(
            *arguments, **options
        )


@contextmanager
def spied():
    """The list that fills with (pattern, text, start, how) while the project's modules apply regular expressions."""
    applied: list[tuple] = []
    module_spy, before = SpyModule(applied), []
    for module in list(sys.modules.values()):
        if not own(getattr(module, "__file__", None)):
            continue
        for key, value in list(vars(module).items()):
            spy = module_spy if value is re else Spy(value, applied) if isinstance(value, re.Pattern) else None
            if spy is not None:
                before.append((module, key, value))
                setattr(module, key, spy)
    try:
        yield applied
    finally:
        for module, key, value in before:
            setattr(module, key, value)


# --- how many steps that takes ----------------------------------------------------------------------------------------


def steps(pattern: re.Pattern, text: str, start: int = 0, how: str = "all") -> int:
    """Steps of applying `pattern` to `text` by "all" (finditer), "search", "match" or "fullmatch"; it finds what `re`
    finds."""
    return run(pattern, text, start, how)[0]


def run(pattern: re.Pattern, text: str, start: int = 0, how: str = "all") -> tuple[int, list[tuple[int, int]]]:
    """(steps, the spans that were found)."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 1_000_000))
    try:
        machine = matcher(pattern)
        machine.text, machine.steps = text, 0
        found, at, may_be_empty = [], start, True
        while at <= len(text):
            machine.groups.clear()
            accepts = (
                (lambda end, at=at, empty=may_be_empty: None if end == at and not empty else end)
                if how != "fullmatch"
                else (lambda end: end if end == len(text) else None)
            )
            end = machine.match(at, accepts)
            if end is not None:
                found.append((at, end))
            if how != "all" and (end is not None or how != "search"):
                break
            at, may_be_empty = (at + 1, True) if end is None else (end, end > at)
        return machine.steps, found
    finally:
        sys.setrecursionlimit(limit)


@functools.cache
def matcher(pattern: re.Pattern) -> "Matcher":
    return Matcher(pattern)


class Matcher:
    """A backtracking matcher over the tree that `re` parses a pattern to. A part is a function (at, then): what `then`
    gives at one of the ends that the part can have from `at`, in the order in which `re` tries them, or None."""

    ONE = (
        _constants.LITERAL,
        _constants.NOT_LITERAL,
        _constants.ANY,
        _constants.IN,
        _constants.RANGE,
        _constants.CATEGORY,
    )
    REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)

    def __init__(self, pattern: re.Pattern):
        self.text, self.steps = "", 0
        self.groups: dict[int, tuple[int, int]] = {}
        self.match = self.sequence(_parser.parse(pattern.pattern, pattern.flags), pattern.flags)

    def sequence(self, tree, flags: int) -> Callable:
        parts = [self.part(op, value, tree.state, flags) for op, value in tree]
        if len(parts) == 1:
            return parts[0]

        def match(at, then, number=0):
            return then(at) if number == len(parts) else parts[number](at, lambda end: match(end, then, number + 1))

        return match

    def part(self, op, value, state, flags: int) -> Callable:
        if op in self.ONE:
            return self.one(self.accepts(op, value, state, flags))
        if op is _constants.AT:
            pattern = compiled(op, value, state, flags)
            return lambda at, then: then(at) if self.step() and pattern.match(self.text, at) else None
        if op in self.REPEATS:
            return self.repeat(op, *value, flags)
        if op is _constants.BRANCH:
            return self.branch([self.sequence(one, flags) for one in value[1]])
        if op is _constants.SUBPATTERN:
            group, added, removed, inner = value
            return self.group(group, self.sequence(inner, (flags | added) & ~removed))
        if op is _constants.ATOMIC_GROUP:
            inner = self.sequence(value, flags)
            return lambda at, then: None if (end := inner(at, same)) is None else then(end)
        if op in (_constants.ASSERT, _constants.ASSERT_NOT):
            return self.look(op is _constants.ASSERT, value[0], value[1], self.sequence(value[1], flags))
        if op is _constants.GROUPREF:
            return lambda at, then: self.back(value, flags, at, then)
        raise NotImplementedError(op)

    def step(self) -> bool:
        self.steps += 1
        return True

    def accepts(self, op, value, state, flags: int) -> Callable[[str], bool]:
        """Whether a character is one of a set, by Python's own matcher."""
        pattern = compiled(op, value, state, flags)
        return functools.cache(lambda character: pattern.match(character) is not None)

    def one(self, accepts: Callable) -> Callable:
        return lambda at, then: then(at + 1) if self.step() and at < len(self.text) and accepts(self.text[at]) else None

    def group(self, number: int | None, inner: Callable) -> Callable:
        if number is None:
            return inner

        def match(at, then):
            before = self.groups.get(number)

            def closed(end):
                within = self.groups.get(number)
                self.groups[number] = (at, end)
                found = then(end)
                if found is None:
                    self.put(number, within)
                return found

            found = inner(at, closed)
            if found is None:
                self.put(number, before)
            return found

        return match

    def branch(self, branches: list[Callable]) -> Callable:
        def match(at, then):
            for one in branches:  # a loop: Python 3.12 lets a generator be entered 1,500 times within itself
                self.steps += 1
                if (end := one(at, then)) is not None:
                    return end
            return None

        return match

    def put(self, number: int, span: tuple[int, int] | None) -> None:
        if span is None:
            self.groups.pop(number, None)
        else:
            self.groups[number] = span

    def look(self, wanted: bool, direction: int, tree, inner: Callable) -> Callable:
        width = tree.getwidth()[0] if direction < 0 else 0

        def match(at, then):
            self.steps += 1
            there = at >= width and inner(at - width, same) is not None
            return then(at) if there == wanted else None

        return match

    def back(self, number: int, flags: int, at: int, then: Callable):
        self.steps += 1
        if number not in self.groups:
            return None
        words = self.text[slice(*self.groups[number])]
        there = self.text[at : at + len(words)]
        equal = there.lower() == words.lower() if flags & re.I else there == words
        return then(at + len(words)) if equal else None

    def repeat(self, op, least: int, most: int, tree, flags: int) -> Callable:
        if len(tree) == 1 and tree[0][0] in self.ONE:
            return self.repeat_one(op, least, most, self.accepts(*tree[0], tree.state, flags))
        inner = self.sequence(tree, flags)

        def greedy(at, then, count=0):
            self.steps += 1
            if count < most:
                found = inner(at, lambda end: None if end == at and count >= least else greedy(end, then, count + 1))
                if found is not None:
                    return found
            return then(at) if count >= least else None

        def lazy(at, then, count=0):
            self.steps += 1
            if count >= least and (found := then(at)) is not None:
                return found
            return (
                inner(at, lambda end: None if end == at and count >= least else lazy(end, then, count + 1))
                if count < most
                else None
            )

        if op is _constants.POSSESSIVE_REPEAT:
            return lambda at, then: None if (end := greedy(at, same)) is None else then(end)
        return greedy if op is _constants.MAX_REPEAT else lazy

    def repeat_one(self, op, least: int, most: int, accepts: Callable) -> Callable:
        """Of single characters: without a call for each of them."""

        def reach(at, limit):
            text, size, end = self.text, len(self.text), at
            while end < size and end - at < limit and accepts(text[end]):
                end += 1
            self.steps += end - at + 1
            return end

        def greedy(at, then):
            for end in range(reach(at, most), at + least - 1, -1):
                self.steps += 1
                if (found := then(end)) is not None:
                    return found
            return None

        def lazy(at, then):
            end = reach(at, least)
            while end - at >= least:
                self.steps += 1
                if (found := then(end)) is not None:
                    return found
                if end - at >= most or end >= len(self.text) or not accepts(self.text[end]):
                    return None
                end += 1
            return None

        def possessive(at, then):
            end = reach(at, most)
            return then(end) if end - at >= least else None

        return {_constants.MAX_REPEAT: greedy, _constants.MIN_REPEAT: lazy}.get(op, possessive)


def same(at: int) -> int:
    return at


def compiled(op, value, state, flags: int) -> re.Pattern:
    """One node of a tree as a pattern."""
    return _compiler.compile(_parser.SubPattern(state, [(op, value)]), flags)
