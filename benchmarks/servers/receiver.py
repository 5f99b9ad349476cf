"""``python -m benchmarks.servers.receiver PORT LOG``: a peer that takes every HL7 message at once.

For each message a line is written: when it came (the wall clock, which its sender reads too), its
control id, and what its sender said in NTE-3.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import IO

START, END = b"\x0b", b"\x1c\r"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: IO[str]) -> None:
    try:
        while True:
            frame = await reader.readuntil(END)
            now = time.time()
            message = frame.strip(START + END).decode("latin-1")
            control_id = message.split("|", 10)[9]
            said = message.rpartition("\rNTE|1||")[2].rstrip("\r")
            ack = f"MSH|^~\\&|PEER|X|RIS|X|2029||ACK|{control_id}|P|2.5.1\rMSA|AA|{control_id}\r"
            writer.write(START + ack.encode() + END)
            log.write(f"{now:.6f} {control_id} {said}\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _run(port: int, log: IO[str]) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, log), "127.0.0.1", port, limit=1 << 20
    )
    async with server:
        await server.serve_forever()


def main(argv: list[str]) -> int:
    with Path(argv[1]).open("w", buffering=1, encoding="latin-1") as log:
        asyncio.run(_run(int(argv[0]), log))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
