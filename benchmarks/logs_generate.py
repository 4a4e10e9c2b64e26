"""Write the log that the benchmarks read: the same bytes for the same seed.

    python benchmarks/logs_generate.py FILE [--megabytes 500] [--hits 0.01] [--seed 1]

Lines as an application and its web server write them, 40 to 300 bytes; the given part of them matches one of the twelve
patterns; one in a thousand holds invalid UTF-8, one in fifty thousand is 64 kB long.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from exporters.logs.catalogue import read_folder

_WORDS = "user order cart item queue worker cache fetched stored rendered in ms for id session batch retry none ok"


def lines(seed: int, hits: float) -> Iterator[bytes]:
    """Yield lines without end."""
    choose = random.Random(seed)
    shipped = [pattern for pattern in read_folder() if pattern.builtin]
    samples = [sample.encode() for pattern in shipped for sample in pattern.matches]
    words = _WORDS.split()
    number = 0
    while True:
        number += 1
        stamp = f"2026-11-21T10:{number // 60000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}Z ".encode()
        if choose.random() < hits:
            yield stamp + b"app[812]: " + choose.choice(samples) + b"\n"
        elif choose.random() < 0.4:
            client = ".".join(str(choose.randrange(256)) for _ in range(4))
            path = "/".join(choose.choices(words, k=choose.randint(1, 4)))
            request = f'[21/Nov/2026:10:00:00 +0000] "GET /{path} HTTP/1.1" 200 {choose.randrange(90000)}'
            yield f'{client} - - {request} "-" "Mozilla/5.0"\n'.encode()
        else:
            text = " ".join(choose.choices(words, k=choose.randint(4, 30))).encode()
            if choose.random() < 0.001:
                text += b" \xff\xfe\xc3("
            if choose.random() < 0.00002:
                text += b" " + b"payload " * 8000
            yield stamp + b"INFO app[812]: " + text + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--hits", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    written = 0
    with chosen.file.open("wb", buffering=1 << 20) as out:
        for line in lines(chosen.seed, chosen.hits):
            written += out.write(line)
            if written >= chosen.megabytes * 1_000_000:
                return


if __name__ == "__main__":
    main()
