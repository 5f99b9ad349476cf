"""A plain HL7 intake as a competent Django developer builds one in a day: hl7apy and the ORM.

``python -m benchmarks.servers.pipeline PORT DATABASE``: a thread for each connection; each message
is parsed by hl7apy (without looking for its groups, which is quicker), the patient, the order and
its step are updated or created, the message and what is to be told of it are stored, all in one
transaction, then AA. It checks nothing, books nothing and audits nothing. DATABASE is a file of
SQLite or the URL of a PostgreSQL; both force each commit to disk.
"""

from __future__ import annotations

import socketserver
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import dj_database_url
import django
from django.conf import settings

from benchmarks.servers.ris import Part, process, wait_for
from benchmarks.workspace import Workspace
from tests.running import accepts, free_ports

_START, _END = b"\x0b", b"\x1c\r"
_DURABLE = "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=8000;"


@contextmanager
def running(space: Workspace, database: str) -> Iterator[Part]:
    (port,) = free_ports(1)
    where = str(space.folder / "pipeline.sqlite3")
    if database == "PostgreSQL":
        space.create_database("pipeline")
        where = space.url("pipeline")
    command = [sys.executable, "-m", "benchmarks.servers.pipeline", str(port), where]
    log = space.folder / f"pipeline-{database}.log"
    with process(command, space.site(database).environment, log) as server:
        wait_for(lambda: accepts(port), server, "the plain pipeline", log)
        yield Part(port, server.pid)


def _configure(where: str) -> None:
    database: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": where,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": _DURABLE},
    }
    if where.startswith("postgresql:"):
        database = {**dj_database_url.parse(where)}
    database["CONN_MAX_AGE"] = None
    settings.configure(
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


def main(port: int, where: str) -> None:
    _configure(where)
    from django.db import connection, models, transaction
    from django.utils import timezone
    from hl7apy.parser import parse_message

    class Row(models.Model):
        objects: ClassVar[Any] = models.Manager()

        class Meta:
            abstract = True
            app_label = "pipeline"

        def __str__(self) -> str:
            return f"{self.pk}"

    class Patient(Row):
        number = models.CharField(max_length=64, unique=True)
        name = models.CharField(max_length=200)
        birth_date = models.CharField(max_length=8)
        sex = models.CharField(max_length=1)

    class Order(Row):
        patient = models.ForeignKey(Patient, on_delete=models.PROTECT)
        placer_number = models.CharField(max_length=64, unique=True)
        accession_number = models.CharField(max_length=64, db_index=True)
        code = models.CharField(max_length=64)
        text = models.CharField(max_length=200)
        study_uid = models.CharField(max_length=64)

    class Step(Row):
        order = models.ForeignKey(Order, on_delete=models.PROTECT)
        step_id = models.CharField(max_length=16, unique=True)
        station = models.CharField(max_length=16)
        modality = models.CharField(max_length=16)
        start = models.CharField(max_length=14)

    class Received(Row):
        control_id = models.CharField(max_length=200, db_index=True)
        raw = models.BinaryField()
        at = models.DateTimeField()

    class Outgoing(Row):
        order = models.ForeignKey(Order, on_delete=models.PROTECT)
        what = models.CharField(max_length=20)
        sent = models.BooleanField(default=False)

    with connection.schema_editor() as editor:
        for model in (Patient, Order, Step, Received, Outgoing):
            editor.create_model(model)
    connection.close()

    def apply(raw: bytes) -> bytes:
        message = parse_message(raw.decode(), find_groups=False)
        control_id = message.msh.msh_10.value
        pid, obr = message.pid, message.obr
        with transaction.atomic():
            patient, _ = Patient.objects.update_or_create(
                number=pid.pid_3.cx_1.value,
                defaults={
                    "name": pid.pid_5.value,
                    "birth_date": pid.pid_7.value,
                    "sex": pid.pid_8.value,
                },
            )
            order, _ = Order.objects.update_or_create(
                placer_number=obr.obr_2.value,
                defaults={
                    "patient": patient,
                    "accession_number": obr.obr_18.value,
                    "code": obr.obr_4.ce_1.value,
                    "text": obr.obr_4.ce_2.value,
                    "study_uid": message.zds.zds_1.value.partition("^")[0],
                },
            )
            Step.objects.update_or_create(
                step_id=obr.obr_20.value,
                defaults={
                    "order": order,
                    "station": obr.obr_21.value,
                    "modality": obr.obr_24.value,
                    "start": message.orc.orc_7.tq_4.value,
                },
            )
            Received.objects.create(control_id=control_id, raw=raw, at=timezone.now())
            Outgoing.objects.create(order=order, what="accepted")
        header = f"MSH|^~\\&|RIS|RAD|BENCH|HOSP|||ACK|A{control_id}|P|2.5.1"
        return f"{header}\rMSA|AA|{control_id}\r".encode()

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data = b""
            while received := self.request.recv(65536):
                data += received
                while _END in data:
                    frame, _, data = data.partition(_END)
                    self.request.sendall(_START + apply(frame.lstrip(_START)) + _END)
            connection.close()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", port), Conversation) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
