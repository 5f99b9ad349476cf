"""The conformance statement on how messages come in: transport, answers, parts, key fields."""

from __future__ import annotations

from integration.hl7 import acks, continuation, folder, mllp
from integration.hl7.validation import KEY_FIELDS, KEY_SEGMENTS

_MEGABYTE = 1024 * 1024
# When each kind of answer comes: (the peer's agreement, on the connection, later).
_ANSWERS = (
    ("`acknowledgement = application`", "AA, AE or AR when it is applied", "-"),
    ("the same, `acknowledge_after = stored`", "AA when it is stored", "-"),
    (
        "`acknowledgement = accept`, MSH-15 or MSH-16 valued",
        "CA, CE or CR when it is stored, if MSH-15 asks (empty: AL)",
        "AA, AE or AR as a message of its own (MSH-15 AL), if MSH-16 asks, to our endpoint",
    ),
)


def transport() -> list[str]:
    """How bytes come in and how they are answered."""
    return [
        "## Transport",
        "",
        "MLLP release 1, or release 2 by setting (COMMIT, NAK), with TLS 1.2 or later where a",
        "certificate is configured, beside the plain port. A sender may be bound to networks and",
        "to its client certificate. Connections stay open; one message is in flight on each.",
        f"A message may have {mllp.MAX_FRAME // _MEGABYTE} MiB. Versions",
        "2.1 to 2.8.2 are read, of which unknown segments and fields are kept and ignored; 2.3.1,",
        "2.4 and 2.5.1 are written. A message is stored, applied and answered in one transaction,",
        "unless something else is agreed.",
        "An MSH-12 that is no version is refused with `validation = tables` (AR, 203). Otherwise",
        "it is read as what it means (`V2.3` as 2.3), else as 2.5.1, and the message's page says",
        "so.",
        "The same bytes under the same MSH-10 from the same sender get the stored answer again;",
        "other content under a known MSH-10 is a new message.",
        "",
        "| agreed | on the connection | later |",
        "| --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in _ANSWERS),
        "",
        "Batches (FHS, BHS, BTS, FTS) come over MLLP or as files; each message is answered by",
        "itself, the answers come back as a batch, and BTS-1 and FTS-1 are compared with what",
        f"came. Files (`folder`) may have {folder.MAX_FILE // _MEGABYTE} MiB. A message in parts",
        f"(MSH-14, DSC-1, ADD; up to {continuation.MAX_PARTS} parts) is applied when it is whole;",
        "DSC-2 `I` is not served. MSH-13 is ignored, or must count up (`sequence_numbers`);",
        "MSA-4 tells what is expected.",
    ]


def key_fields() -> list[str]:
    """What `validation = key` asks for beyond what a translator finds."""
    lines = [
        "## Key fields",
        "",
        "With `validation = key`, the default, these are asked for, all at once, in every",
        "segment of the name; a new order (NW, RO, PA, CH, SN) needs PID-3 and PID-5 too. With",
        "`tables` it is all that the standard's tables of the version ask for: required segments",
        "and fields, repetitions, numbers, times and codes. Unknown segments are no fault.",
        "What ORC-2 and ORC-3 say may stand in OBR-2 and OBR-3 of the order instead; an ORC-2 and",
        "an OBR-2 with two numbers are refused (AE, 102), unless `paths` says which one counts.",
        "",
        "| message | segments | one of |",
        "| --- | --- | --- |",
    ]
    for code in sorted(KEY_SEGMENTS):
        places = [
            " or ".join(f"{name}-{number}" for number in numbers)
            for name, numbers in KEY_FIELDS.get(code, ())
        ]
        lines.append(f"| `{code}` | {', '.join(KEY_SEGMENTS[code])} | {'; '.join(places) or '-'} |")
    return [*lines, "", f"What is missing is {acks.TEXTS['101'].lower()}: AE, 101."]
