"""The demo's protocols, each for its own exams: nobody does a shoulder as a knee."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ris.domain.protocoling import LOCAL_SCHEME, DefineProtocol, starter_protocols
from ris.domain.values import Code

# The common protocols: for which procedures of the demo's catalog.
_EXAMS = {
    "CTHEADPLAIN": ("CTHEAD",),
    "CTANGIOHEAD": ("CTAHEADNECK",),
    "CTCHESTPE": ("CTPULMANG",),
    "CTCHESTHR": ("CTCHEST",),
    "CTABDPV": ("CTABDPELC",),
    "CTABDSTONE": ("CTURO",),
    "MRHEADSTD": ("MRBRAIN",),
    "MRHEADTUMOR": ("MRBRAINC", "MRPITUITARY"),
    "MRSPINE": ("MRCSPINE", "MRLSPINE"),
    "MRKNEE": ("MRKNEE",),
    "MRLIVER": ("MRLIVERC",),
    "NMBONE": ("NMBONE", "NMBONECT"),
}
# (code, meaning, instructions, procedure): what the common ones leave out.
_OWN = (
    ("CTCHESTABDPV", "Chest and abdomen, portal venous", "Delay 70 s, one breath hold.", "CTCAP"),
    ("CTCOROGATED", "Coronary arteries, ECG gated", "Nitroglycerin before the scan.", "CTCORONARY"),
    ("MRSHOULDERCUFF", "Shoulder, rotator cuff", "PD fat-saturated, oblique planes.", "MRSHOULDER"),
    ("MRCP3D", "Bile ducts, 3D MRCP", "Respiratory triggering; nothing by mouth.", "MRMRCP"),
    ("MRPROSTATEMP", "Prostate, multiparametric", "T2, DWI, dynamic T1.", "MRPROSTATE"),
    ("MRBREASTDYN", "Breast, dynamic", "Prone; five phases after contrast.", "MRBREAST"),
    ("NMTHYROIDPLANAR", "Thyroid, planar", "20 minutes after injection.", "NMTHYROID"),
    ("NMMPSONEDAY", "Heart, rest and stress in one day", "Rest first.", "NMMPS"),
    ("NMRENALMAG3", "Kidneys, dynamic", "Furosemide at 20 minutes.", "NMRENAL"),
)


def protocols() -> Iterator[DefineProtocol]:
    """What the demo's catalog offers, as commands."""
    for command in starter_protocols():
        yield replace(command, procedures=_EXAMS[command.code.value])
    for code, meaning, instructions, procedure in _OWN:
        yield DefineProtocol(
            code=Code(code, LOCAL_SCHEME, meaning),
            modality=procedure[:2],
            instructions=instructions,
            procedures=(procedure,),
        )
