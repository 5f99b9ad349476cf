"""Security in the conformance statement (PS3.2 N.8, N.11)."""

from __future__ import annotations

from ris.config_sections import Dicom, Http
from ris.markdown import table
from worklist.conformance_form import absent, heading
from worklist.web import conformance as web


def section(number: str) -> list[str]:
    """The chapter, with its number."""
    profiles, identity = f"{number}.4", f"{number}.5"
    return [
        *heading(number, "Security"),
        *heading(f"{number}.1", "Introduction"),
        "Nothing is accepted from whom the register does not know, unless a setting says so; the",
        "listeners are bound to this machine until an address is set.",
        "",
        *heading(f"{number}.2", "External network requirements"),
        "A clock that is right. Names of hosts are looked up by the system; no directory, no DHCP",
        "and no service discovery is used.",
        "",
        *heading(f"{number}.3", "TCP port configuration"),
        *table(
            ("port", "use"),
            [
                (f"{Dicom().port}", "DICOM, a setting"),
                ("none", "DICOM over TLS, a setting; 2762 is the registered one"),
                (f"{Http().port}", "DICOM web services, with the web pages, a setting"),
            ],
        ),
        *heading(profiles, "DICOM security profiles"),
        *absent(f"{profiles}.1", "Secure use profiles"),
        *heading(f"{profiles}.2", "Secure transport connection profiles"),
        "- TLS 1.2 and 1.3 on a port of its own, by the profile of PS3.15 B.12 or, as a setting,",
        "  of B.13 (its suites but those with Camellia and with CCM-8); no older version, and no",
        "  upgrade of a plain connection.",
        "- With a CA file client certificates are required. The certificates of clients are",
        "  looked up in the revocation lists (CRL) of the setting `tls_crl`, read anew when the",
        "  file changes; a list that is out of date refuses every client of its authority. Lists",
        "  are not fetched, OCSP is not asked and no stapled answer is given or read; of the",
        "  authorities between, lists are not looked at.",
        "- Files are read anew within a second of their change, without ending any association; an",
        "  end that is near is told 60, 30 and 7 days before.",
        "- As requestor likewise, with the authorities or the certificate of the peer named by",
        "  digest; revocation is not looked at.",
        "",
        *absent(f"{profiles}.3", "Media storage security profiles"),
        *absent(f"{profiles}.4", "Attribute confidentiality profiles"),
        *absent(f"{profiles}.5", "Digital signature profiles", "Not supported; none is checked."),
        *absent(f"{profiles}.6", "Additional security profiles"),
        *heading(identity, "User identity negotiation"),
        *absent(f"{identity}.1", "Association initiation"),
        *heading(f"{identity}.2", "Association acceptance"),
        "Kinds 1 and 2 are checked where the register demands an identity, and confirmed if a",
        "positive response is requested; kinds 3, 4 and 5 are then rejected (1, 2, 1). Where none",
        "is demanded, an identity is accepted and not confirmed.",
        "",
        *web.security(f"{number}.6"),
        *heading(f"{number}.7", "Other security features"),
        "- A device is known by AE title and, if registered, by address or network, by the digest",
        "  of its certificate or a name in it, and by its user identity.",
        "- A device may be held to some of the services, to a number of associations, and to a",
        "  number of queries a minute, above which A700 is answered.",
        "- Datasets are looked through before they are read: their size, the depth of their",
        "  sequences and the number of their elements have limits.",
        "",
    ]


def details(number: str) -> list[str]:
    return [
        *heading(number, "Annex C: Security details"),
        *absent(f"{number}.1", "External network requirement details", "None."),
        *heading(f"{number}.2", "Security profile details"),
        *absent(f"{number}.2.1", "Online electronic storage"),
        *heading(f"{number}.2.2", "Audit messages"),
        "Kept in the transaction of what they tell of, and read as FHIR AuditEvent:",
        "",
        *table(
            ("event", "when"),
            [
                ("110112 Query", "each C-FIND, with keys, number of answers and patients shown"),
                ("110111 Procedure Record", "each command that an N-CREATE or N-SET caused"),
                ("110111 Procedure Record, read", "each N-GET"),
                ("110113 Security Alert", "an association or a certificate that was refused"),
            ],
        ),
        *absent(f"{number}.2.3", "Transmission of audit messages by Syslog"),
    ]  # fmt: skip
