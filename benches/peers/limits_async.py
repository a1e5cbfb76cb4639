"""Checks per second of Python's `limits` (what slowapi counts with) on Redis: async, moving window.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install 'limits[async-redis]==5.*' redis
    redis-server --port 7777 --save '' & /tmp/peer/bin/python benches/peers/limits_async.py 7777

A check is a hit and the statistics that the response headers need, as slowapi does it.
"""

import asyncio
import sys
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

SECONDS = 3


async def hammer(limiter, limit, task, stop, waits):
    hit = 0
    while time.perf_counter() < stop:
        start = time.perf_counter()
        key = str((task * 131 + hit) % 1000)
        await limiter.hit(limit, "bench", key)
        await limiter.get_window_stats(limit, "bench", key)
        waits.append(time.perf_counter() - start)
        hit += 1


async def main(port):
    for count, label in ((1_000_000, "all allowed"), (10, "mostly denied")):
        for tasks in (1, 8, 64, 512):
            storage = RedisStorage(
                f"async+redis://127.0.0.1:{port}", implementation="redispy", max_connections=1024
            )
            await storage.reset()
            limiter = MovingWindowRateLimiter(storage)
            limit = RateLimitItemPerMinute(count)
            waits = []
            start = time.perf_counter()
            stop = start + SECONDS
            await asyncio.gather(
                *(hammer(limiter, limit, task, stop, waits) for task in range(tasks))
            )
            took = time.perf_counter() - start
            waits.sort()
            print(
                f"{label:14} {tasks:4} tasks {len(waits) / took:9.0f} checks/s   "
                f"p50 {waits[len(waits) // 2] * 1e3:7.2f} ms  "
                f"p99 {waits[len(waits) * 99 // 100] * 1e3:7.2f} ms",
                flush=True,
            )


asyncio.run(main(int(sys.argv[1])))
