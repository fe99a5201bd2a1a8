"""What says that the public does not see a post, in whichever format, and how the tables name it."""

from collections.abc import Mapping
from typing import Any

DRAFT, SCHEDULED, TRASHED, PASSWORD = "a draft", "scheduled, and not yet public", "in the trash", "behind a password"
YES, NO = {"true", "yes", "on", "y", "t", "1"}, {"false", "no", "off", "n", "nil", "0"}
# fmt: off
STATES = {  # a status, in lower case
    "draft": DRAFT, "drafts": DRAFT, "auto-draft": DRAFT, "wip": DRAFT, "in progress": DRAFT, "in-progress": DRAFT,
    "future": SCHEDULED, "scheduled": SCHEDULED,
    "private": "private", "internal": "private", "secret": "private",
    "pending": "waits for review, and is not public",
    "trash": TRASHED, "trashed": TRASHED, "soft_trashed": TRASHED, "deleted": TRASHED,
    "hidden": "hidden", "skip": "hidden", "unlisted": "unlisted", "unpublished": "unpublished",
}
STATE_KEYS = (
    "status", "state", "stage", "publish_status", "publishstatus", "post_status", "poststatus", "ghost_status",
    "visibility",
)
IF_YES = {  # keys of a head that say so by a yes
    "draft": DRAFT, "isdraft": DRAFT, "is_draft": DRAFT, "_draft": DRAFT, "hugo_draft": DRAFT, "wip": DRAFT,
    "private": "private", "hidden": "hidden", "unlisted": "unlisted", "protected": PASSWORD,
    "eleventyexcludefromcollections": "hidden",
}
IF_NO = ("published", "publish", "public", "ispublished", "is_published", "ispublic", "is_public", "dg-publish")
# fmt: on


def state_reason(state: Any) -> str:
    """Why a post of this status is not public; empty for a public or unknown one."""
    return STATES.get(str(state or "").strip().lower(), "")


def status_reason(status: str, public: tuple[str, ...]) -> str:
    """Why a post is not public by a status that its format defines: all but the `public` ones say so."""
    status = status.strip().lower()
    if status in public:
        return ""
    return STATES.get(status) or f"not public: its status is “{status[:40]}”"


def head_reason(head: Mapping[str, Any]) -> str:
    """Why the post below a head, whose keys are in lower case, is not public; empty if it is."""
    if str(head.get("password") or "").lower() not in {"", *NO} or str(head.get("visibility")).lower() == "password":
        return PASSWORD
    if any(str(head.get(key) or "").strip().lower() == "draft" for key in ("type", "layout")):
        return DRAFT
    if "protected" in str(head.get("visibility") or "").lower():
        return PASSWORD
    stated = [state_reason(head.get(key)) for key in STATE_KEYS]
    stated += [reason for key, reason in IF_YES.items() if str(head.get(key) or "").strip().lower() in YES]
    stated += ["unpublished" for key in IF_NO if str(head.get(key) or "").strip().lower() in NO]
    return next(filter(None, stated), "")
