"""The catalog as a CSV file: what was written changes nothing, and every fault is told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ris.domain.catalog import DeviceRuleDetails, StepTemplateDetails
from ris.domain.values import Code
from ris.selectors.catalog import ProcedureLine
from ris.web.catalog import sheet
from ris.web.sheets import Sheet

HEAD = StepTemplateDetails(
    modality="CT",
    description="Head; plain",
    duration_minutes=20,
    protocol_codes=(Code("CT01", "99LOCAL", "Head plain", "2"),),
)


def line(code: str = "CTHEAD", **overrides: object) -> ProcedureLine:
    values: dict[str, object] = {
        "public_id": "0",
        "code": Code(code, "99LOCAL", "CT of the head"),
        "modality": "CT",
        "duration_minutes": 20,
        "preparation": "Nothing by mouth\nfor 4 hours",
        "body_part": "HEAD",
        "contrast": "",
        "laterality_required": False,
        "steps": (HEAD,),
        "offered": True,
    }
    return ProcedureLine(**{**values, **overrides})  # type: ignore[arg-type]


def read(text: str, *present: ProcedureLine) -> Sheet:
    return sheet.read(text.encode(), present)


def test_what_was_written_changes_nothing() -> None:
    lines = [line(), line("MRKNEE", laterality_required=True, steps=(), offered=False)]

    found = sheet.read(sheet.write(lines).encode(), lines)

    assert found.is_good
    assert found.counts == {"new": 0, "changed": 0, "retired": 0, "same": 2, "wrong": 0}


TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x7F, exclude_categories=["Cc"])
    | st.sampled_from("\n;,\"'=+-@äß日"),
    max_size=20,
).map(str.strip)


@given(name=TEXT.filter(bool), preparation=TEXT, description=TEXT, meaning=TEXT)
def test_any_text_survives_the_way_out_and_back(
    name: str, preparation: str, description: str, meaning: str
) -> None:
    step = StepTemplateDetails(
        modality="CT",
        description=description.replace("\n", " "),
        protocol_codes=(Code("P", "S", meaning.replace("^", " ").replace("\n", " ").strip()),),
    )
    one = replace(line(), code=Code("X", "99LOCAL", name), preparation=preparation, steps=(step,))

    found = sheet.read(sheet.write([one]).encode(), [one])

    assert [(row.errors, row.changed) for row in found.rows] == [((), ())]


def test_a_row_says_what_it_changes() -> None:
    text = (
        "code,scheme,name,modality,duration_minutes,offered\n"
        "CTHEAD,99LOCAL,CT of the head,CT,45,yes\n"
        "CTNECK,99LOCAL,CT of the neck,ct,,\n"
        "OLD,99LOCAL,CT of the head,CT,20,no\n"
    )

    found = read(text, line(), line("OLD"))

    assert [(row.change, row.changed) for row in found.rows] == [
        ("changed", ("duration_minutes",)),
        ("new", ()),
        ("retired", ("offered",)),
    ]
    new = sheet.command(found.rows[1].values)
    assert (new.modality, new.duration_minutes, new.steps) == ("CT", 30, ())
    changed = sheet.command(found.rows[0].values)
    assert changed.preparation == "Nothing by mouth\nfor 4 hours"  # no column of the file


def test_what_booking_takes_is_in_the_file() -> None:
    text = (
        "code,scheme,name,modality,lead_hours,radiologist_present,required_skills,device_rules\n"
        'CTHEAD,99LOCAL,CT of the head,CT,24,yes,MR-safety; nurse,"CT2: no; CT1: 25"\n'
        "CTNECK,99LOCAL,CT of the neck,CT,soon,perhaps,,CT1\n"
    )

    found = read(text, line())

    asked = sheet.command(found.rows[0].values)
    assert (asked.lead_hours, asked.radiologist_present) == (24, True)
    assert asked.required_skills == ("MR-safety", "nurse")
    assert asked.device_rules == (
        DeviceRuleDetails(device="CT1", minutes=25),
        DeviceRuleDetails(device="CT2", allowed=False),
    )
    assert found.rows[1].errors == (
        "lead_hours is a number from 0 to 2160.",
        "radiologist_present is yes or no.",
        "devices are written like “CT1: 25; CT2: no”.",
    )


def test_every_fault_of_every_row_is_told() -> None:
    text = (
        "code;name;modality;duration_minutes;laterality_required;steps\n"
        ";;CT;soon;maybe;;;\n"
        f"A;{'x' * 201};CT;0;no;\n"
        "B;ok;CT;20;no;\n"
        "B;again;CT;20;no;\n"
        "C;steps;CT;20;no;;\n"
    )

    found = read(text)

    assert not found.is_good
    assert [row.errors for row in found.rows] == [
        ("The row has more cells than the heading.",),
        (
            "name has more than 200 characters.",
            "duration_minutes: a duration is 1 to 1440 minutes.",
        ),
        (),
        ("The same procedure is in row 4.",),
        ("The row has more cells than the heading.",),
    ]


def test_a_file_that_is_no_catalog_is_refused_as_a_whole() -> None:
    assert read("").errors == ("The file is empty.",)
    assert read("code,colour,code\n").errors == (
        "The column “name” is missing.",
        "The column “modality” is missing.",
        "There is no column “colour”.",
        "The column “code” is there twice.",
    )
    assert sheet.read("code,name,modality\nä,b,c".encode("latin-1"), []).errors == (
        "The file is not UTF-8. Save it as “CSV UTF-8”.",
    )
    assert read('code,name,modality\n"open').errors == (
        "The file is no CSV: unexpected end of data.",
    )


def test_no_cell_is_a_formula_to_a_spreadsheet() -> None:
    text = sheet.write([line(preparation='=HYPERLINK("http://x")')])

    assert "'=HYPERLINK" in text
    assert ",=" not in text
