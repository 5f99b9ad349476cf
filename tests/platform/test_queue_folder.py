"""The queue folder: a reader never meets half a message."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.transport import filesystem

from ris import queue_folder

MESSAGES = 300


def channel(folder: Path) -> queue_folder.Channel:
    connection = Connection(
        "filesystem://",
        transport_options={
            "data_folder_in": str(folder),
            "data_folder_out": str(folder),
            "control_folder": str(folder / "control"),
        },
    )
    return connection.channel()


def test_a_message_has_its_name_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = filesystem.dumps

    def watched(payload: object) -> str:
        seen.append(len(list(tmp_path.glob("*.msg"))))
        return str(real(payload))

    monkeypatch.setattr(filesystem, "dumps", watched)
    monkeypatch.setattr(queue_folder, "dumps", watched)
    sender = channel(tmp_path)

    sender._put("ris", {"body": "ring"})

    assert isinstance(sender, queue_folder.Channel)
    assert seen == [0]
    assert sender._get("ris") == {"body": "ring"}
    assert not any(path.is_file() for path in tmp_path.iterdir())


def test_a_reader_beside_a_writer_gets_every_message_once(tmp_path: Path) -> None:
    writer, reader = channel(tmp_path), channel(tmp_path)

    def write() -> None:
        for number in range(MESSAGES):
            writer._put("ris", {"number": number})

    thread = threading.Thread(target=write)
    thread.start()
    found: list[int] = []
    while thread.is_alive() or any(tmp_path.glob("*.msg")):
        try:
            found.append(reader._get("ris")["number"])
        except Empty:
            continue
    thread.join()

    assert sorted(found) == list(range(MESSAGES))
