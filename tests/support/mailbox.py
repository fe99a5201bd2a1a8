"""Mails and mailboxes as Gmail, Outlook, Apple Mail and Thunderbird write them; all invented."""

WORDS = (
    "We rowed out to the buoy before breakfast and found the rope gone, so we tied the boat to the old ring and waited"
    " there for the ferry."
)
OWNER, FRIEND = "Orla Penhale <orla@pier.example>", "Dan Foss <dan@hill.example>"


def mail(text=WORDS, sender=OWNER, subject="The buoy", head="", kind="text/plain", to=FRIEND) -> str:
    return (
        f"From: {sender}\nTo: {to}\nSubject: {subject}\nDate: Sun, 03 May 2020 08:00:00 +0000\n{head}"
        f"Content-Type: {kind}; charset=utf-8\n\n{text}\n"
    )


def mailbox(*mails: str) -> str:
    return "\n".join(f"From 1665@xxx Sun May 03 08:00:00 +0000 2020\n{one}" for one in mails)
