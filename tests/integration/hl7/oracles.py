"""Two HL7 libraries not written here read what we write, and must read what was meant.

hl7apy knows the versions' fields but drops segments from groups and chokes on segments a version
lacks, so groups are off; python-hl7 knows no versions but keeps every byte. Our own check by the
standard's tables finds what is missing or malformed.
"""

from __future__ import annotations

import hl7
from hl7apy.parser import parse_message

from integration.hl7 import er7_writer, schema
from integration.hl7.er7 import Message
from integration.hl7.from_domain.draft import Draft
from integration.hl7.profiles import Profile


def written(
    draft: Draft | None, profile: Profile, *, all_readers: bool = True, tables: bool = True
) -> str:
    """The message of a draft as text, checked by all three readers (hl7apy takes 0.1 s)."""
    assert draft is not None
    names = (draft.code, draft.trigger, draft.structure)
    header = er7_writer.msh(
        sending=profile.own,
        receiving=profile.peer,
        at="20260302093015+0100",
        message_type=names if profile.version >= "2.4" else names[:2],
        control_id="C1",
        version=profile.version,
        charset=profile.charset,
    )
    payload = er7_writer.build([header, *draft.rows], charset=profile.charset)
    text = profile.charset.decode(payload)
    if all_readers:
        agree(text)
    faults = schema.check(Message.from_bytes(payload), tables=tables)
    assert not faults, [(fault.path, fault.message) for fault in faults]
    return text


def agree(text: str) -> None:
    """Both libraries see the same segments, and every field as it was written."""
    lines = [line for line in text.split("\r") if line]
    by_bytes = hl7.parse(text)
    assert [str(segment) for segment in by_bytes] == lines
    by_version = parse_message(text, find_groups=False)
    segments = [child for child in by_version.children if child.name != "MSH"]
    assert [segment.name for segment in segments] == [line[:3] for line in lines[1:]]
    for segment, line in zip(segments, lines[1:], strict=True):
        if segment.name.startswith("Z"):
            continue
        for number, expected in enumerate(line.split("|")[1:], start=1):
            told = "~".join(
                field.to_er7() for field in getattr(segment, f"{segment.name.lower()}_{number}")
            )
            # hl7apy escapes escapes again when it writes (its fault 5 in spec/hl7v2.md 3.1).
            assert told.replace("\\E\\.br\\E\\", "\\.br\\") == expected, (
                f"{line[:3]}-{number} is {told!r}, not {expected!r}"
            )


def segments(text: str, name: str) -> list[str]:
    return [line for line in text.split("\r") if line.startswith(f"{name}|")]


def field(text: str, path: str) -> str:
    """A raw field: ``OBR-25`` or, of the second one, ``OBR[2]-25``."""
    name, _, number = path.partition("-")
    occurrence = 1
    if "[" in name:
        name, _, index = name.partition("[")
        occurrence = int(index.rstrip("]"))
    fields = segments(text, name)[occurrence - 1].split("|")
    if name == "MSH":
        fields.insert(1, "|")  # MSH-1 is the separator itself
    return fields[int(number)] if int(number) < len(fields) else ""
