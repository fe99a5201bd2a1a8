"""Whose a mailbox is: by `ingest.author`, else by what is there. Only the owner's own mail is learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from corpus.filters import is_same_person


class MailHead(NamedTuple):
    """What the head of a mail says."""

    name: str  # of the sender
    address: str  # of the sender, in lower case
    mark: str  # "sent", "draft", "trash", "spam" or ""
    is_list: bool  # a newsletter, a mailing list or a robot's
    recipients: tuple[str, ...]  # addresses
    delivered_to: str  # the mailbox's own address, where its server wrote it down


@dataclass(frozen=True)
class MailOwner:
    """`author`: ingest.author. Where that is empty, `addresses` are the owner's, and `why` says how they were found."""

    author: str = ""
    addresses: frozenset[str] = frozenset()
    why: str = ""

    def identity(self, name: str, address: str, mark: str) -> str:
        """The name by which the owner sent a mail; empty if somebody else sent it."""
        if self.author:
            return next((known for known in (name, address) if known and is_same_person(self.author, known)), "")
        return (name or address) if mark == "sent" or address in self.addresses else ""

    def __str__(self) -> str:
        if self.author:
            return f"{self.author} (ingest.author)"
        return f"{sorted(self.addresses)[0]} ({self.why}; ingest.author overrules)"


def find_owner(heads: Iterable[MailHead], author: str) -> MailOwner | None:
    """The owner of the mails: `author`, else the commonest sender of mail that is marked as sent, else the address that
    mail is delivered to, else the commonest sender. None without a mail."""
    if author:
        return MailOwner(author)
    counts = {kind: Counter[str]() for kind in ("sent", "draft", "delivered", "personal", "all")}
    recipients: Counter[str] = Counter()
    names: dict[str, Counter[str]] = {}
    for head in heads:
        if not head.address or head.mark in ("trash", "spam"):
            continue
        names.setdefault(head.address, Counter())[head.name.casefold()] += 1
        counts["all"][head.address] += 1
        counts["delivered"][head.delivered_to] += 1
        if head.mark in ("sent", "draft"):
            counts[head.mark][head.address] += 1
        if not head.is_list:
            counts["personal"][head.address] += 1
        recipients.update(address for address in head.recipients if address != head.address)
    counts["delivered"] = Counter({a: n for a, n in counts["delivered"].items() if a in counts["all"]})
    reasons = {
        "sent": "the commonest sender of mail that is marked as sent",
        "draft": "the sender of the drafts",
        "delivered": "the address that mail is delivered to",
        "personal": "the commonest sender",
        "all": "the commonest sender",
    }
    for kind, why in reasons.items():
        if counts[kind]:
            # of equally common ones, who is written to most
            owner = max(counts[kind], key=lambda address: (counts[kind][address], recipients[address], address))
            return MailOwner("", frozenset({owner, *_same_name(owner, names)}), f"{why}")
    return None


def _same_name(owner: str, names: dict[str, Counter[str]]) -> list[str]:
    """Other addresses of a sender: those with the same name, of two words at least."""
    known = {name for name in names[owner] if len(name.split()) > 1}
    return [address for address, said in names.items() if known & set(said)]
