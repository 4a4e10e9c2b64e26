"""A notification full of what is no alert: all of it is on record, and nobody else waits long for the ledger."""

import pytest
from sqlalchemy import Connection

from bridge.decision.gates import Verdict
from bridge.ledger.schema import decisions
from tests.bridge.durability.bridge_world import World, opened


@pytest.fixture
def world(tmp_path):
    with opened(tmp_path, "remediations: []") as made:
        yield made


def malformed(world: World) -> list[tuple[str, int]]:
    return [(row.subject, row.looks + 1) for row in world.rows(decisions, decisions.c.decision == Verdict.MALFORMED)]


def test_what_is_the_same_shares_a_row_however_many_there_are(world: World) -> None:
    for times in (1, 2):
        assert world.notify(*[None] * 3000, *range(50), *[None] * 2000).malformed == 5050
        assert dict(malformed(world)) == {"null": 5000 * times, **{str(number): times for number in range(50)}}
        assert len(malformed(world)) == 51


def test_the_rows_before_are_read_once_and_by_an_index(world: World) -> None:
    """Each once went through all decisions there are: ten thousand of 19 KiB kept all others waiting for minutes."""
    said: list[str] = []

    def trace(connection: Connection, to: object) -> None:
        connection.connection.driver_connection.set_trace_callback(to)  # type: ignore[union-attr] # it is there

    world.write(lambda connection: trace(connection, said.append))
    world.notify(*[None] * 100, 1, 2)
    world.write(lambda connection: trace(connection, None))
    (asked,) = [each for each in said if each.startswith("SELECT") and "FROM decisions" in each]
    with world.ledger.read() as connection:
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
    assert [each.split(" (")[0] for each in plan] == ["SEARCH decisions USING INDEX decisions_by_episode"]
