"""A breast assessment in codes, for receivers that read codes (DICOM PS3.16 TID 4200, 4206).

Categories are those of CID 6026 (by way of CID 6027), densities those of CID 6000. They are about
mammograms: of an ultrasound or MR exam only the figure is said.
"""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.mammography import Assessed, BreastExam, Category, Density
from ris.domain.values import Code

OVERALL = Code("111413", "DCM", "Overall Assessment")
OF_SIDE = Code("111005", "DCM", "Assessment Category")
COMPOSITION = Code("111006", "DCM", "Breast composition")
SITES: Mapping[str, Code] = {
    "right": Code("73056007", "SCT", "Right breast"),
    "left": Code("80248007", "SCT", "Left breast"),
}
CATEGORIES: Mapping[Category, Code] = {
    Category.INCOMPLETE: Code("397138000", "SCT", "0 - Incomplete"),
    Category.NEGATIVE: Code("397140005", "SCT", "1 - Negative"),
    Category.BENIGN: Code("397141009", "SCT", "2 - Benign"),
    Category.PROBABLY_BENIGN: Code("397143007", "SCT", "3 - Probably benign"),
    Category.SUSPICIOUS: Code("397144001", "SCT", "4 - Suspicious"),
    Category.LOW_SUSPICION: Code("MA.II.A.5.4A", "BI", "4A - Low suspicion"),
    Category.MODERATE_SUSPICION: Code("MA.II.A.5.4B", "BI", "4B - Moderate suspicion"),
    Category.HIGH_SUSPICION: Code("MA.II.A.5.4C", "BI", "4C - High suspicion"),
    Category.MALIGNANT: Code("397145000", "SCT", "5 - Highly suggestive of malignancy"),
    Category.KNOWN: Code("MA.II.A.5.6", "BI", "6 - Known malignancy"),
}
DENSITIES: Mapping[Density, Code] = {
    Density.FATTY: Code("129716005", "SCT", "Almost entirely fat"),
    Density.SCATTERED: Code("129717001", "SCT", "Scattered fibroglandular densities"),
    Density.DENSE: Code("129718006", "SCT", "Heterogeneously dense"),
    Density.VERY_DENSE: Code("129719003", "SCT", "Extremely dense"),
}


def coded(said: Assessed, exam: BreastExam) -> list[dict[str, str]]:
    """The assessment as a version keeps its codes (ris.models.ReportVersion.coded)."""
    rows = [_row(OVERALL, said.overall, exam)]
    for side, site in SITES.items():
        value = getattr(said, side)
        if value:
            rows.append(
                _row(OF_SIDE, value, exam)
                | {
                    "site_code": site.value,
                    "site_scheme": site.scheme,
                    "site_meaning": site.meaning,
                }
            )
    if said.density:
        rows.append(_answer(COMPOSITION, said.density, DENSITIES[Density(said.density)]))
    return rows


def _row(asked: Code, value: str, exam: BreastExam) -> dict[str, str]:
    is_mammogram = exam is not BreastExam.OTHER
    return _answer(asked, value, CATEGORIES[Category(value)] if is_mammogram else None)


def _answer(asked: Code, value: str, code: Code | None) -> dict[str, str]:
    row = {
        "code": asked.value,
        "scheme": asked.scheme,
        "meaning": asked.meaning,
        "value": value,
        "unit": "",
    }
    if code is not None:
        row |= {
            "value_code": code.value,
            "value_scheme": code.scheme,
            "value_meaning": code.meaning,
        }
    return row
