"""A proxy that makes a network slow without making it narrow.

``python -m tests.benchmarks.slow_network WORK RTT_MS`` reads ``upstream.json`` and prints its ports. Every
chunk is passed on half a round trip after it came, in order, however many are under way. A new connection
waits one round trip more, as a TCP handshake would.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

CHUNK = 65536


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on what comes, ``delay_s`` later; the end of the stream too."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def receive() -> None:
        data = b" "
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            under_way.put_nowait((loop.time() + delay_s, data))

    receiving = asyncio.create_task(receive())
    try:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        pass
    finally:
        receiving.cancel()


async def serve(address: str, rtt_s: float) -> int:
    """Listen for one host; the port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(rtt_s)
        try:
            far_reader, far_writer = await asyncio.open_connection(address, 22)
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, far_writer, rtt_s / 2), carry(far_reader, writer, rtt_s / 2))
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    return int(server.sockets[0].getsockname()[1])


async def main() -> None:
    addresses = json.loads(Path(sys.argv[1], "upstream.json").read_text())
    ports = [await serve(address, float(sys.argv[2]) / 1000) for address in addresses]
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started it is gone


if __name__ == "__main__":
    asyncio.run(main())
