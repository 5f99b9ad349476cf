"""Character sets to the byte, all the way to the answer: PS3.5 Annexes H to K and other scripts.

The samples that pydicom brings along are a second opinion on the single-byte sets.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom import dcmread

from tests.worklist.entries import SYNTAXES, encoded, identifier, make_entry, named
from worklist import mwl
from worklist.attributes import Offer
from worklist.charset import candidates, character_set
from worklist.matching import to_request

VIENNA = ZoneInfo("Europe/Vienna")
SAMPLES = Path(pydicom.__file__).parent / "data" / "charset_files"
# Example: (0008,0005), name, its bytes.
NAMES = {
    "H.3.1": (("", "ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎=やまだ^たろう",
              (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
              b"=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B")),
    "H.3.2": (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
              (b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
              b"=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J")),
    "I.2": (("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동",
            (b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"
            b"=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf")),
    "J.1": (("ISO_IR 192",), "Wang^XiaoDong=王^小東",
            b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1"),
    "J.3": (("GB18030",), "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    "J.3 in GBK": (("GBK",), "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    "K.2": (("", "ISO 2022 IR 58"), "Zhang^XiaoDong=张^小东",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"),
    "four bytes": (("GB18030",), "Li=㐀", b"Li=\x81\x39\xee\x39"),
    "Latin 1": (("ISO_IR 100",), "Buc^Jérôme", b"Buc^J\xe9r\xf4me"),
    "Latin 2": (("ISO_IR 101",), "Wałęsa^Świętosława", b"Wa\xb3\xeasa^\xa6wi\xeatos\xb3awa"),
    "Latin 3": (("ISO_IR 109",), "Ĝordano", b"\xd8ordano"),
    "Latin 4": (("ISO_IR 110",), "Žemaitė", b"\xaeemait\xec"),
    "Latin 5": (("ISO_IR 148",), "Çağlar^İrem", b"\xc7a\xf0lar^\xddrem"),
    "Latin 9": (("ISO_IR 203",), "Œuvre^Žan", b"\xbcuvre^\xb4an"),
    "Cyrillic": (("ISO_IR 144",), "Иванов^Ян", b"\xb8\xd2\xd0\xdd\xde\xd2^\xcf\xdd"),
    "Greek": (("ISO_IR 126",), "Παπάς^Νίκος", b"\xd0\xe1\xf0\xdc\xf2^\xcd\xdf\xea\xef\xf2"),
    "Arabic": (("ISO_IR 127",), "قباني^لنزار",
               b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1"),
    "Hebrew": (("ISO_IR 138",), "שרון^דבורה", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4"),
    "Thai": (("ISO_IR 166",), "สมชาย", b"\xca\xc1\xaa\xd2\xc2"),
}  # fmt: skip
# Texts of several lines or mixed scripts.
TEXTS = {
    "I.3": (("", "ISO 2022 IR 149"),
            "The 1st line includes 길동.\r\nThe 2nd line includes 길동, too.\r\nThe 3rd line.",
            (b"The 1st line includes \x1b$)C\xb1\xe6\xb5\xbf.\r\n"
            b"The 2nd line includes \x1b$)C\xb1\xe6\xb5\xbf, too.\r\nThe 3rd line.")),
    "J.2": (("ISO_IR 192",), "The first line includes中文.\r\nThe third line.",
            b"The first line includes\xe4\xb8\xad\xe6\x96\x87.\r\nThe third line."),
    "J.4": (("GB18030",), "The first line includes中文.\r\nThe third line.",
            b"The first line includes\xd6\xd0\xce\xc4.\r\nThe third line."),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_coded_and_read_to_the_byte(name: str) -> None:
    terms, text, value = NAMES[name]

    assert character_set(terms).encode_name(text) == value
    assert character_set(terms).decode_name(value) == text


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_read_to_the_byte_and_reads_back(name: str) -> None:
    terms, text, value = TEXTS[name]

    assert character_set(terms).decode(value) == text
    # Where in a line the second set is designated is left to the writer (PS3.5 6.1.2.5.3).
    assert character_set(terms).decode(character_set(terms).encode(text)) == text


def test_the_lines_of_k_3_are_read_with_their_escapes() -> None:
    line = b"1.\x1b$)A\xb5\xda\xd2\xbb\xd0\xd0\xce\xc4\xd7\xd6\xa1\xa3\x1b(B\r\n"

    assert character_set(("", "ISO 2022 IR 58")).decode(line) == "1.第一行文字。\r\n"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_an_answer_in_the_querys_set_holds_these_bytes(name: str, syntax: str) -> None:
    terms, text, value = NAMES[name]
    query = identifier(PatientName="")
    asked = to_request(encoded(query, syntax), SYNTAXES[syntax], zone=VIENNA)
    padded = value + b" " * (len(value) % 2)
    declared = "\\".join(terms).encode()
    declared += b" " * (len(declared) % 2)

    answer = mwl.encode(
        asked.plan.keys, Offer.of(named(text), VIENNA), candidates(terms, ()), SYNTAXES[syntax]
    )

    vr = {"implicit": (b"", b"", 4), "explicit": (b"CS", b"PN", 2)}[syntax]
    assert answer == (
        b"\x08\x00\x05\x00" + vr[0] + len(declared).to_bytes(vr[2], "little") + declared
        + b"\x10\x00\x10\x00" + vr[1] + len(padded).to_bytes(vr[2], "little") + padded
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_query_in_the_set_is_read_with_the_same_bytes(name: str) -> None:
    terms, text, value = NAMES[name]
    declared = "\\".join(terms).encode()
    declared += b" " * (len(declared) % 2)
    value += b" " * (len(value) % 2)
    data = (
        b"\x08\x00\x05\x00CS" + len(declared).to_bytes(2, "little") + declared
        + b"\x10\x00\x10\x00PN" + len(value).to_bytes(2, "little") + value
    )  # fmt: skip

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA)

    assert found.query is not None
    assert found.query.patient_name == text


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("chr[A-K]*.dcm")), ids=lambda one: one.stem)
def test_a_name_is_read_as_pydicom_reads_it_and_written_as_it_was(file: Path) -> None:
    dataset = dcmread(file, force=True)
    declared = dataset.SpecificCharacterSet
    terms = (declared,) if isinstance(declared, str) else tuple(one or "" for one in declared)
    name = dataset.PatientName
    raw = name.original_string.rstrip(b" \0")

    text = character_set(terms).decode_name(raw)

    assert text == str(name)
    assert character_set(terms).encode_name(text) == raw


# --- each mode with each script (dicom.md MWL-26)

SCRIPTS = {
    "plain": "Baker^Nora", "latin 1": "Müller^Jörg", "polish": "Łukasiewicz^Żaneta",
    "greek": "Αλεξίου^Νίκος", "cyrillic": "Щербакова^Юлия",
    "japanese": "Yamada^Tarou=山田^太郎=やまだ^たろう", "korean": "Hong^Gildong=洪^吉洞=홍^길동",
    "chinese": "Wang^XiaoDong=王^小东",
}  # fmt: skip
# For a device of Latin 1 whose query names nothing: the set and the name of the answer.
EXPECTED = {
    ("auto", "plain"): ((), "Baker^Nora"),
    ("auto", "latin 1"): (("ISO_IR 100",), "Müller^Jörg"),
    ("auto", "polish"): (("ISO_IR 192",), "Łukasiewicz^Żaneta"),
    ("auto", "greek"): (("ISO_IR 192",), "Αλεξίου^Νίκος"),
    ("auto", "cyrillic"): (("ISO_IR 192",), "Щербакова^Юлия"),
    ("auto", "japanese"): (("ISO_IR 192",), "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("auto", "korean"): (("ISO_IR 192",), "Hong^Gildong=洪^吉洞=홍^길동"),
    ("auto", "chinese"): (("ISO_IR 192",), "Wang^XiaoDong=王^小东"),
    ("fixed", "plain"): ((), "Baker^Nora"),
    ("fixed", "latin 1"): (("ISO_IR 100",), "Müller^Jörg"),
    ("fixed", "polish"): (("ISO_IR 100",), "Lukasiewicz^Zaneta"),
    ("fixed", "greek"): (("ISO_IR 100",), "Alexiou^Nikos"),
    ("fixed", "cyrillic"): (("ISO_IR 100",), "Shcherbakova^Iuliia"),
    ("fixed", "japanese"): (("ISO_IR 100",), "Yamada^Tarou"),
    ("fixed", "korean"): (("ISO_IR 100",), "Hong^Gildong"),
    ("fixed", "chinese"): (("ISO_IR 100",), "Wang^XiaoDong"),
    ("ascii", "plain"): ((), "Baker^Nora"),
    ("ascii", "latin 1"): ((), "Muller^Jorg"),
    ("ascii", "polish"): ((), "Lukasiewicz^Zaneta"),
    ("ascii", "greek"): ((), "Alexiou^Nikos"),
    ("ascii", "cyrillic"): ((), "Shcherbakova^Iuliia"),
    ("ascii", "japanese"): ((), "Yamada^Tarou"),
    ("ascii", "korean"): ((), "Hong^Gildong"),
    ("ascii", "chinese"): ((), "Wang^XiaoDong"),
}


@pytest.mark.parametrize(("mode", "script"), EXPECTED)
def test_each_mode_writes_each_script(mode: str, script: str) -> None:
    terms, name = EXPECTED[mode, script]
    keys = to_request(
        encoded(identifier(PatientName="")), SYNTAXES["explicit"], zone=VIENNA
    ).plan.keys

    answer = mwl.encode(
        keys,
        Offer.of(named(SCRIPTS[script]), VIENNA),
        candidates((), ("ISO_IR 100",), mode=mode),
        SYNTAXES["explicit"],
    )

    value = character_set(terms).encode_name(name)
    assert answer.endswith(value + b" " * (len(value) % 2))
    assert (b"ISO_IR" in answer) == bool(terms)
    assert b"?" not in answer


def test_what_transliteration_makes_longer_is_cut_with_a_mark() -> None:
    entry = make_entry(step={"location": "Щ" * 16})
    keys = to_request(
        encoded(identifier(step={"ScheduledProcedureStepLocation": ""})),
        SYNTAXES["explicit"],
        zone=VIENNA,
    ).plan.keys

    answer = mwl.encode(
        keys, Offer.of(entry, VIENNA), candidates((), (), mode="ascii"), SYNTAXES["explicit"]
    )

    assert answer.endswith(b"SH\x10\x00SHCHSHCHSHCHS...")
