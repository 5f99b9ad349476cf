"""Reports on paper: what stands there, in which order, and the same bytes every time."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ris.domain.reporting import VersionKind
from ris.domain.values import NameGroup, PersonName
from ris.printing import fonts, scripts, shaping
from ris.printing.page import MARGIN, RIGHT, SMALL, _lay_out, foot_lines
from ris.printing.report import Sheet, _printed, report_pdf, sheet
from ris.selectors.facility import SiteView
from ris.selectors.letterheads import LetterheadView
from ris.selectors.views import ReportVersionView
from tests.integration.fhir import views
from tests.programs import requires

SITE = SiteView(
    name="Main",
    institution="Test Hospital",
    time_zone="Europe/Vienna",
    patient_id_issuer="HOSP",
    address="Ringstraße 2\n1010 Wien",
)


def covers() -> list[tuple[views.OrderView, views.ProcedureView]]:
    order = views.order()
    return [(order, procedure) for procedure in order.procedures]


def printed(version: ReportVersionView) -> bytes:
    return report_pdf(views.report(versions=(version,)), covers(), SITE)


def lines(page: Sheet) -> list[list[str]]:
    """What is drawn on each page, line by line, in visual order."""
    return [[ink[2] for ink in inks] for inks in _lay_out(page).pages]


def test_a_report_says_whom_and_what_it_is_about_and_who_signed() -> None:
    page = sheet(views.version(), covers(), SITE)

    assert page.institution == "Test Hospital"
    assert page.title == "CT head without contrast"
    assert page.patient == (
        ("Patient", "Yamada, Tarou Jr. (山田 太郎) (やまだ たろう)"),
        ("Patient ID", "4711 / HOSP"),
        ("Born", "1970-05"),
        ("Sex", "male"),
    )
    assert page.exam == (
        ("Accession number", "A2600000001"),
        ("Order number", "PL1"),
        ("Examined", "2026-03-02 13:02"),
        ("Requested by", "Dr. Olga Ordonez"),
    )
    assert page.sections == (
        ("Findings", "No bleeding.\nNo fracture <skull>."),
        ("Impression", "Normal CT of the head."),
    )
    assert page.signature == (
        "Electronically signed by Ruth Weiss",
        "2026-03-02 14:00 (Europe/Vienna), version 1",
    )


@pytest.mark.parametrize(("side", "words"), [("L", ", left"), ("B", ", both sides"), ("", "")])
def test_the_side_is_in_the_title(side: str, words: str) -> None:
    order = views.order()
    procedure = replace(order.procedures[0], laterality=side)

    page = sheet(views.version(), [(order, procedure)], SITE)

    assert page.title == f"CT head without contrast{words}"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (VersionKind.PRELIMINARY, "PRELIMINARY REPORT - not yet verified"),
        (VersionKind.FINAL, ""),
        (VersionKind.ADDENDUM, "REPORT WITH ADDENDUM"),
        (VersionKind.CORRECTION, "CORRECTED REPORT - replaces the version before: wrong side"),
        (VersionKind.RETRACTION, "WITHDRAWN - do not use: wrong side"),
    ],
)
def test_what_is_not_simply_final_is_said_at_the_top(kind: VersionKind, words: str) -> None:
    reason = "wrong side" if kind in {VersionKind.CORRECTION, VersionKind.RETRACTION} else ""

    page = sheet(views.version(kind, reason=reason), covers(), SITE)

    assert page.notice == words
    assert (words in lines(page)[0]) is bool(words)


def test_the_same_report_is_printed_as_the_same_bytes() -> None:
    first = printed(views.version())
    _printed.cache_clear()

    again = printed(views.version())

    assert first == again
    assert first.startswith(b"%PDF-1.")
    assert first.rstrip().endswith(b"%%EOF")


def test_another_text_is_another_document() -> None:
    other = views.version(sections={"impression": "Fracture of the skull."})

    assert printed(views.version()) != printed(other)


def test_an_earlier_version_can_be_printed_still() -> None:
    first = views.version(sections={"impression": "Fracture."})
    second = replace(views.version(VersionKind.CORRECTION), number=2)
    report = views.report(versions=(first, second))

    assert report_pdf(report, covers(), SITE, 1) == printed(first)
    assert report_pdf(report, covers(), SITE) == report_pdf(report, covers(), SITE, 2)


def test_a_long_report_takes_several_pages_and_each_says_whose_it_is() -> None:
    text = "\n".join(
        f"{n}. No sign of a fracture or of a bleeding in this place." for n in range(90)
    )

    page = sheet(views.version(sections={"findings": text}), covers(), SITE)
    found = lines(page)

    assert len(found) == 3
    assert all(page.running in each for each in found[1:])
    assert sum(line.endswith("in this place.") for each in found for line in each) == 90
    assert printed(views.version(sections={"findings": text})).count(b"/Type /Page\n") == 3


def test_lines_fit_the_page() -> None:
    long = "A" * 300 + " " + "word " * 100 + "脳室の拡大はなく" * 40

    page = sheet(views.version(sections={"findings": long}), covers(), SITE)

    for ink in _lay_out(page).pages[0]:
        x, _, text, size, bold, _ = ink
        assert x + fonts.width(text, size, bold=bold) <= 540
    assert "".join(lines(page)[0]).count("脳") == 40


def test_every_character_of_a_japanese_report_is_in_an_embedded_font() -> None:
    text = "脳実質に明らかな出血、梗塞巣を認めません（右上顎洞）。髙﨑"
    used = {font for font, _ in fonts.runs(text)}
    content = printed(views.version(sections={"impression": text}))

    assert used == {fonts.JAPANESE}
    assert len(re.findall(rb"/FontFile2", content)) == 3
    assert b"/STSong-Light" not in content


def test_chinese_and_korean_are_in_an_embedded_font() -> None:
    assert fonts.runs("A 김 们") == [
        (fonts.REGULAR, "A "),
        (fonts.FALLBACK, "김"),
        (fonts.REGULAR, " "),
        (fonts.FALLBACK, "们"),
    ]
    content = printed(views.version(sections={"impression": "头部CT未见异常。두부 CT 정상."}))
    assert len(re.findall(rb"/FontFile2", content)) == 4  # with the kanji that both have


def test_what_no_font_has_is_told_and_never_a_box() -> None:
    page = sheet(views.version(sections={"impression": "Brain \U0001f9e0, བོད"}), covers(), SITE)
    drawn = "".join(part for line in lines(page)[0] for _, part in fonts.runs(line))

    assert "Brain [U+1F9E0], [U+0F56][U+0F7C][U+0F51]" in drawn
    assert "This paper cannot show every character of the report." in drawn
    assert "[U+1F9E0] BRAIN." in drawn


def drawn(text: str) -> tuple[shaping.Glyph, ...]:
    """The glyphs of a text of one script."""
    ((font, part),) = fonts.runs(scripts.clean(text))
    return shaping.glyphs(font, part)


def test_a_thai_tone_stands_above_its_vowel() -> None:
    alone, above = drawn("ก่"), drawn("กี่")

    assert fonts.runs("ที่") == [("NotoSansThai-Regular", "ที่")]
    assert [each.advance > 0 for each in above] == [True, False, False]
    assert (alone[-1].char, alone[-1].y) != (above[-1].char, above[-1].y)  # a higher one


@pytest.mark.parametrize(
    ("script", "text", "glyphs"),
    [
        ("Devanagari", "क्ष", 1),  # one letter of three characters
        ("Devanagari", "कि", 2),  # the vowel sign stands before its letter
        ("Bengali", "ক্ষ", 1),
        ("Tamil", "கொ", 3),  # the vowel sign stands on both sides
        ("Sinhala", "ශ්‍රී", 2),  # a joiner asks for the form
        ("Khmer", "ស្ត្រី", 4),
        ("Myanmar", "ကြောင်", 6),
    ],
)
def test_letters_are_drawn_as_their_script_writes_them(script: str, text: str, glyphs: int) -> None:
    found = drawn(text)

    assert [font for font, _ in fonts.runs(scripts.clean(text))] == [f"NotoSans{script}-Regular"]
    assert len(found) == glyphs
    assert "\ue000" not in {glyph.char for glyph in found}  # glyph 0 is a box
    assert fonts.width(scripts.clean(text), 10) == pytest.approx(
        sum(each.advance for each in found) / 100
    )


def test_a_letter_of_several_characters_is_not_cut() -> None:
    assert scripts.clusters("क्षमा") == ["क्ष", "मा"]
    assert scripts.clusters("ස්ත්‍රී") == ["ස්ත්‍රී"]


def test_a_joiner_between_letters_that_do_not_join_is_nothing() -> None:
    assert fonts.runs(scripts.clean("ሰ\u200dላ")) == [("NotoSansEthiopic-Regular", "ሰላ")]


@requires("poppler")
def test_what_is_shaped_can_be_read_out_again() -> None:
    texts = ["मस्तिष्क में रक्तस्राव नहीं है।", "மூளையில் இரத்தப்போக்கு இல்லை", "ไม่พบเลือดออก"]
    file = printed(views.version(sections={"findings": "\n".join(texts)}))

    said = subprocess.run(
        [str(shutil.which("pdftotext")), "-", "-"], input=file, capture_output=True, check=True
    )

    assert [text for text in texts if text not in said.stdout.decode()] == []
    assert said.stderr == b""


def test_what_is_bold_and_only_there_in_plain_is_drawn_in_plain() -> None:
    assert fonts.runs("𝖠B", bold=True) == [(fonts.REGULAR, "𝖠"), (fonts.BOLD, "B")]


def test_no_line_begins_with_what_closes_one() -> None:
    assert scripts.words("頭部CTで、異常なし。(山田)") == [
        "頭", "部", "CT", "で、", "異", "常", "な", "し。", "(", "山", "田)",
    ]  # fmt: skip


# --- right to left


def test_arabic_letters_take_the_form_they_have_beside_each_other() -> None:
    assert (
        scripts.join("سلام") == "\ufeb3\ufefc\ufee1"
    )  # seen initial, lam-alef final, meem isolated
    assert scripts.join("بَاب") == "\ufe91\u064e\ufe8e\ufe8f"  # a mark does not part two letters
    assert scripts.join("CT") == "CT"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("אבג", "גבא"),
        ("אבג 12.03.2026", "12.03.2026 גבא"),
        ("אבג (CT)", "(CT) גבא"),
        ("CT אבג 5 mm", "mm 5 גבא CT"),
    ],
)
def test_a_line_from_right_to_left_keeps_its_numbers(text: str, seen: str) -> None:
    assert scripts.visual(text, right_to_left=True) == seen


@pytest.mark.parametrize(
    ("text", "right_to_left", "seen"),
    [
        ("אב 12 mm (3.5 x 4 cm).", True, ".mm (3.5 x 4 cm) 12 בא"),
        ("אב CT (5) גד", True, "דג CT (5) בא"),
        ("אב [CT (5)] גד", True, "דג [CT (5)] בא"),
        ("אב (b] c) גד", True, "דג (b] c) בא"),
        ("אב mm (גד", True, "דג) mm בא"),
        ("CT (אב) 5", False, "CT (בא) 5"),
        ("אב (גד) CT", False, "(דג) בא CT"),
        ("סוף (CT ראש) 5%.", False, "ףוס (CT שאר) 5%."),
    ],
)
def test_brackets_stay_around_what_they_hold(text: str, right_to_left: bool, seen: str) -> None:
    """As browsers show the same lines (UAX #9 N0)."""
    assert scripts.visual(text, right_to_left=right_to_left) == seen


def test_words_from_right_to_left_in_a_line_from_left_to_right() -> None:
    assert scripts.visual("see אבג דה here", right_to_left=False) == "see הד גבא here"
    assert scripts.visual("plain (text)", right_to_left=False) == "plain (text)"


def test_the_direction_of_a_paragraph_is_that_of_its_first_letter() -> None:
    assert scripts.is_right_to_left("12. فحص CT")
    assert not scripts.is_right_to_left("12. CT فحص")


def test_a_paragraph_from_right_to_left_ends_at_the_right_margin() -> None:
    page = sheet(views.version(sections={"impression": "אין דימום"}), covers(), SITE)

    (ink,) = [ink for ink in _lay_out(page).pages[0] if ink[2] == "םומיד ןיא"]

    assert ink[0] + fonts.width(ink[2], ink[3]) == pytest.approx(539.3, abs=0.1)


# --- hostile text


def test_control_characters_and_markup_are_text_or_nothing() -> None:
    said = "a\x00b\x1b[31m\u202ec <b>&amp;\\(x) %s"

    content = printed(views.version(sections={"findings": said}))

    assert scripts.clean(said) == "ab[31mc <b>&amp;\\(x) %s"
    assert content.startswith(b"%PDF-1.")


def test_a_name_is_that_of_the_signer_even_from_elsewhere() -> None:
    signer = PersonName(NameGroup("Sato", "Hanako"), NameGroup("佐藤", "花子"))
    page = sheet(views.version(signer_name=signer), covers(), SITE)

    assert page.signature[0] == "Electronically signed by Hanako Sato"
    assert page.signature[2] == "Written by Ruth Weiss"


def test_resident_and_attending_are_named_with_what_they_did() -> None:
    resident = {"resident": "rasmus", "resident_name": PersonName.of("Ekdahl", "Rasmus")}

    verified = sheet(views.version(**resident, signed_as="ATTENDING"), covers(), SITE)
    alone = sheet(views.version(kind=VersionKind.PRELIMINARY, signed_as="RESIDENT"), covers(), SITE)

    assert verified.signature == (
        "Written by Rasmus Ekdahl, resident",
        "Verified and electronically signed by Ruth Weiss",
        "2026-03-02 14:00 (Europe/Vienna), version 1",
    )
    assert alone.signature == (
        "Electronically signed by Ruth Weiss, resident",
        "2026-03-02 14:00 (Europe/Vienna), version 1",
        "Not verified yet",
    )


def test_a_letterhead_stands_above_and_below_every_page_and_a_mark_across() -> None:
    head = LetterheadView(
        public_id="1", number=1, institution="Clinic of Radiology", department="Radiology",
        address="Ringstrasse 2\n1010 Wien", phone="+43 1 555", web="clinic.example",
        footer="Registered in Wien",
    )  # fmt: skip
    version = views.version(VersionKind.PRELIMINARY)

    page = sheet(version, covers(), SITE, head)

    assert lines(page)[0][:5] == [
        "Clinic of Radiology",
        "Radiology",
        "Ringstrasse 2",
        "1010 Wien",
        "+43 1 555  clinic.example",
    ]
    assert (page.foot, page.mark) == ("Registered in Wien", "PRELIMINARY")
    assert sheet(views.version(VersionKind.RETRACTION), covers(), SITE).mark == "WITHDRAWN"
    assert sheet(views.version(), covers(), SITE).mark == ""


def test_what_stands_above_and_below_following_pages_is_never_cut() -> None:
    long = "Company register of Wien number 123456, managing director Ada Berg, VAT ATU1234567 "
    head = LetterheadView(public_id="1", number=1, institution="Clinic", footer=(long * 3).strip())
    page = replace(
        sheet(views.version(sections={"findings": "No bleeding.\n" * 90}), covers(), SITE, head),
        running="Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine  |  4711  |  "
        + ", ".join(f"A26000{number:04}" for number in range(10)),
    )

    second = lines(page)[1]
    foot = foot_lines(page.foot)

    assert " ".join(second[:2]) == page.running
    assert len(foot) == 3
    assert all(fonts.width(line.rstrip(), SMALL) <= RIGHT - MARGIN for line in (*second[:2], *foot))
    assert "".join(foot) == page.foot


def test_the_content_is_compressed() -> None:
    assert printed(views.version()).count(b"/FlateDecode") >= 4
    assert len(printed(views.version())) < 100_000


@requires("poppler")
def test_another_program_draws_every_page_without_complaint(tmp_path: Path) -> None:
    text = "脳室の拡大はなく。\nفحص طبيعي للرأس\n" + "No bleeding.\n" * 90
    file = tmp_path / "report.pdf"
    file.write_bytes(printed(views.version(sections={"findings": text})))

    done = subprocess.run(
        [str(shutil.which("pdftoppm")), "-r", "30", "-gray", str(file), str(tmp_path / "page")],
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    pages = sorted(tmp_path.glob("page-*.pgm"))
    assert len(pages) == 3
    assert all(min(page.read_bytes()[20:]) < 100 for page in pages)  # there is ink on each
