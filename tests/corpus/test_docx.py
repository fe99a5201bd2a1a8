"""Word files as Word, Google Docs, LibreOffice and converters write them: each word of the text once, nothing else."""

import io
import re
import zipfile

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from corpus import readers
from corpus.readers.docx import DAMAGE, XML_MAX_BYTES
from corpus.readers.docx_markdown import TRACKED_CHANGES
from tests.support.operation_count import work

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT = "http://purl.oclc.org/ooxml"
NAMESPACES = (
    f'xmlns:w="{W}" xmlns:r="{R}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)
BY = "w:id='7' w:author='An editor' w:date='2021-01-01T00:00:00Z'"


def r(text: str, look: str = "") -> str:
    """A run; `look` is what its rPr holds."""
    return f"<w:r><w:rPr>{look}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


def p(inner: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{inner}</w:p>"


def item(text: str, level: int = 0, num: int = 1) -> str:
    return p(r(text), f"<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='{num}'/></w:numPr>")


def style(id: str, name: str, inner: str = "", kind: str = "paragraph") -> str:
    return f"<w:style w:type='{kind}' w:styleId='{id}'><w:name w:val='{name}'/>{inner}</w:style>"


def level(number: int, kind: str) -> str:
    return f"<w:lvl w:ilvl='{number}'><w:start w:val='1'/><w:numFmt w:val='{kind}'/></w:lvl>"


def num(id: int, abstract: int, inner: str = "") -> str:
    return f"<w:num w:numId='{id}'><w:abstractNumId w:val='{abstract}'/>{inner}</w:num>"


STYLES = (
    style("Gewhnlich", "Normal").replace("<w:style ", "<w:style w:default='1' ")
    + style("berschrift1", "heading 1", "<w:pPr><w:outlineLvl w:val='0'/></w:pPr>")
    + style("berschrift3", "heading 3", "<w:pPr><w:outlineLvl w:val='2'/></w:pPr>")
    + style("Chapter", "My chapters", "<w:basedOn w:val='berschrift3'/>")
    + style("Titel", "Title")
    + style("Zitat", "Quote")
    + style("Listing", "Source Code")
    + style("Toc1", "toc 1")
    + style("Stars", "My stars", "<w:pPr><w:numPr><w:numId w:val='1'/></w:numPr></w:pPr>")
    + style("Fett", "Strong", kind="character")
    + style("Verbatim", "Verbatim Char", kind="character")
)
NUMBERING = (
    f"<w:abstractNum w:abstractNumId='0'>{level(0, 'bullet')}{level(1, 'decimal')}{level(2, 'bullet')}</w:abstractNum>"
    f"<w:abstractNum w:abstractNumId='5'>{level(0, 'lowerLetter')}</w:abstractNum>"
    f"<w:abstractNum w:abstractNumId='6'>{level(0, 'none')}</w:abstractNum>"
    + num(1, 0)
    + num(2, 5)
    + num(3, 5, "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='1'/></w:lvlOverride>")
    + num(4, 6)
)


def word(body: str, relationships: str = "", main: str = "word/document.xml", **parts: str) -> dict[str, str]:
    """The parts of a .docx with this body: {name in the .zip: text}."""
    parts = {"styles": STYLES, "numbering": NUMBERING, **parts}
    folder, _, name = main.rpartition("/")
    related = "".join(f'<Relationship Id="{k}" Type="{R}/{k}" Target="{k}.xml"/>' for k in parts)
    found = {
        "_rels/.rels": f'<Relationships><Relationship Type="{R}/officeDocument" Target="{main}"/></Relationships>',
        main: f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
        f"{folder}/_rels/{name}.rels": f"<Relationships>{related}{relationships}</Relationships>",
    }
    return found | {f"{folder}/{k}.xml": f"<w:{k} {NAMESPACES}>{inner}</w:{k}>" for k, inner in parts.items()}


def pack(parts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path):
    """Reads a .docx of these parts, or with this body."""

    def read_parts(parts: dict[str, str] | str, **more: str) -> readers.Post:
        path = tmp_path / "the-ferry.docx"
        path.write_bytes(pack(word(parts, **more) if isinstance(parts, str) else parts))
        return readers.read_post(path, 1e8)

    return read_parts


def blocks(post: readers.Post) -> list[str]:
    return post.text.split("\n\n")


# --- tracked changes --------------------------------------------------------------------------------------------------


def test_insertions_are_text_and_deletions_are_not(read):
    old = f"<w:del {BY}><w:r><w:delText>rowed</w:delText></w:r></w:del>"
    post = read(p(r("We ") + old + f"<w:ins {BY}>{r('sailed')}</w:ins>" + r(" home.")))
    assert post.text == "We sailed home."
    assert post.mended == [TRACKED_CHANGES]


def test_a_document_without_changes_needs_no_mending(read):
    assert read(p(r("We sailed."))).mended == []


def test_a_moved_paragraph_stands_where_it_was_moved_to(read):
    here = f"<w:moveFrom {BY}>{r('The ferry left.')}</w:moveFrom>"
    mark = f"<w:rPr><w:moveFrom {BY}/></w:rPr>"
    there = f"<w:moveTo {BY}>{r('The ferry left.')}</w:moveTo>"
    assert read(p(here, mark) + p(r("It rained.")) + p(there)).text == "It rained.\n\nThe ferry left."


def test_paragraphs_are_joined_where_the_break_between_them_was_deleted(read):
    post = read(p(r("We sailed "), f"<w:rPr><w:del {BY}/></w:rPr>") + p(r("home.")) + p(r("Then we slept.")))
    assert blocks(post) == ["We sailed home.", "Then we slept."]


def test_deleted_rows_and_paragraphs_in_a_deletion_are_gone(read):
    rows = "".join(
        f"<w:tr><w:trPr>{mark}</w:trPr><w:tc>{p(r(a))}</w:tc><w:tc>{p(r('x'))}</w:tc></w:tr>"
        for a, mark in (("head", ""), ("gone", f"<w:del {BY}/>"), ("stays", f"<w:ins {BY}/>"))
    )
    post = read(f"<w:tbl>{rows}</w:tbl><w:del {BY}>{p(r('old'))}</w:del>" + p(r("The end.")))
    assert blocks(post) == ["| head | x |\n| --- | --- |\n| stays | x |", "The end."]


# --- wherever a run stands --------------------------------------------------------------------------------------------


def test_content_controls_smart_tags_and_custom_xml_are_read(read):
    control = f"<w:sdt><w:sdtPr><w:alias w:val='x'/></w:sdtPr><w:sdtContent>{p(r('A control.'))}</w:sdtContent></w:sdt>"
    inline = f"<w:sdt><w:sdtContent>{r('Tuesday')}</w:sdtContent></w:sdt>"
    tag = f"<w:smartTag w:element='place'><w:smartTag w:element='City'>{r('Looe')}</w:smartTag></w:smartTag>"
    xml = f"<w:customXml w:element='a'>{p(r('Within custom XML.'))}</w:customXml>"
    post = read(control + p(r("In ") + tag + r(" on ") + inline + r(".")) + xml)
    assert blocks(post) == ["A control.", "In Looe on Tuesday.", "Within custom XML."]


def test_what_word_shows_in_an_empty_control_is_no_text(read):
    empty = f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{r('Click here')}</w:sdtContent></w:sdt>"
    assert read(p(r("Dear ") + empty + r("reader."))).text == "Dear reader."


def field(instruction: str, result: str) -> str:
    def mark(kind: str) -> str:
        return f"<w:r><w:fldChar w:fldCharType='{kind}'/></w:r>"

    return f"{mark('begin')}<w:r><w:instrText>{instruction}</w:instrText></w:r>{mark('separate')}{result}{mark('end')}"


def test_fields_are_what_they_show(read):
    simple = f"<w:fldSimple w:instr=' DATE '>{r('5 May')}</w:fldSimple>"
    nested = field(f"IF {field('PAGE', r('3'))} = 3", r("odd"))
    assert read(p(r("On ") + simple + r(", ") + nested + r("."))).text == "On 5 May, odd."


def test_a_field_that_is_a_link_is_a_link(read):
    post = read(p(r("See ") + field(' HYPERLINK "https://a.example/b" \\o "tip"', r("the ") + r("map")) + r(".")))
    assert post.text == "See [the map](https://a.example/b)."


def test_a_field_that_never_ends_swallows_nothing(read):
    start = "<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>"
    assert blocks(read(p(r("One.") + start) + p(r("Two.")))) == ["One.", "Two."]


def test_links_keep_their_addresses_and_changes_within_them(read):
    to = '<Relationship Id="l" Type="x/hyperlink" Target="https://a.example/?q=1#d" TargetMode="External"/>'
    link = f"<w:hyperlink r:id='l'>{r('the ')}<w:ins {BY}>{r('tide')}</w:ins></w:hyperlink>"
    inside = f"<w:hyperlink w:anchor='here'>{r('above')}</w:hyperlink>"
    post = read(p(r("See ") + link + r(", ") + inside + r(".")), relationships=to)
    assert post.text == "See [the tide](https://a.example/?q=1#d), above."


def test_a_text_box_is_read_once_after_its_paragraph(read):
    box = f"<w:txbxContent>{p(r('In the box.'))}</w:txbxContent>"
    both = (
        "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:txbx>" + box + "</wps:txbx></w:drawing>"
        f"</mc:Choice><mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    old = f"<w:r><w:pict><v:shape><v:textbox>{box.replace('In the', 'An old')}</v:textbox></v:shape></w:pict></w:r>"
    assert blocks(read(p(r("Before.") + both + old) + p(r("After.")))) == [
        "Before.",
        "In the box.",
        "An old box.",
        "After.",
    ]


def test_a_drop_cap_belongs_to_its_word(read):
    assert read(p(r("T"), "<w:framePr w:dropCap='drop' w:lines='3'/>") + p(r("he quay."))).text == "The quay."


def test_characters_that_are_elements(read):
    run = "<w:r><w:t>co</w:t><w:noBreakHyphen/><w:t>op</w:t><w:softHyphen/><w:br/><w:t>next</w:t></w:r>"
    assert read(p(run)).text == "co-op\nnext"


def test_hidden_text_comments_and_a_table_of_contents_are_not_read(read):
    contents = (
        "<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val='Table of Contents'/></w:docPartObj></w:sdtPr>"
        f"<w:sdtContent>{p(r('Chapter one 1'))}</w:sdtContent></w:sdt>"
    )
    comment = "<w:commentRangeStart w:id='0'/>" + r("this") + "<w:commentRangeEnd w:id='0'/>"
    comment += "<w:r><w:commentReference w:id='0'/></w:r>"
    note = f"<w:comment w:id='0'>{p(r('Really?'))}</w:comment>"
    text = p(r("Mind ") + comment + r(" secret", "<w:vanish/>") + r("."))
    post = read(contents + p(r("Two 2"), "<w:pStyle w:val='Toc1'/>") + text, comments=note)
    assert post.text == "Mind this."


def test_looks_come_from_runs_and_from_character_styles(read):
    strong, verbatim = "<w:rStyle w:val='Fett'/>", "<w:rStyle w:val='Verbatim'/>"
    words = r("a ", "<w:b/>") + r("b", strong) + r(" c", "<w:b w:val='0'/>") + r(" ls", verbatim)
    assert read(p(words)).text == "**a b** c `ls`"


# --- notes ------------------------------------------------------------------------------------------------------------


def note(id: str, text: str, kind: str = "footnote", more: str = "") -> str:
    return f"<w:{kind} w:id='{id}' {more}>{p(f'<w:r><w:{kind}Ref/></w:r>' + r(' ' + text))}</w:{kind}>"


def reference(id: str, kind: str = "footnote") -> str:
    return f"<w:r><w:rPr><w:b/></w:rPr><w:{kind}Reference w:id='{id}'/></w:r>"


def test_footnotes_and_endnotes_become_markdown_footnotes(read):
    separator = note("0", "", more="w:type='separator'")
    body = p(r("Boats") + reference("2") + r(" and nets") + reference("1", "endnote") + r(".")) + p(
        r("Gulls") + reference("3")
    )
    post = read(
        body,
        footnotes=separator + note("2", "Luggers, mostly.") + note("3", "Noisy."),
        endnotes=note("1", "Of hemp.", "endnote"),
    )
    assert blocks(post) == [
        "Boats[^1] and nets[^2].",
        "Gulls[^3]",
        "[^1]: Luggers, mostly.",
        "[^2]: Of hemp.",
        "[^3]: Noisy.",
    ]


def test_a_note_that_is_missing_leaves_no_mark(read):
    assert read(p(r("Boats") + reference("9") + r("."))).text == "Boats."


def test_notes_that_name_each_other_end(read):
    loop = f"<w:footnote w:id='1'>{p(r('See') + reference('2'))}</w:footnote>"
    loop += f"<w:footnote w:id='2'>{p(r('Back') + reference('1'))}</w:footnote>"
    post = read(p(r("Boats") + reference("1")), footnotes=loop)
    assert blocks(post) == ["Boats[^1]", "[^1]: See[^2]", "[^2]: Back[^1]"]


# --- lists, headings, quotes, code ------------------------------------------------------------------------------------


def test_lists_by_numbering_are_nested_and_counted(read):
    items = item("nets") + item("mend", 1) + item("dry", 1) + item("deep", 2) + item("pots") + item("bait", 1)
    assert read(p(r("Bring:")) + items).text == (
        "Bring:\n\n- nets\n  1. mend\n  2. dry\n     - deep\n- pots\n  1. bait"
    )


def test_numbers_go_on_after_a_paragraph_and_begin_anew_where_the_list_says_so(read):
    text = item("a", num=2) + item("b", num=2) + p(r("Rest.")) + item("c", num=2) + p(r("Again.")) + item("d", num=3)
    assert blocks(read(text)) == ["1. a\n2. b", "Rest.", "3. c", "Again.", "1. d"]


def test_a_list_that_begins_deep_is_no_code_block(read):
    assert read(item("deep", 2) + item("deeper", 5)).text == "- deep\n  - deeper"


def test_a_style_may_make_the_list_and_a_paragraph_may_leave_it(read):
    starred = p(r("one"), "<w:pStyle w:val='Stars'/>")
    left = p(r("two"), "<w:pStyle w:val='Stars'/><w:numPr><w:numId w:val='0'/></w:numPr>")
    assert blocks(read(starred + left + item("three", num=4))) == ["- one", "two", "three"]


def test_a_list_without_its_numbering_is_one_of_bullets(read):
    assert read({k: v for k, v in word(item("a") + item("b", 1)).items() if "numbering.xml" not in k}).text == (
        "- a\n  - b"
    )


def test_headings_are_known_by_style_by_base_and_by_outline_level(read):
    heads = p(r("A", "<w:b/>"), "<w:pStyle w:val='berschrift1'/>") + p(r("B"), "<w:pStyle w:val='Chapter'/>")
    heads += p(r("C"), "<w:outlineLvl w:val='3'/>")
    text = p(r("Text."), "<w:pStyle w:val='berschrift1'/><w:outlineLvl w:val='9'/>")
    numbered = p(r("D"), "<w:pStyle w:val='berschrift3'/><w:numPr><w:numId w:val='2'/></w:numPr>")
    found = blocks(read(p(r("One.")) + heads + text + numbered))
    assert found == ["One.", "## A", "### B", "#### C", "Text.", "### D"]


def test_quotes_and_code_of_several_paragraphs_are_one_block(read):
    quote = "".join(p(r(t), "<w:pStyle w:val='Zitat'/>") for t in ("Fair wind.", "Said she."))
    code = "".join(p(r(t), "<w:pStyle w:val='Listing'/>") for t in ("for x in y:", "    print(x)"))
    assert read(quote + code).text == "> Fair wind.\n>\n> Said she.\n\n```\nfor x in y:\n    print(x)\n```"


def test_the_title_is_the_first_paragraph_in_its_style(read):
    post = read(p(r("The "), "<w:pStyle w:val='Titel'/>").replace("</w:p>", r("ferry") + "</w:p>") + p(r("Text.")))
    assert (post.title, post.text) == ("The ferry", "Text.")


def test_the_one_highest_heading_at_the_start_is_the_title(read):
    top = p(r("The ferry"), "<w:pStyle w:val='berschrift1'/>")
    post = read(top + p(r("Text.")))
    assert (post.title, post.text) == ("The ferry", "Text.")
    assert blocks(read(top + p(r("Text.")) + top)) == ["## The ferry", "Text.", "## The ferry"]


# --- tables -----------------------------------------------------------------------------------------------------------


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(cells)}</w:tr>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(r(text))}</w:tc>"


DOWN, ON = "<w:vMerge w:val='restart'/>", "<w:vMerge/>"


def test_a_merged_cell_is_read_once(read):
    table = row(cell("Boats", "<w:gridSpan w:val='2'/>"), cell("Crew"))
    table += row(cell("Ada", DOWN), cell("red"), cell("2")) + row(cell("Ada", ON), cell("blue"), cell("3"))
    assert read(f"<w:tbl>{table}</w:tbl>").text == (
        "| Boats |  | Crew |\n| --- | --- | --- |\n| Ada | red | 2 |\n|  | blue | 3 |"
    )


def test_a_ragged_merge_loses_nothing(read):
    """A cell that goes on where none began, and rows of different lengths."""
    table = row(cell("a", ON), cell("b")) + row(cell("c"), cell("d", ON), cell("e")) + row(cell("f"))
    text = read(f"<w:tbl>{table}</w:tbl>" + p(r("After."))).text
    assert re.findall(r"\w+", text) == [*"abcdef", "After"]


def test_a_table_for_layout_is_paragraphs(read):
    inner = f"<w:tbl>{row(cell('x'), cell('y'))}</w:tbl>"
    table = row(cell("Left."), f"<w:tc>{p(r('Right.'))}{inner}</w:tc>")
    assert blocks(read(f"<w:tbl>{table}</w:tbl>")) == ["Left.", "Right.", "| x | y |\n| --- | --- |"]


def test_a_cell_of_a_million_columns_costs_nothing(read):
    table = row(cell("a", "<w:gridSpan w:val='999999'/>"), cell("b")) * 50
    assert len(read(f"<w:tbl>{table}</w:tbl>").text) < 50_000


# --- the package ------------------------------------------------------------------------------------------------------


def test_the_text_is_where_the_relationship_says(read):
    assert read(word(p(r("Found.")), main="word/document2.xml")).text == "Found."
    parts = word(p(r("At the root.")), main="content/main.xml")
    parts["_rels/.rels"] = parts["_rels/.rels"].replace('"content/main.xml"', '"/content/main.xml"')
    assert read(parts).text == "At the root."
    assert read({k: v for k, v in word(p(r("Unnamed."))).items() if k != "_rels/.rels"}).text == "Unnamed."


def test_strict_documents_are_read(read):
    to = f'<Relationship Id="l" Type="{R}/hyperlink" Target="https://a.example" TargetMode="External"/>'
    link = f"<w:hyperlink r:id='l'>{r('map')}</w:hyperlink>"
    parts = word(item("one") + p(r("Boats") + reference("1") + link), to, footnotes=note("1", "Luggers."))
    strict = {
        name: text.replace(W, f"{STRICT}/wordprocessingml/main").replace(R, f"{STRICT}/officeDocument/relationships")
        for name, text in parts.items()
    }
    assert read(strict).text == read(parts).text == "- one\n\nBoats[^1][map](https://a.example)\n\n[^1]: Luggers."


def test_a_relationship_to_nothing_costs_nothing(read):
    dangling = f'<Relationship Id="i" Type="{R}/image" Target="../NULL"/><Relationship Id="t" Type="{R}/theme" />'
    parts = word(p(r("Still here.")) + item("x"), dangling)
    del parts["word/styles.xml"], parts["word/numbering.xml"]
    assert read(parts).text == "Still here.\n\n- x"


def test_broken_xml_is_read_as_far_as_it_goes(read):
    parts = word(p(r("One.")) + p(r("Two & three.")) + p(r("Four.")))
    post = read(parts)
    assert [re.sub(r"\W+", " ", b).strip() for b in blocks(post)] == ["One", "Two three", "Four"]
    assert post.mended == [DAMAGE]


def test_properties_give_title_day_and_tags(read):
    core = (
        '<c:coreProperties xmlns:c="c" xmlns:d="d"><d:title>The ferry</d:title><c:keywords>sea; boats</c:keywords>'
        "<d:created>2019-03-04T05:06:07Z</d:created></c:coreProperties>"
    )
    parts = word(p(r("Text."))) | {"docProps/core.xml": core}
    more = '<Relationship Id="b" Type="x/metadata/core-properties" Target="docProps/core.xml"/></Relationships>'
    parts["_rels/.rels"] = parts["_rels/.rels"].replace("</Relationships>", more)
    post = read(parts)
    assert (post.title, post.date, post.tags) == ("The ferry", "2019-03-04", ["sea", "boats"])


def test_a_spreadsheet_with_the_ending_docx_is_named_as_none(read):
    with pytest.raises(readers.SkippedPost, match="not a document"):
        read({"word/document.xml": "<workbook><sheet/></workbook>"})


@pytest.mark.parametrize("part", ["word/document.xml", "word/footnotes.xml"])
def test_parts_that_unpack_to_too_much_are_refused(read, part):
    parts = word(p(r("Text.")), footnotes="")
    parts[part] = "<w:x/>" + " " * XML_MAX_BYTES
    with pytest.raises(readers.SkippedPost, match="more than 60 MB"):
        read(parts)


@pytest.mark.parametrize("tag", ["smartTag", "sdt", "tbl", "txbxContent", "ins"])
def test_elements_within_elements_without_end_are_a_post_or_a_reason(read, tag):
    inner = {"tbl": "<w:tbl><w:tr><w:tc>", "txbxContent": "<w:p><w:r><w:pict><w:txbxContent>"}.get(tag, f"<w:{tag}>")
    outer = "".join(f"</w:{name}>" for name in reversed(re.findall(r"w:(\w+)", inner)))
    for depth in (30, 60, 200, 3000):
        try:
            text = read(p(r("First.")) + inner * depth + p(r("Inside.")) + outer * depth + p(r("Last."))).text
            assert "First." in text
            assert depth > 60 or text.count("Inside.") == 1
        except readers.SkippedPost:
            assert depth > 60  # the parser's own limit


WHOLE = word(
    p(r("T"), "<w:framePr w:dropCap='drop'/>")
    + p(r("he ") + f"<w:ins {BY}>{r('tide')}</w:ins>" + field("PAGE", r("3")) + reference("1"))
    + item("a")
    + item("b", 1)
    + p(r("Said."), "<w:pStyle w:val='Zitat'/>")
    + f"<w:tbl>{row(cell('a', DOWN), cell('b'))}{row(cell('', ON), cell('c'))}</w:tbl>"
    + p(f"<w:r><w:pict><v:textbox><w:txbxContent>{p(r('Box.'))}</w:txbxContent></v:textbox></w:pict></w:r>"),
    footnotes=note("1", "Spring tide."),
)
PIECES = sorted(set(re.findall(r"<[^>]+>", "".join(WHOLE.values()))))
BUG = re.compile(r"can't be read: \w*(Attribute|Type|Key|Index|Name|Recursion|Unbound|Assertion)\w*Error")


@st.composite
def damaged(draw) -> dict[str, str]:
    """The parts of WHOLE, with pieces cut out, doubled, moved, or put where they make no sense."""
    parts = dict(WHOLE)
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from(sorted(parts)))
        text = parts[name]
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 200)))
        parts[name] = text[:start] + draw(st.sampled_from(["", text[start:end] * 2, *PIECES])) + text[end:]
        if draw(st.integers(0, 15)) == 0:
            del parts[name]
            if not parts:
                return {"word/document.xml": ""}
    return parts


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(damaged())
@example(WHOLE)
def test_any_damage_gives_a_post_or_a_reason(read, parts):
    try:
        post = read(parts)
        post.text.encode()
        assert post.text.strip()
    except readers.SkippedPost as e:
        assert str(e) and not BUG.search(str(e)), e


def test_reading_takes_time_in_proportion_to_the_length(read):
    def cost(times: int) -> float:
        body = WHOLE["word/document.xml"]
        start, end = body.index("<w:body>") + 8, body.index("</w:body>")
        parts = WHOLE | {"word/document.xml": body[:start] + body[start:end] * times + body[end:]}
        return work(lambda: read(parts))

    assert cost(400) < 5 * cost(100)
