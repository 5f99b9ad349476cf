"""What can be configured, for the conformance statement (PS3.2 N.6)."""

from __future__ import annotations

from inspect import cleandoc

from ris import config
from ris.config_sections import Dicom
from ris.markdown import table
from worklist.conformance_form import absent, heading, settings
from worklist.dicomweb_settings import WebSettings
from worklist.endpoint_settings import Settings
from worklist.registry import Profile
from worklist.web import conformance as web

_MEANING = 26  # where the second column of the docstring begins


def section(number: str) -> list[str]:
    """The chapter, with its number."""
    return [
        *heading(number, "Configuration"),
        *heading(f"{number}.1", "General configuration parameters"),
        *table(
            ("setting", "meaning"),
            (
                (f"`{config.env_name(('dicom', name))}`", (field.description or "").rstrip("."))
                for name, field in Dicom.model_fields.items()
            ),
        ),
        *heading(f"{number}.2", "Configuration of DIMSE services"),
        "Per device, in the register, by an administrator; a change counts after a second:",
        "",
        *table(("setting", "meaning"), of_device()),
        "Per application that is sent to or asked: host, port and AE title are those of its",
        "endpoint; `sends` is any of `mpps`, `mpps-events` and `report-objects`. All waits",
        "together are at most 75 seconds.",
        "",
        *settings(Settings.model_fields),
        *heading(f"{number}.3", "Configuration of DICOM web services"),
        *heading(f"{number}.3.1", "Studies: an archive"),
        *settings(WebSettings.model_fields),
        *web.limits(f"{number}.3.2"),
        *absent(f"{number}.4", "Configuration of media storage service"),
        *absent(f"{number}.5", "Configuration of Real-Time Video service"),
        *absent(
            f"{number}.6",
            "Configuration of audit trail",
            "Not as Syslog: the trail is kept in the database and read as FHIR AuditEvent.",
        ),
    ]


def of_device() -> list[tuple[str, str]]:
    """The rows of the table in ``Profile``'s docstring; an indented line goes on."""
    text = cleandoc(Profile.__doc__ or "").split("=\n")[1].split("\n=")[0]
    rows: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, meaning = line[:_MEANING].strip(), line[_MEANING:].strip().replace("``", "`")
        if name:
            rows.append((name.replace("``", "`"), meaning))
        elif meaning and rows:
            last, so_far = rows[-1]
            rows[-1] = (last, f"{so_far} {meaning}")
    return rows
