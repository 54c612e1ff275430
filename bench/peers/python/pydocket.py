"""pydocket, the system that ours replaces. Arguments: URL, how many tasks, how many at once, "usual".

It has no call for many tasks: a "bulk add" is as many adds at once as its pool has connections for.
"""

import asyncio
import json
import sys
import time
from datetime import timedelta

from docket import Docket, Worker

URL, COUNT, CONCURRENCY = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
FIRST, BATCH = 1_000_000, 40
AUDIO_URL = "https://audio.example/track/12345.mp3"
runs = [0] * COUNT
ended = 0.0


async def note(track_id: int, audio_url: str) -> None:
    global ended
    runs[track_id - FIRST] += 1
    ended = time.perf_counter()


async def main() -> None:
    async with Docket(name="bench", url=URL) as docket:
        docket.register(note)
        start = time.perf_counter()
        for begin in range(0, COUNT, BATCH):
            batch = range(begin, min(begin + BATCH, COUNT))
            await asyncio.gather(*(docket.add(note)(FIRST + n, AUDIO_URL) for n in batch))
        added = COUNT / (time.perf_counter() - start)
        start = time.perf_counter()
        async with Worker(docket, concurrency=CONCURRENCY, minimum_check_interval=timedelta(milliseconds=250)) as worker:
            await worker.run_until_finished()
    lost = sum(1 for n in runs if n == 0)
    duplicates = sum(n - 1 for n in runs if n > 1)
    print(json.dumps({"add": added, "drain": COUNT / (ended - start), "lost": lost, "duplicates": duplicates}))


asyncio.run(main())
