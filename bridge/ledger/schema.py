"""The tables. Times are unix seconds (float); what is enumerated in code is text here."""

from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

AnyRow: TypeAlias = Any
"""A row of whichever columns a query names: a tuple whose fields have their names."""

METADATA = MetaData()
UNCLOSED = text("episodes.state != 'closed'")
UNENDED = text("runs.state != 'ended'")
CURRENT = text("decisions.current")
DELIVERED = text("escalations.state = 'delivered'")
"""These are spelled as the partial indexes spell them: with a bound value SQLite would scan the whole table."""

meta = Table("meta", METADATA, Column("key", String, primary_key=True), Column("value", String, nullable=False))

episodes = Table(
    "episodes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("state", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("generator_url", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float),
    Column("received_at", Float, nullable=False),
    Column("notified_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("close_reason", Text),
    Column("seen_active_at", Float),
    Index("one_open_episode", "fingerprint", unique=True, sqlite_where=text("state != 'closed'")),
    Index("episodes_unclosed", "state", sqlite_where=text("state != 'closed'")),
    Index("episodes_by_fingerprint", "fingerprint", "received_at"),
    Index("episodes_by_close", "closed_at", sqlite_where=text("closed_at IS NOT NULL")),
)

decisions = Table(
    "decisions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("episode_id", ForeignKey("episodes.id")),
    Column("remediation", String, nullable=False),
    Column("host", String, nullable=False),
    Column("target", String, nullable=False),
    Column("decision", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", Integer),
    Column("due_at", Float),
    Column("current", Boolean, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("looked_at", Float, nullable=False),
    Column("subject", JSON),
    Index("one_current_decision", "episode_id", "remediation", unique=True, sqlite_where=text("current")),
    Index("decisions_by_episode", "episode_id"),
    Index("decisions_held", "decision", "due_at", sqlite_where=text("due_at IS NOT NULL")),
    Index("decisions_due", "due_at", sqlite_where=text("due_at IS NOT NULL")),
)

runs = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("episode_id", ForeignKey("episodes.id"), nullable=False),
    Column("remediation", String, nullable=False),
    Column("host", String, nullable=False),
    Column("target", String, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", String),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("slot_at", Float),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("due_at", Float),
    Index("runs_unended", "state", sqlite_where=text("state != 'ended'")),
    Index("runs_by_target", "remediation", "target", "ended_at"),
    Index("runs_by_slot", "slot_at", "remediation", "host"),
    Index("runs_by_episode", "episode_id"),
)

attempts = Table(
    "attempts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("verification", Text),
    UniqueConstraint("run_id", "number"),
)

steps = Table(
    "steps",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("token", String, nullable=False),
    Column("pid", Integer),
    Column("born", String),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("outcome", String),
    Column("reason", Text),
    Column("exit_code", Integer),
    Column("output", Text),
    UniqueConstraint("run_id", "attempt", "position"),
    Index("steps_under_way", "run_id", sqlite_where=text("ended_at IS NULL")),
)

pauses = Table(
    "pauses",
    METADATA,
    Column("remediation", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("until", Float),
    Column("at", Float, nullable=False),
)

breakers = Table(
    "breakers",
    METADATA,
    Column("remediation", String, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
)

breaker_resets = Table(
    "breaker_resets",
    METADATA,
    Column("remediation", String, primary_key=True),
    Column("at", Float, nullable=False),
)
"""When a person reset a breaker last: what was touched before that does not count for it any more."""

escalations = Table(
    "escalations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("episode_id", ForeignKey("episodes.id")),
    Column("run_id", Integer),
    Column("remediation", String, nullable=False),
    Column("level", String, nullable=False),
    Column("notifier", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("story", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Float),
    Column("error", Text),
    Index("escalations_by_run", "run_id"),
    Index("one_escalation", "episode_id", "remediation", "level", "notifier", unique=True),
    Index("escalations_due", "due_at", sqlite_where=text("due_at IS NOT NULL")),
    Index("escalations_delivered", "episode_id", sqlite_where=text("state = 'delivered'")),
)
