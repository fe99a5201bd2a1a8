"""Mailboxes: what their owner sent is learnt, and of it the owner's own words."""

import pytest

from corpus import readers
from corpus.ingest import ingest_folder
from corpus.readers.mail_text import own_text, own_text_of_html
from tests.support.blog_exports import put, zipped
from tests.support.mailbox import FRIEND, OWNER, WORDS, mail, mailbox
from tests.support.operation_count import assert_linear

QUOTED = "Nobody has seen the winch since Easter, says the harbour master of all people."


def ingest(folder, author=""):
    """(texts that are learnt, {source: (cause, reason)})."""
    posts, left = ingest_folder(folder, 5, 1e7, author)
    return [post["text"] for post in posts], {row["source"]: (row["cause"], row["reason"]) for row in left}


# --- whose mail it is -------------------------------------------------------------------------------------------------


def test_of_a_gmail_export_only_sent_mail_is_learnt(tmp_path):
    """The friend writes more often than the owner: the labels decide, not the number."""
    mails = [
        mail(head="X-Gmail-Labels: Sent,Opened\n"),
        *(mail(f"{QUOTED} {n}", FRIEND, head="X-Gmail-Labels: Inbox\n", to=OWNER) for n in range(3)),
        mail(QUOTED + " Deal!", "Deals <no-reply@shop.example>", head="X-Gmail-Labels: Spam\n", to=OWNER),
        mail(WORDS + " Gone.", head="X-Gmail-Labels: Sent,Trash\n"),
        mail(WORDS + " Unfinished.", head="X-Gmail-Labels: Drafts\n"),
        mail(QUOTED + " News.", "Weekly <w@news.example>", head="List-Unsubscribe: <https://x.example>\n", to=OWNER),
    ]
    put(tmp_path, "All mail Including Spam and Trash.mbox", mailbox(*mails))
    learnt, left = ingest(tmp_path)
    assert learnt == [WORDS]
    place = "All mail Including Spam and Trash.mbox#mail {}".format
    assert [left[place(n)][0] for n in (2, 5, 6, 7, 8)] == [
        "not yours",
        "not yours",
        "not public",
        "not public",
        "not yours",
    ]
    assert left[place(2)][1] == (
        "mail by somebody else: Dan Foss, not orla@pier.example (the commonest sender of mail that is marked as sent;"
        " ingest.author overrules)"
    )
    assert left[place(8)][1].startswith("a newsletter by somebody else: Weekly")


def test_labels_in_another_language_and_in_encoded_words_are_understood(tmp_path):
    head = "X-Gmail-Labels: =?UTF-8?Q?Entw=C3=BCrfe?=\n"
    put(tmp_path, "a.mbox", mailbox(mail(head="X-Gmail-Labels: Gesendet\n"), mail(WORDS + " No.", head=head)))
    learnt, left = ingest(tmp_path)
    assert learnt == [WORDS] and left["a.mbox#mail 2"] == ("not public", "a draft")


def test_the_folder_of_a_mailbox_says_what_is_in_it(tmp_path):
    """Apple Mail's folder of a mailbox, Thunderbird's file without an ending, Outlook's folder of mails."""
    for name, content in {
        "Sent Messages.mbox/mbox": mailbox(mail()),
        "Inbox": mailbox(*(mail(f"{QUOTED} {n}", FRIEND, to=OWNER) for n in range(3))),
        "Junk E-mail/deal.eml": mail(QUOTED + " Deal!", OWNER),
        "Deleted Items/old.eml": mail(WORDS + " Old.", OWNER),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        put(tmp_path, name, content)
    learnt, left = ingest(tmp_path)
    assert learnt == [WORDS]
    assert left["Junk E-mail/deal.eml"][0] == "not yours" and left["Deleted Items/old.eml"][0] == "not public"
    assert left["Inbox#mail 1"][0] == "not yours"


@pytest.mark.parametrize(
    "head, cause",
    [
        ("X-Spam-Flag: YES\n", "not yours"),
        ("X-Mozilla-Status: 0009\n", "not public"),  # read, and deleted
        ("X-Mozilla-Status: 0001\n", None),
        ("X-Unsent: 1\n", "not public"),
        ("X-Status: D\n", "not public"),
        ("X-Folder: \\Orla_May2020\\Sent Items\n", None),
    ],
)
def test_the_marks_of_other_programs_are_read(tmp_path, head, cause):
    put(tmp_path, "a.eml", mail(head=head))
    learnt, left = ingest(tmp_path)
    assert (learnt, left["a.eml"][0]) == ([], cause) if cause else learnt == [WORDS]


def test_without_marks_the_commonest_sender_is_the_author_and_the_newsletters_of_others_do_not_count(tmp_path):
    for n in range(2):
        put(tmp_path, f"own {n}.eml", mail(f"{WORDS} {n}"))
    put(tmp_path, "other.eml", mail(QUOTED, FRIEND, to=OWNER))
    for n in range(4):
        put(tmp_path, f"news {n}.eml", mail(f"{QUOTED} {n}", "Weekly <w@news.example>", head="List-Id: <weekly>\n"))
    learnt, left = ingest(tmp_path)
    assert learnt == [f"{WORDS} 0", f"{WORDS} 1"]
    assert "the commonest sender; ingest.author overrules" in left["other.eml"][1]


def test_an_author_s_own_newsletters_are_learnt(tmp_path):
    head = "List-Unsubscribe: <https://x.example>\nPrecedence: bulk\n"
    put(tmp_path, "a.mbox", mailbox(*(mail(f"{WORDS} {n}", head=head) for n in range(3))))
    assert len(ingest(tmp_path)[0]) == 3


def test_another_address_with_the_same_name_is_the_same_author(tmp_path):
    mails = mail(), mail(WORDS + " At work.", "Orla Penhale <o.penhale@work.example>"), mail(QUOTED, FRIEND)
    put(tmp_path, "a.mbox", mailbox(mail(WORDS + " Twice."), *mails))
    assert len(ingest(tmp_path)[0]) == 3


def test_ingest_author_overrules_what_the_mailbox_says(tmp_path):
    """By name or by address."""
    mails = mail(head="X-Gmail-Labels: Sent\n"), mail(QUOTED, FRIEND, head="X-Gmail-Labels: Inbox\n")
    put(tmp_path, "a.mbox", mailbox(*mails))
    for author in ("Dan Foss", "dan@hill.example"):
        learnt, left = ingest(tmp_path, author)
        assert learnt == [QUOTED] and f"not {author} (ingest.author)" in left["a.mbox#mail 1"][1]


def test_mailboxes_without_an_ending_are_read_in_a_zip_as_well(tmp_path):
    received = mailbox(*(mail(f"{QUOTED} {n}", FRIEND) for n in range(3)))
    files = {"Sent Messages.mbox/mbox": mailbox(mail()), "Inbox.mbox/mbox": received, "LICENSE": "Do as you like."}
    put(tmp_path, "mail.zip", zipped(files))
    learnt, left = ingest(tmp_path)
    assert learnt == [WORDS] and left["mail.zip#LICENSE"][1] == "not a post format (no ending)"


def test_the_owner_of_a_mailbox_in_a_zip_is_found_as_well(tmp_path):
    sent = mailbox(mail(head="X-Gmail-Labels: Sent\n"))
    received = mailbox(*(mail(f"{QUOTED} {n}", FRIEND) for n in range(3)))
    put(tmp_path, "takeout.zip", zipped({"Takeout/Mail/Sent.mbox": sent, "Takeout/Mail/Inbox.mbox": received}))
    assert ingest(tmp_path)[0] == [WORDS]


# --- the author's own words of it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        f"On Sun, May 3, 2020 at 8:00 AM Dan Foss <dan@hill.example> wrote:\n\n> {QUOTED}\n>\n> {QUOTED}\n",
        f"On Sun, May 3, 2020 at 8:00 AM Dan Foss\n<dan@hill.example> wrote:\n\n{QUOTED}\n",
        f"Am 03.05.2020 um 08:00 schrieb Dan Foss:\n> {QUOTED}\n",
        f"Le dim. 3 mai 2020 à 08:00, Dan Foss <dan@hill.example> a écrit :\n> {QUOTED}\n",
        f"El dom, 3 may 2020 a las 8:00, Dan Foss (<dan@hill.example>) escribió:\n\n> {QUOTED}\n",
        f"Dan Foss <dan@hill.example> wrote:\n> {QUOTED}\n",
        f"-----Original Message-----\nFrom: Dan Foss\nSent: Sunday, May 3, 2020 8:00 AM\nTo: Orla\n\n{QUOTED}\n",
        f"From: Dan Foss <dan@hill.example>\nSent: Sunday, May 3, 2020 8:00 AM\nTo: Orla\nSubject: Buoy\n\n{QUOTED}\n",
        f"________________________________\nVon: Dan Foss\nGesendet: Sonntag\nAn: Orla\nBetreff: Boje\n\n{QUOTED}\n",
        f"Am So., 3. Mai 2020 um 08:00 Uhr schrieb Dan Foss <\ndan@hill.example>:\n\n> {QUOTED}\n",
        f"2020年5月3日(日) 8:00 Dan Foss <dan@hill.example>:\n\n> {QUOTED}\n",
        f"Dan wrote:\n> {QUOTED}\n",
        f"---- On Sun, 03 May 2020 08:00:00 +0100 Dan Foss wrote ----\n\n{QUOTED}\n",
        f"________________________________\nFrom: Dan Foss\nSent: Sunday\n\n{QUOTED}\n",
        f"---------- Forwarded message ---------\nFrom: Dan Foss\nDate: Sun\nSubject: x\nTo: y\n\n{QUOTED}\n",
        f"Begin forwarded message:\n\nFrom: Dan Foss\nSubject: x\nDate: y\n\n{QUOTED}\n",
        "-- \nOrla Penhale, harbour master's clerk\n",
        "Sent from my telephone\n",
    ],
    ids=lambda tail: tail.split("\n")[0][:30],
)
def test_what_follows_the_author_s_words_in_plain_text_goes(tail):
    text, has_quotes = own_text(f"{WORDS}\n\n{tail}", is_plain=True)
    assert text == WORDS and has_quotes == (QUOTED in tail)


def test_an_answer_below_or_between_quoted_lines_stays():
    text, _ = own_text(f"On 3 May 2020 at 8:00 Dan wrote:\n> {QUOTED}\n\n{WORDS}\n> {QUOTED}\nYes.", is_plain=True)
    assert text == f"{WORDS}\nYes."


@pytest.mark.parametrize(
    "text",
    [
        f"On 5 May my aunt wrote:\n\n{WORDS}",
        f"From: the pier\n\n{WORDS}",
        f"I asked what she wrote: {WORDS}",
        f"Here is the list:\n\n{WORDS}",
        f"To: do list\n\n{WORDS}",
    ],
)
def test_words_that_only_look_like_a_quotation_stay(text):
    assert own_text(text, is_plain=True) == (text, False)


@pytest.mark.parametrize(
    "tail",
    [
        f'<div class="gmail_quote"><div class="gmail_attr">On Sun Dan wrote:<br></div><i>{QUOTED}</i></div>',
        f'<div>On May 3, 2020, at 8:00, Dan &lt;d@h.example&gt; wrote:</div><blockquote type="cite">{QUOTED}',
        f'<div class="moz-cite-prefix">Am 3.5.20 schrieb Dan:</div><blockquote type="cite">{QUOTED}</blockquote>',
        f'<div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Dan</div><div>{QUOTED}</div>',
        f'<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p><b>From:</b> Dan</p></div><p>{QUOTED}</p>',
        f"<p><b>From:</b> Dan Foss<br><b>Sent:</b> Sunday<br><b>To:</b> Orla<br><b>Subject:</b> x</p><p>{QUOTED}</p>",
        f'<div class="yahoo_quoted"><div>On Sunday, Dan wrote:</div><div>{QUOTED}</div></div>',
        f'<div name="quote"><div><b>Gesendet:</b> Sonntag<br><b>Von:</b> Dan</div><div>{QUOTED}</div></div>',
    ],
    ids=["gmail", "apple", "thunderbird", "outlook web", "outlook", "outlook text", "yahoo", "gmx"],
)
def test_the_quoted_mail_in_html_goes(tail):
    assert own_text_of_html(f"<div><p>{WORDS}</p>{tail}</div>") == (WORDS, True)


def test_the_author_s_own_block_quotation_in_html_stays():
    text, has_quotes = own_text_of_html(f"<p>{WORDS}</p><blockquote>A rope, a rope!</blockquote><p>So she said.</p>")
    assert "> A rope, a rope!" in text and not has_quotes


def test_a_signature_in_html_goes_and_is_no_quotation():
    assert own_text_of_html(f'<p>{WORDS}</p><div class="gmail_signature">Orla</div>') == (WORDS, False)


def test_a_mail_that_only_forwards_another_is_not_the_author_s(tmp_path):
    put(tmp_path, "a.eml", mail(f"---------- Forwarded message ---------\nFrom: Dan\n\n{QUOTED}"))
    learnt, left = ingest(tmp_path)
    assert not learnt and left["a.eml"] == ("not yours", "nothing but a quoted or forwarded mail")


def test_a_mail_that_is_attached_to_another_is_not_read(tmp_path):
    body = (
        f"--b\nContent-Type: text/plain\n\n{WORDS}\n--b\nContent-Type: message/rfc822\n\n"
        f"From: {FRIEND}\nContent-Type: text/html\n\n<p>{QUOTED}</p>\n--b--"
    )
    put(tmp_path, "a.eml", mail(body, kind="multipart/mixed; boundary=b"))
    assert ingest(tmp_path)[0] == [WORDS]


def test_titles_lose_re_and_a_cut_mail_says_what_was_mended(tmp_path):
    put(tmp_path, "a.eml", mail(f"{WORDS}\n\nOn 3 May 2020, Dan wrote:\n> {QUOTED}", subject="Re: AW: Re[2]: The buoy"))
    (post,), _ = ingest_folder(tmp_path, 5, 1e7)
    assert (post["title"], post["mended"], post["format"]) == ("The buoy", ["a quoted mail in it"], "eml")


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_paragraph_that_begins_with_from_is_no_separator(tmp_path):
    text = f"{WORDS}\n\nFrom the pier we saw it: on Sun May 3 the rope was whole.\n\nFrom here on it rained."
    put(tmp_path, "a.mbox", mailbox(mail(text), mail(WORDS + " Two.")))
    learnt, left = ingest(tmp_path)
    assert learnt == [text, WORDS + " Two."] and not left


@pytest.mark.parametrize(
    "line",
    [
        "From orla@pier.example Sun May  3 08:00:00 2020",
        "From - Sun May 03 08:00:00 2020",
        "From 1665@xxx Sun May 03 08:00:00 +0000 2020",
        "From MAILER-DAEMON Sun, 3 May 2020 08:00:00",
        "From orla@pier.example",
        "From orla@pier.example 2020-05-03 08:00:00",
    ],
)
def test_the_separators_of_all_programs_are_known(tmp_path, line):
    put(tmp_path, "a.mbox", f"{line}\n{mail()}\n{line}\r\n{mail(WORDS + ' Two.')}")
    assert len(ingest(tmp_path)[0]) == 2


def test_apple_s_emlx_is_a_mail_with_its_length_before_it(tmp_path):
    content = mail()
    put(tmp_path, "1.emlx", f"{len(content)}\n{content}<?xml version='1.0'?><plist><dict/></plist>")
    assert ingest(tmp_path)[0] == [WORDS]


def test_latin_1_that_is_windows_1252_keeps_its_quotation_marks(tmp_path):
    head = mail("").replace("utf-8", "iso-8859-1").encode()
    put(tmp_path, "a.eml", head + WORDS.encode() + b" It\x92s \x93cold\x94 \x85")
    assert ingest(tmp_path)[0][0].endswith("It’s “cold” …")


def test_a_mail_of_more_than_the_limit_is_left_out_and_the_next_one_is_read(tmp_path):
    path = put(tmp_path, "a.mbox", mailbox(mail("x" * 20_000), mail()))
    large, post = readers.iter_posts(path, 10_000)
    assert isinstance(large, readers.SkippedPost) and "max_file_mb" in str(large) and post.text == WORDS


def test_words_above_a_quotation_that_name_nobody_stay():
    text = f"{WORDS}\n\nTwo things:\n\n> {QUOTED}\n\nI agree."
    assert own_text(text, is_plain=True) == (f"{WORDS}\n\nTwo things:\n\n\nI agree.", True)


@pytest.mark.parametrize("unit", ["On 1 ", "> ", "From: a\n", "a@", "_", "*", "On 1 x wrote:\n", "From: <a@b\nTo: "])
def test_finding_quotations_takes_time_that_grows_with_the_length_only(unit):
    assert_linear(lambda text: own_text(text, is_plain=True), lambda size: WORDS + "\n" + unit * (size // len(unit)))


def test_a_maildir_is_read_by_the_marks_in_its_names(tmp_path):
    put(tmp_path, "Mail/.Sent/cur/1588490000.M1P1.pier:2,S", mail())
    put(tmp_path, "Mail/.INBOX.Sent/new/1588490001.M1P1.pier", mail(WORDS + " Two."))
    put(tmp_path, "Mail/.Sent/cur/1588490002.M1P1.pier:2,ST", mail(WORDS + " Gone."))
    put(tmp_path, "Mail/cur/1588490003.M1P1.pier:2,S", mail(WORDS + " Theirs.", sender=FRIEND, to=OWNER))
    learnt, left = ingest(tmp_path)
    assert sorted(learnt) == [WORDS, WORDS + " Two."]
    assert sorted(cause for cause, _ in left.values()) == ["not public", "not yours"]


@pytest.mark.parametrize(
    "kind, text, expected",
    [
        ("text/plain; format=flowed", "We rowed \nout to the buoy.\n\n From here \non.\n-- \nOrla", "We rowed out"),
        ("text/plain; format=flowed; delsp=yes", "We rowed \nout", "We rowedout"),
        ("text/plain", "We rowed \nout", "We rowed \nout"),
    ],
)
def test_lines_that_were_wrapped_for_sending_are_one_again(tmp_path, kind, text, expected):
    put(tmp_path, "a.eml", mail(f"{text}\n\n{WORDS}", kind=kind))
    assert ingest(tmp_path)[0][0].startswith(expected)
