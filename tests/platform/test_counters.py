"""Numbers of the DICOM part, shown by the web part."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.test import Client

from ris import config, counters
from ris.counters import Family, Sample
from ris.parts import run_folder
from worklist.metrics import Metrics
from worklist.sop_classes import Operation


def numbers(count: int) -> list[Family]:
    return [Family("x_seen", "counter", "Seen", [Sample("_total", {"kind": "a"}, count)])]


def test_each_family_comes_once_with_the_processes_as_labels(tmp_path: Path) -> None:
    counters.write(tmp_path, "dicom-1", numbers(3))
    counters.write(tmp_path, "dicom-2", numbers(5))

    found = list(counters.read(tmp_path))

    assert len(found) == 1
    assert [(one.labels, one.value) for one in found[0].samples] == [
        ({"process": "dicom-1", "kind": "a"}, 3),
        ({"process": "dicom-2", "kind": "a"}, 5),
    ]


def test_what_ended_or_was_damaged_is_not_shown(tmp_path: Path) -> None:
    counters.write(tmp_path, "dicom-1", numbers(1))
    counters.forget(tmp_path, "dicom-1")
    counters.write(tmp_path, "dicom-2", numbers(2))
    old = time.time() - counters.STALE_SECONDS - 1
    os.utime(tmp_path / "dicom-2.counters", (old, old))
    (tmp_path / "dicom-3.counters").write_text("[{")

    assert list(counters.read(tmp_path)) == []


@pytest.mark.django_db
def test_the_metrics_of_the_listener_are_on_the_page(client: Client) -> None:
    metrics = Metrics()
    metrics.accepted = 2
    metrics.rejected["no room"] += 1
    metrics.pdus[4] += 7
    metrics.request(Operation.C_FIND, 0x0000, 0.004)
    metrics.request(Operation.C_FIND, 0x0000, 3.0)
    metrics.request(0x0FFE, 0x0211, 0.0001)
    metrics.request(Operation.N_SET, None, 0.02)
    folder = run_folder(config.load().home)
    families = metrics.families(associations=1, connections=4, file_ends={"certificate": 2e9})
    counters.write(folder, "dicom-1", families)
    try:
        text = client.get("/metrics").content.decode()
    finally:
        counters.forget(folder, "dicom-1")

    lines = text.splitlines()
    for line in (
        'ris_dicom_associations{process="dicom-1"} 1.0',
        'ris_dicom_connections{process="dicom-1"} 4.0',
        'ris_dicom_associations_accepted_total{process="dicom-1"} 2.0',
        'ris_dicom_associations_rejected_total{process="dicom-1",reason="no room"} 1.0',
        'ris_dicom_pdus_received_total{process="dicom-1",type="04"} 7.0',
        'ris_dicom_requests_total{operation="C-FIND",process="dicom-1",status="0000"} 2.0',
        'ris_dicom_requests_total{operation="unknown",process="dicom-1",status="0211"} 1.0',
        'ris_dicom_requests_total{operation="N-SET",process="dicom-1",status="none"} 1.0',
        'ris_dicom_request_seconds_bucket{le="0.0025",operation="C-FIND",process="dicom-1"} 0.0',
        'ris_dicom_request_seconds_bucket{le="0.005",operation="C-FIND",process="dicom-1"} 1.0',
        'ris_dicom_request_seconds_bucket{le="+Inf",operation="C-FIND",process="dicom-1"} 2.0',
        'ris_dicom_request_seconds_count{operation="C-FIND",process="dicom-1"} 2.0',
        'ris_dicom_tls_file_end_seconds{file="certificate",process="dicom-1"} 2e+09',
    ):
        assert line in lines, text
    assert "# TYPE ris_dicom_request_seconds histogram" in lines
