"""What keeps a ledger well: retention in small pieces, its reserve, and a refusal that overwrites nothing."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from bridge.housekeeping import Housekeeping
from bridge.ledger import episodes, retention, schema, sqlite
from bridge.ledger.reserve import Reserve
from bridge.ledger.schema import METADATA, meta
from bridge.ledger.store import Ledger, LedgerError
from tests.bridge.durability.bridge_world import World
from tests.bridge.durability.test_full_disk import MIB

POLICY = """
limits: {concurrent: 100, runs_per_hour: 10000, targets: {max: 1000, window: 1h}}
defaults: {cooldown: 0s, max_retries: 0, escalate: [{after_attempts: 1, to: [ops]}]}
notifiers: {ops: {kind: log}}
remediations: [{name: down, match: 'alertname="Down"', verify: none, steps: [wait: {duration: 1s}]}]
"""
DAY = 86400.0


def rows(world: World) -> dict[str, int]:
    with closing(sqlite3.connect(world.ledger.path)) as connection:
        names = [table for table in METADATA.tables if table not in ("meta", "pauses", "breakers")]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def past(world: World, count: int, prefix: str = "web") -> None:
    """Let so many episodes come, be worked on, and go."""
    labels = [{"alertname": "Down", "instance": f"{prefix}-{number}"} for number in range(count)]
    starts = world.now
    for each in labels:
        world.fire(each, starts)
    world.settle()
    for each in labels:
        world.resolve(each, starts)
    world.settle(3)


def test_what_ended_long_ago_goes_with_all_that_hangs_on_it(tmp_path: Path) -> None:
    world = World(tmp_path, POLICY)
    past(world, 30)
    before = rows(world)
    assert all(before[name] >= 30 for name in ("episodes", "decisions", "runs", "attempts", "steps"))
    world.advance(91 * DAY)
    past(world, 1, "young")
    assert {name: 30 * count for name, count in rows(world).items()} == before
    world.end()


def test_what_is_open_or_not_delivered_stays_however_old(tmp_path: Path) -> None:
    world = World(tmp_path, POLICY)
    world.hand.fails = True
    past(world, 1, "untold")
    world.hand.fails = False
    world.fire({"alertname": "Down", "instance": "open"}, world.now)
    world.settle()
    before = rows(world)
    assert before["escalations"] == 1
    with closing(sqlite3.connect(world.ledger.path)) as connection:
        assert connection.execute("SELECT count(*) FROM escalations WHERE due_at IS NOT NULL").fetchone() == (1,)
    assert world.ledger.write(lambda c: retention.forget(c, world.now + 365 * DAY)) == 0
    assert rows(world) == before
    world.end()


def test_it_goes_in_small_pieces_between_which_others_write(tmp_path: Path) -> None:
    world = World(tmp_path, POLICY)
    past(world, 250)
    pieces: list[int] = []
    write = world.ledger.write

    def counted(work: Any) -> Any:
        pieces.append(rows(world)["episodes"])
        return write(work)

    world.ledger.write = counted
    world.advance(91 * DAY)
    Housekeeping(world.ledger, world.dispatcher._clock).forget(90 * DAY)
    assert pieces == [250, 150, 50]
    assert rows(world)["episodes"] == 0
    world.end()


@pytest.mark.parametrize(
    ("version", "warned"),
    [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False), ((4,), False)],
)
def test_a_version_of_sqlite_that_can_corrupt_a_ledger_is_named(version: tuple[int, ...], *, warned: bool) -> None:
    said = sqlite.warning(version)
    assert (said is not None) == warned
    if said is not None:
        assert said.startswith(f"SQLite {'.'.join(map(str, version))} can corrupt a WAL database")
        assert said.endswith("(fixed in 3.51.3)")


def newer(file: Path) -> str:
    ledger = Ledger(f"sqlite:///{file}")
    ledger.write(lambda c: c.execute(update(meta).where(meta.c.key == "version").values(value="99")) and None)
    ledger.close()
    return "of version 99, and this bridge knows versions up to"


def damaged(file: Path) -> str:
    ledger = Ledger(f"sqlite:///{file}")
    for number in range(200):
        ledger.write(lambda c, key=f"key {number}": c.execute(insert(meta).values(key=key, value="x" * 500)) and None)
    ledger.close()
    data = bytearray(file.read_bytes())
    data[-40_000:-8_000] = b"\x55" * 32_000
    file.write_bytes(data)
    return "put a backup in its place, or move it aside|malformed"


def no_ledger(file: Path) -> str:
    file.write_text("a letter to a friend, and a long one " * 200)
    return "file is not a database"


@pytest.mark.parametrize("make", [newer, damaged, no_ledger])
def test_what_cannot_be_used_is_refused_and_not_one_byte_of_it_is_overwritten(tmp_path: Path, make: Any) -> None:
    file = tmp_path / "ledger.db"
    why = make(file)
    before = file.read_bytes()
    for _ in range(2):
        with pytest.raises(LedgerError, match=f"ledger.db cannot be used: .*({why})"):
            Ledger(f"sqlite:///{file}", reserve=MIB)
        assert file.read_bytes() == before
    assert "\n" not in why


def reserve(folder: Path, size: int) -> Reserve:
    return Reserve(folder / "ledger.db", size)


def real(kept: Reserve) -> int:
    return kept.file.stat().st_blocks * 512 if kept.file.exists() else 0


def test_the_reserve_is_of_real_blocks_and_for_us_alone(tmp_path: Path) -> None:
    kept = reserve(tmp_path, 2 * MIB)
    kept.fill()
    assert kept.held == 2 * MIB <= real(kept)
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600


def test_it_follows_its_size(tmp_path: Path) -> None:
    for size in (2 * MIB, 3 * MIB, MIB, 0):
        kept = reserve(tmp_path, size)
        kept.fill()
        assert kept.held == size
    assert not kept.file.exists()


def test_a_copy_with_holes_is_no_reserve(tmp_path: Path) -> None:
    kept = reserve(tmp_path, 2 * MIB)
    with kept.file.open("wb") as file:
        file.truncate(2 * MIB)
    assert kept.held == 0
    kept.fill()
    assert kept.held == 2 * MIB <= real(kept)


def test_it_takes_nothing_where_others_would_have_too_little_left_and_says_so_once(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    kept = reserve(tmp_path, disk.f_bavail * disk.f_frsize * 3 // 4)
    with capture_logs() as lines:
        kept.fill()
        kept.fill()
    assert kept.held == 0
    told = [line["event"] for line in lines if line.get("wanted_bytes") == kept.size]  # others may say something, too
    assert told == ["the reserve is not whole"]


def test_it_is_given_piece_by_piece_most_of_it_to_the_log(tmp_path: Path) -> None:
    kept = reserve(tmp_path, 16 * MIB)
    kept.fill()
    log = tmp_path / "ledger.db-wal"
    log.write_bytes(b"x" * 5000)
    assert kept.give()
    assert log.stat().st_size >= 12 * MIB <= log.stat().st_blocks * 512
    assert log.read_bytes()[:5001] == b"x" * 5000 + b"\0"
    assert 3 * MIB < kept.held < 4 * MIB
    gives = 0
    while kept.give():
        gives += 1
    assert (kept.held, kept.give()) == (0, False)
    assert gives == 15


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    kept = reserve(tmp_path, MIB)
    kept.file.symlink_to(tmp_path / "dear")
    for size in (MIB, 4096):
        with (tmp_path / "dear").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        kept.fill()
        assert not kept.give()
        assert (tmp_path / "dear").stat().st_size == size


def test_a_ledger_works_on_with_a_log_that_is_longer_than_what_is_in_it(tmp_path: Path) -> None:
    """What was handed over is behind the last frame: it must survive a crash, and be no damage."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", reserve=16 * MIB)
    ledger.write(lambda c: c.execute(insert(meta).values(key="before", value="x")) and None)
    assert ledger.reserve.give()
    ledger.write(lambda c: c.execute(insert(meta).values(key="after", value="x")) and None)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for part in ("", "-wal"):
        (crashed / f"ledger.db{part}").write_bytes((tmp_path / f"ledger.db{part}").read_bytes())
    ledger.close()
    assert (crashed / "ledger.db-wal").stat().st_size >= 12 * MIB
    for folder in (tmp_path, crashed):
        again = Ledger(f"sqlite:///{folder}/ledger.db")
        with again.read() as connection:
            keys = {row.key for row in connection.execute(meta.select())}
        again.close()
        assert keys >= {"before", "after"}


def test_of_what_came_and_went_thousands_of_times_few_are_read_to_know_its_end(tmp_path: Path) -> None:
    """All of them once were, with each notification: half a second for what had come every minute for 90 days."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    texts = dict.fromkeys(("generator_url", "sender"), "") | {"labels": {}, "annotations": {}, "state": "closed"}
    times = [{name: float(at) for name in ("starts_at", "received_at", "notified_at")} for at in range(3000)]
    names = [("often", None if at > 2990 else at + 0.5) for at in range(2999)] + [("once", 7.0)]
    come = [texts | at | {"fingerprint": name, "ends_at": end} for at, (name, end) in zip(times, names, strict=True)]
    ledger.write(lambda connection: connection.execute(insert(schema.episodes), come) and None)
    with ledger.read() as connection:
        assert episodes.last_ends(connection, ["often", "never", "once"]) == {"often": 2998.0, "once": 2999.0}
        assert len(episodes._CLOSED.rows(connection, fingerprints='["often", "once"]')) == 101
    ledger.close()
