"""An order by FHIR, and a scanner's query until it is on the worklist, by one client."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator

from benchmarks.clients.worklist import WorklistTalk, identifier_of
from benchmarks.dataset import Item, service_request
from benchmarks.load import Said, Sample, TalkError

_PATIENCE = 10.0


def visible(
    web: int,
    dicom: int,
    called: str,
    headers: dict[str, str],
    items: Iterator[Item],
    *,
    clients: int,
    seconds: float,
) -> Sample:
    """``clients`` threads that create and look; a latency ends when the step is found."""
    lock = threading.Lock()
    sample = Sample()

    def take() -> Item:
        with lock:
            return next(items)

    def run() -> None:
        mine = Sample()
        try:
            with _Scanner(dicom, called) as scanner:
                order = http.client.HTTPConnection("127.0.0.1", web, timeout=_PATIENCE)
                while True:
                    since = time.perf_counter()
                    item = take()
                    order.request("POST", "/fhir/ServiceRequest", service_request(item), headers)
                    answer = order.getresponse()
                    answer.read()
                    if answer.status != 201:
                        raise TalkError(f"status {answer.status}")
                    scanner.wait_for(item.accession)
                    mine.latencies.append(time.perf_counter() - since)
                    if time.perf_counter() - began >= seconds:
                        break
                order.close()
        except (TalkError, OSError) as error:
            mine.failures[str(error)] += 1
        with lock:
            sample.latencies.extend(mine.latencies)
            sample.failures.update(mine.failures)

    began, cpu = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sample.seconds = time.perf_counter() - began
    sample.client_cpu = time.process_time() - cpu
    return sample


class _Scanner:
    """A kept association that asks for one accession number after the other."""

    def __init__(self, port: int, called: str) -> None:
        self._wanted = ""
        self._talk = WorklistTalk(
            called, "prefix", 0, identifier=lambda: identifier_of(self._wanted)
        )
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> _Scanner:
        self._socket.sendall(self._talk.hello())
        self._until(Said.OPEN)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._socket.sendall(self._talk.goodbye())
            self._until(Said.PARTED)
        finally:
            self._socket.close()

    def wait_for(self, accession: str) -> None:
        self._wanted = accession
        deadline = time.perf_counter() + _PATIENCE
        found = self._talk.found
        while self._talk.found == found:
            if time.perf_counter() > deadline:
                raise TalkError("an order is not on the worklist")
            self._socket.sendall(self._talk.request())
            self._until(Said.ANSWERED)

    def _until(self, wanted: Said) -> None:
        said = Said.MORE
        while said is not wanted:
            data = self._socket.recv(1 << 16)
            if not data:
                raise TalkError("the association ended")
            said, answer = self._talk.hear(data)
            if answer:
                self._socket.sendall(answer)
