"""Clear a cache: folders, or keys of a Redis."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, FileGlob, Text
from bridge.actions.host.folders import Place, opened, parent_of, place_refusal, places_of
from bridge.actions.host.http import secret_line
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sweep import Bounds, Found, Search, oldest, sweep
from remedy.config.durations import Duration
from remedy.config.extras import MissingExtra, require

_BATCH = 500
_MOST_FOLDERS = 100_000


class CacheClear(Action):
    """Delete what is in cache folders, or the keys of a Redis that begin with a prefix.

    **Changes**: deletes regular files in `directories` and below, and the folders that are empty then, or keys. A cache
    folder itself, symlinks and other mounts stay. **Needs** the folders in `allow.roots`; for Redis the extra `redis`,
    and a secret file with its URL. **Idempotent**: yes. **Backed up**: nothing, since it is a cache.

    Example:
        - cache_clear: {directories: [/srv/itsm/cache]}
        - cache_clear: {redis_url_file: /etc/remedy/redis.url, prefix: "itsm:cache:"}
    """

    idempotent: ClassVar[bool] = True

    directories: tuple[AbsolutePath, ...] = ()
    """Cache folders, each inside an allowed root. This or `redis_url_file`."""
    patterns: Annotated[tuple[FileGlob, ...], Field(min_length=1)] = ("*",)
    """Names of files to delete."""
    older_than: Duration = timedelta(0)
    """Only files that nobody has changed for so long."""
    max_files: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000
    """How many files one run may delete, the oldest first."""
    missing_ok: bool = False
    """Pass over folders that are not there; else the step fails."""
    redis_url_file: AbsolutePath | None = None
    """A secret file with the URL of a Redis, as `redis://:password@127.0.0.1:6379/2`: its database is in it."""
    prefix: Annotated[Text, StringConstraints(min_length=1)] | None = None
    """What the keys to delete begin with; there is no way to name all of them."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.directories) == (self.redis_url_file is not None):
            raise ValueError("takes exactly one of directories and redis_url_file")
        if (self.redis_url_file is None) != (self.prefix is None):
            raise ValueError("redis_url_file and prefix go together")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folders that no root holds, and a library that is missing."""
        for directory in self.directories:
            why = place_refusal(directory, allow)
            if why:
                yield "directories", why
        if self.redis_url_file is not None:
            try:
                require("redis", "redis")
            except MissingExtra as missing:
                yield "redis_url_file", str(missing)

    def plan(self, context: StepContext) -> str:
        """Count what would be deleted now."""
        if self.redis_url_file is not None and self.prefix is not None:
            with self._keys(secret_line(self.redis_url_file), self.prefix, context) as (_, keys):
                return f"delete {sum(1 for _ in keys)} keys of Redis that begin with '{self.prefix}'"
        found = self._oldest(context)
        size = spell_size(sum(file.size for file in found))
        return f"delete {len(found)} files ({size}) in {', '.join(map(str, self.directories))}"

    def run(self, context: StepContext) -> str:
        """Delete it."""
        if self.redis_url_file is not None and self.prefix is not None:
            return self._redis(secret_line(self.redis_url_file), self.prefix, context)
        done = sweep(self._oldest(context), Bounds(self.max_files, 2**63), context)
        removed = sum(_remove_empty(start, context) for start in self._starts(context))
        if done.failed and not done.files:
            raise StepError(f"{done}: see the output")
        return f"{done}, and {removed} empty folders"

    def _starts(self, context: StepContext) -> list[Place]:
        return places_of(self.directories, context.allow, missing_ok=self.missing_ok)

    def _oldest(self, context: StepContext) -> list[Found]:
        search = Search(self.patterns, self.older_than.total_seconds(), recursive=True)
        return oldest(self._starts(context), search, context, self.max_files)

    def _redis(self, url: str, prefix: str, context: StepContext) -> str:
        deleted, batch = 0, list[bytes]()
        try:
            with self._keys(url, prefix, context) as (client, keys):
                for key in keys:
                    batch.append(key)
                    if len(batch) == _BATCH:
                        deleted, batch = deleted + client.unlink(*batch), []
                deleted += client.unlink(*batch) if batch else 0
        finally:
            context.output.say(f"deleted: {deleted} keys")
        return f"deleted {deleted} keys that began with '{prefix}'"

    @contextmanager
    def _keys(self, url: str, prefix: str, context: StepContext) -> Iterator[tuple[Any, Iterator[bytes]]]:
        """Connect to Redis, and give the client and the keys that begin with the prefix."""
        redis: Any = require("redis", "redis")
        wait = min(10.0, context.remaining())
        try:
            client = redis.Redis.from_url(url, socket_timeout=wait, socket_connect_timeout=wait)
        except ValueError:
            raise StepError(f"{self.redis_url_file} holds no URL of a Redis") from None
        try:
            found = client.scan_iter(match=_quoted(prefix), count=_BATCH)
            yield client, _in_time(found, context)
        except redis.RedisError as error:
            raise StepError(f"Redis: {type(error).__name__}") from None
        finally:
            client.close()


def _in_time(keys: Iterable[bytes], context: StepContext) -> Iterator[bytes]:
    for key in keys:
        context.pause(0)
        yield key


def _quoted(prefix: str) -> str:
    """Write a prefix as a pattern of Redis in which nothing but the end is open."""
    return "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in prefix) + "*"


def _remove_empty(start: Place, context: StepContext) -> int:
    """Remove the empty folders below a folder, the deepest first."""
    found = [start]
    for folder in found:
        context.pause(0)
        try:
            with opened(folder) as descriptor, os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except StepError:
            continue  # a mount point, or gone: it is not removed either
        found += [Place(folder.root, (*folder.way, name)) for name in names][: _MOST_FOLDERS - len(found)]
    return sum(_remove(folder) for folder in reversed(found[1:]))


def _remove(folder: Place) -> bool:
    try:
        with opened(parent_of(folder)) as above:
            os.rmdir(folder.way[-1], dir_fd=above)
    except (OSError, StepError):
        return False  # it is not empty, or not ours
    return True
