"""DCMTK's findscu, unmodified: Nagle's algorithm on, many queries on one association."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks import dataset
from benchmarks.clients.worklist import CALLING
from benchmarks.load import Sample
from benchmarks.servers.ris import BenchmarkError

# findscu's own clock at each line it says.
_LOGGING = """
log4cplus.rootLogger = INFO, console
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %D{%s.%q} %m%n
"""
_EVENT = re.compile(r"^(\d+\.\d+) (Sending Find Request|Received Final Find Response)", re.M)
_MATCH = re.compile(r"Find Response: \d+ \(Pending\)")


def installed() -> bool:
    return shutil.which("findscu") is not None


def ask(folder: Path, port: int, called: str, size: int, times: int) -> Sample:
    """A day's list, ``times`` times on one association: how long each took."""
    logging = folder / "findscu.cfg"
    logging.write_text(_LOGGING)
    step = "(0040,0100)[0]"
    keys = [
        "PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID",
        f"{step}.Modality=CT", f"{step}.ScheduledStationAETitle={dataset.STATION}",
        f"{step}.ScheduledProcedureStepStartDate={dataset.DAY:%Y%m%d}",
        f"{step}.ScheduledProcedureStepStartTime", f"{step}.ScheduledProcedureStepID",
    ]  # fmt: skip
    command = ["findscu", "-W", "-lc", str(logging), "-aet", CALLING, "-aec", called]
    command += ["--repeat", str(times), *(word for key in keys for word in ("-k", key))]
    done = subprocess.run(
        [*command, "127.0.0.1", str(port)],
        env={**os.environ, "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout + done.stderr
    matches = len(_MATCH.findall(said))
    if done.returncode or matches != times * dataset.day_matches(size):
        raise BenchmarkError(f"findscu: {matches} matches; {said[-500:]}")
    moments = [float(moment) for moment, _ in _EVENT.findall(said)]
    sample = Sample()
    # The first one meets a cold cache.
    sample.latencies = [
        ended - began for began, ended in zip(moments[2::2], moments[3::2], strict=True)
    ]
    sample.seconds = moments[-1] - moments[0]
    return sample
