"""``python -m tests.kill.reporter``: reports are signed and sent by processes that die at points.

Code is loaded once; each reporter is a fork that does what a page and a worker do: it signs the
version of each report that comes next, turns what happened into messages, and sends them. The first
of them is killed at the first point, the next at the next; the last lives. How they ended is
printed, a line each.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

SECONDS = 40.0


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody lives on")


def _before(module: Any, name: str) -> None:
    def dying(*arguments: Any, **named: Any) -> NoReturn:
        _die()

    setattr(module, name, dying)


def _after(module: Any, name: str, times: int = 1) -> None:
    real: Callable[..., Any] = getattr(module, name)
    calls = 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        result = real(*arguments, **named)
        calls += 1
        if calls == times:
            _die()
        return result

    setattr(module, name, dying)


def _arm(point: str) -> None:
    """Have the process die there. Whose name is patched is the name that its caller looks up."""
    from integration.hl7 import mllp_client, outbound
    from integration.mail import outbound as mail
    from ris.services import outbox
    from ris.services.referring import notices
    from ris.services.reporting import parts
    from worklist import scu

    match point:
        case "a version is made and not committed":
            _after(parts.documents, "sign_with")
        case "a version is committed":
            _before(outbox, "fan_out")
        case "the first message is written":
            _after(outbound, "oru_r01")
        case "the document is kept and its message is not":
            _before(outbound, "mdm")
        case "all is written and nothing sent":
            _before(outbox, "deliver_due")
        case "a message is leased":
            _before(mllp_client, "send")
        case "a message has arrived and nobody noted it":
            _after(mllp_client, "send")
        case "the receipt is noted":
            _after(outbox, "_settle", times=2)
        case "an object is leased":
            _before(scu, "store")
        case "an object has arrived and nobody noted it":
            _after(scu, "store")
        case "a notice is handed over and not committed":
            _after(notices, "_hand_over")
        case "a mail is written and nobody noted it":
            _after(mail, "_store")


POINTS = (
    "a version is made and not committed",
    "a version is committed",
    "the first message is written",
    "the document is kept and its message is not",
    "all is written and nothing sent",
    "a message is leased",
    "a message has arrived and nobody noted it",
    "the receipt is noted",
    "an object is leased",
    "an object has arrived and nobody noted it",
    "a notice is handed over and not committed",
    "a mail is written and nobody noted it",
)


def main() -> int:
    import django

    django.setup()
    from ris.printing import page
    from ris.services import outbox
    from worklist import calling

    assert all((outbox, page, calling))  # loaded before the first fork
    for point in (*POINTS, ""):
        pid = os.fork()
        if pid == 0:
            _arm(point)
            os._exit(_work())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()  # what a fork inherits it would write once more
    return 0


def _work() -> int:
    from ris.domain.referring import NoticeState
    from ris.models import Delivery, DomainEvent, Report, ResultNotice
    from ris.services import outbox, referring

    outbox.free_leases_of_this_machine()
    end = time.monotonic() + SECONDS
    for key in Report.objects.order_by("id").values_list("public_id", flat=True):
        while _sign_next(str(key)):
            outbox.fan_out()
            outbox.deliver_due()
    while (
        DomainEvent.objects.filter(fanned_out_at=None).exists()
        or Delivery.objects.exclude(state="DELIVERED").exists()
        or ResultNotice.objects.filter(state=NoticeState.PLANNED.value).exists()
    ):
        if time.monotonic() > end:
            return 1
        outbox.fan_out()
        outbox.deliver_due()
        referring.run_due()
        time.sleep(0.02)
    return 0


def _sign_next(report: str) -> bool:
    """Sign the version that comes next; what the one before it was is in the database."""
    from ris.domain.reporting import AmendReport, FinalizeReport, VersionKind
    from ris.models import ReportVersion
    from ris.services import execute
    from tests import people

    number = ReportVersion.objects.filter(report__public_id=report).count()
    match number:
        case 0:
            signed: Any = FinalizeReport(report=report, sections={"impression": "Normal."})
        case 1:
            signed = AmendReport(
                report=report, kind=VersionKind.ADDENDUM, sections={"addendum": "Compared."}
            )
        case 2:
            signed = AmendReport(
                report=report,
                kind=VersionKind.CORRECTION,
                sections={"impression": "A fracture."},
                reason="overlooked",
            )
        case _:
            return False
    execute(signed, actor=people.radiologist)
    return True


if __name__ == "__main__":
    sys.exit(main())
