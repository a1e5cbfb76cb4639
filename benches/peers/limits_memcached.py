"""Checks per second of Python's `limits` (what slowapi counts with) on memcached: async, fixed window.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install 'limits[async-memcached]==5.*'
    memcached -p 7777 & /tmp/peer/bin/python benches/peers/limits_memcached.py 7777 64 10000 1000000 3

The arguments are the port, tasks, keys, requests per minute, and seconds. It has no moving window on
memcached. A check is a hit and the statistics that the response headers need, as slowapi does it.
"""

import asyncio
import sys
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemcachedStorage
from limits.aio.strategies import FixedWindowRateLimiter


async def hammer(limiter, limit, task, keys, stop, waits, failed):
    hit = 0
    while time.perf_counter() < stop:
        start = time.perf_counter()
        key = str((task * 131 + hit) % keys)
        try:
            await limiter.hit(limit, "bench", key)
            await limiter.get_window_stats(limit, "bench", key)
        except Exception as error:
            failed.append(error)
        waits.append(time.perf_counter() - start)
        hit += 1


async def main(port, tasks, keys, count, seconds):
    storage = MemcachedStorage(f"async+memcached://127.0.0.1:{port}")
    limiter = FixedWindowRateLimiter(storage)
    limit = RateLimitItemPerMinute(count)
    waits, failed = [], []
    start = time.perf_counter()
    stop = start + seconds
    await asyncio.gather(
        *(hammer(limiter, limit, task, keys, stop, waits, failed) for task in range(tasks))
    )
    took = time.perf_counter() - start
    waits.sort()
    print(
        f"{tasks:4} tasks  limits   {len(waits) / took:9.0f} checks/s   "
        f"p50 {waits[len(waits) // 2] * 1e6:7.1f}µs  p99 {waits[len(waits) * 99 // 100] * 1e6:7.1f}µs   "
        f"{len(failed)} failed {failed[0]!r}" if failed else
        f"{tasks:4} tasks  limits   {len(waits) / took:9.0f} checks/s   "
        f"p50 {waits[len(waits) // 2] * 1e6:7.1f}µs  p99 {waits[len(waits) * 99 // 100] * 1e6:7.1f}µs",
        flush=True,
    )


asyncio.run(main(*map(int, sys.argv[1:6])))
