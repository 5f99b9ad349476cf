"""The DICOM conformance statement, made from the tables that the code runs on (PS3.2 Annex N).

Chapters and their order are those of the template. Nothing here is written by hand that a table
knows, so the statement cannot drift; a test compares the copy in ``docs/reference`` with this.
"""

from __future__ import annotations

import re

from ris.markdown import table
from ris.version import version
from worklist import conformance_archives as archives
from worklist import conformance_documents as documents
from worklist import conformance_mpps as performed
from worklist import conformance_network as network
from worklist import conformance_overview as overview
from worklist import conformance_scu as forwarding
from worklist import conformance_security as security
from worklist import conformance_settings as settings
from worklist import conformance_worklist as scheduled
from worklist.conformance_form import absent, heading
from worklist.web import conformance as web

_NOTE = "<!-- Made from the code by docs/generate.py; edit the code. -->"
_LISTED = re.compile(r"#{2,3} (\d+(?:\.\d+)?) (.+)")


def statement() -> str:
    """The whole document, Markdown."""
    before = [*_cover(), *overview.section("1")]
    after = [
        *overview.introduction("3"),
        *overview.model("4"),
        *_services("5"),
        *settings.section("6"),
        *_network("7"),
        *security.section("8"),
        *_annexes(),
    ]
    return "\n".join([*before, *_contents([*before, *after]), *after]).strip() + "\n"


def _cover() -> list[str]:
    return [
        "# DICOM conformance statement",
        "",
        _NOTE,
        "",
        *table(
            ("", ""),
            [
                ("Product", "RIS, radiology information system"),
                ("Version", version()),
                ("Form", "PS3.2 Annex N; PS3.4 F.7.4, J.4, K.6.1.3 and R.3.4 for the services"),
            ],
        ),
    ]


def _contents(lines: list[str]) -> list[str]:
    """The chapters and their parts, each a link."""
    found = ["2 Table of contents"]
    found += [f"{match[1]} {match[2]}" for line in lines if (match := _LISTED.fullmatch(line))]
    found.sort(key=lambda title: [int(part) for part in title.split(" ")[0].split(".")])
    return [
        *heading("2", "Table of contents"),
        *(
            f"{'  ' * title.split(' ')[0].count('.')}- [{title}](#{_anchor(title)})"
            for title in found
        ),
        "",
    ]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-")


def _services(number: str) -> list[str]:
    dimse, over_http = f"{number}.2", f"{number}.3"
    return [
        *heading(number, "Service and interoperability description"),
        *overview.mapping(f"{number}.1"),
        *heading(dimse, "DIMSE services"),
        *scheduled.section(f"{dimse}.1"),
        *heading(f"{dimse}.2", "Modality Performed Procedure Step service"),
        "SCP of the class by N-CREATE and N-SET, and of its Retrieve class by N-GET; SCU where it",
        "is forwarded; SCP of its notification class.",
        "",
        *performed.section(f"{dimse}.2"),
        *forwarding.forwarding(f"{dimse}.2.6"),
        *forwarding.notification(f"{dimse}.2.7"),
        *absent(f"{dimse}.3", "Unified Worklist and Procedure Step service"),
        *documents.availability(f"{dimse}.4"),
        *heading(f"{dimse}.5", "Storage service"),
        *archives.storage(f"{dimse}.5.1"),
        *documents.dose(f"{dimse}.5.2"),
        *archives.commitment(f"{dimse}.6"),
        *archives.queries(f"{dimse}.7"),
        *absent(f"{dimse}.8", "Print Management service"),
        *heading(over_http, "DICOM web services"),
        *absent(f"{over_http}.1", "URI web service"),
        *heading(f"{over_http}.2", "Studies web service"),
        "User agent of Store (STOW-RS) and Search (QIDO-RS): reports are stored and archives are",
        "asked as over DIMSE. Of Store 200 and 202 store what the answer does not name as failed;",
        "of 409 the reason of the object counts; 408, 425, 429 and 5xx are repeated; other answers",
        "are refusals. Of Search 204 means no match; redirects are not followed.",
        "",
        *absent(f"{over_http}.3", "Worklist web service"),
        *absent(f"{over_http}.4", "Non-patient instance web service"),
        *absent(f"{over_http}.5", "Notification web service"),
        *absent(f"{over_http}.6", "Storage Commitment web service"),
        *web.scheduled(f"{over_http}.7"),
        *web.performed(f"{over_http}.8"),
        *absent(f"{number}.4", "Media services"),
        *absent(f"{number}.5", "Real-Time Video services"),
        *overview.across(f"{number}.6"),
        *network.characters(f"{number}.7"),
    ]


def _network(number: str) -> list[str]:
    status = f"{number}.3"
    return [
        *heading(number, "Network and media communication details"),
        *network.general(f"{number}.1"),
        *network.specification(f"{number}.2"),
        *heading(status, "Status codes"),
        *network.failures(f"{status}.1"),
        *heading(f"{status}.2", "DIMSE services"),
        *scheduled.statuses(f"{status}.2.1"),
        *performed.statuses(f"{status}.2.2"),
        *forwarding.statuses(f"{status}.2.3"),
        *documents.notice_statuses(f"{status}.2.4"),
        *archives.statuses(f"{status}.2.5"),
        *documents.dose_statuses(f"{status}.2.6"),
        *archives.report_statuses(f"{status}.2.7"),
        *web.statuses(f"{status}.3"),
    ]


def _annexes() -> list[str]:
    return [
        *overview.objects("9"),
        *heading("10", "Annex B: Structured Report content encoding"),
        *archives.content(),
        *security.details("11"),
        *overview.attributes("12"),
        *overview.codes("13"),
    ]
