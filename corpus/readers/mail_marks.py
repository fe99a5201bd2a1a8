"""In which folder a mail lay, and what kind of mail it is, as its head and the path of its file say."""

import re
from collections.abc import Callable, Iterable
from pathlib import PurePath

# fmt: off
FOLDERS = {  # names as Gmail, Outlook, Apple Mail and Thunderbird give them, in nine languages
    "sent": {
        "sent", "sent items", "sent messages", "sent mail", "sent-mail", "gesendet", "gesendete elemente",
        "gesendete objekte", "messages envoyés", "éléments envoyés", "envoyés", "enviados", "elementos enviados",
        "mensajes enviados", "inviati", "posta inviata", "inviata", "verzonden", "verzonden items",
        "verzonden berichten", "itens enviados", "e-mails enviados", "skickat", "skickade objekt", "sendt",
        "sendte elementer", "wysłane", "elementy wysłane", "отправленные",
    },
    "draft": {
        "drafts", "draft", "templates", "unsent messages", "outbox", "entwürfe", "vorlagen", "postausgang",
        "brouillons", "modèles", "borradores", "bozze", "concepten", "rascunhos", "utkast", "kladder", "szkice",
        "wersje robocze", "черновики",
    },
    "trash": {
        "trash", "bin", "deleted", "deleted items", "deleted messages", "papierkorb", "gelöscht",
        "gelöschte elemente", "gelöschte objekte", "corbeille", "éléments supprimés", "papelera",
        "elementos eliminados", "cestino", "posta eliminata", "prullenbak", "verwijderde items", "lixeira",
        "itens excluídos", "papperskorgen", "borttagna objekt", "papirkurv", "slettet post", "kosz", "корзина",
    },
    "spam": {
        "spam", "junk", "junk e-mail", "junk email", "junk mail", "bulk mail", "unerwünscht", "spamverdacht",
        "indésirables", "courrier indésirable", "correo no deseado", "posta indesiderata", "ongewenst",
        "ongewenste e-mail", "lixo eletrônico", "skräppost", "søppelpost", "uønsket mail", "спам",
    },
}
# fmt: on
FOLDER_FIELDS = ("X-Gmail-Labels", "X-Folder", "X-Folder-Name", "X-Mailbox", "X-Label")
EXPUNGED = 0x0008  # a flag of X-Mozilla-Status: deleted in Thunderbird, and still in the file
MAILDIR_NAME = re.compile(r"\d{9,}\.[^/\s]+?(?:[:;!_-]2,(?P<flags>[A-Za-z]*))?")
MAILDIR_FLAGS = {"T": "trash", "D": "draft"}
Header = Callable[[str], str]


def mark_of(header: Header, path: PurePath) -> str:
    """Where a mail lay: "sent", "draft", "trash" or "spam"; empty for other folders. What keeps it out decides."""
    folders = [name for field in FOLDER_FIELDS for name in re.split(r"[,\\/]", header(field))]
    marks = {*_marks(folders), *_marks(_folder_names(path)), *_flags(header), *_maildir_flags(path)}
    return next((mark for mark in ("spam", "trash", "draft", "sent") if mark in marks), "")


def _folder_names(path: PurePath) -> list[str]:
    """The name of a mailbox and of the two folders above: "Sent Messages.mbox/mbox", ".INBOX.Sent/cur/1"."""
    names = [part.removesuffix(".mbox").removesuffix(".sbd") for part in (path.stem, *path.parts[-3:-1])]
    return [name.rpartition(".")[2] if name.startswith(".") else name for name in names]


def is_maildir_mail(path: PurePath) -> bool:
    """True for a mail of a Maildir, which has no extension: "cur/1552000000.M1P1.host:2,S"."""
    return path.parent.name in ("cur", "new") and MAILDIR_NAME.fullmatch(path.name) is not None


def _maildir_flags(path: PurePath) -> set[str]:
    match = MAILDIR_NAME.fullmatch(path.name) if is_maildir_mail(path) else None
    return {MAILDIR_FLAGS[flag] for flag in (match["flags"] or "" if match else "") if flag in MAILDIR_FLAGS}


def _marks(folders: Iterable[str]) -> set[str]:
    names = {" ".join(name.strip().strip('"').casefold().split()) for name in folders}
    return {mark for mark, known in FOLDERS.items() if names & known}


def _flags(header: Header) -> set[str]:
    marks = set()
    if header("X-Spam-Flag").upper() == "YES" or header("X-Spam-Status").lower().startswith("yes"):
        marks.add("spam")
    if re.fullmatch(r"[0-9a-fA-F]{4}", status := header("X-Mozilla-Status")) and int(status, 16) & EXPUNGED:
        marks.add("trash")
    if "D" in header("X-Status"):
        marks.add("trash")
    if "T" in header("X-Status") or header("X-Unsent") == "1" or "draft" in header("X-Mozilla-Draft-Info").lower():
        marks.add("draft")
    return marks


def is_list_mail(header: Header) -> bool:
    """True for a newsletter, a mailing list's mail or a robot's, whoever signs it."""
    return bool(
        header("List-Id")
        or header("List-Unsubscribe")
        or header("Precedence").lower() in ("bulk", "list", "junk")
        or header("Auto-Submitted").lower() not in ("", "no")
    )
