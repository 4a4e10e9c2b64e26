"""How long a scrape takes with many checks and log sources, and what it all costs when nothing happens.

python benchmarks/exporter_scrape.py [--checks 1000] [--sources 200] [--scrapes 100]
"""

import argparse
import signal
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import requests

from tests.exporters.running import RunningExporter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--sources", type=int, default=200)
    parser.add_argument("--scrapes", type=int, default=100)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{number}.log" for number in range(chosen.sources)]
        for log in logs:
            log.touch()
        config: dict[str, object] = {
            "checks": [{"name": f"c{n}", "kind": "file", "path": "/etc/passwd"} for n in range(chosen.checks)],
            "log_sources": [{"name": log.stem, "path": str(log)} for log in logs],
        }
        exporter = RunningExporter(Path(folder), config)
        exporter.start()
        try:
            measure(exporter, chosen.scrapes)
        finally:
            exporter.stop(signal.SIGTERM)


def measure(exporter: RunningExporter, scrapes: int) -> None:
    while exporter.metric("healthcheck_success") is None:
        time.sleep(0.2)
    family = [psutil.Process(exporter.pid), *psutil.Process(exporter.pid).children()]
    before, begun = _used(family), time.monotonic()
    time.sleep(5)
    print(f"unasked: {100 * (_used(family) - before) / (time.monotonic() - begun):.2f} % of a core")
    took, before = [], _used(family)
    with requests.Session() as session:
        for _ in range(scrapes):
            started = time.perf_counter()
            size = len(session.get(f"{exporter.url}/metrics", timeout=10).content)
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(0.02)
    each = 1000 * (_used(family) - before) / scrapes
    p99 = statistics.quantiles(took, n=100)[98]
    pss = sum(process.memory_full_info().pss for process in family)
    times = f"{each:.0f} ms of processor time, median {statistics.median(took):.0f} ms, p99 {p99:.0f} ms"
    print(f"scrape of {size / 1000:.0f} kB: {times}; PSS {pss / 1e6:.0f} MB")


def _used(family: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in family))


if __name__ == "__main__":
    main()
