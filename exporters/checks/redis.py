"""A Redis server."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from exporters.checks._patience import in_time
from exporters.checks.base import Check, CheckContext, CheckResult, healthy, unhealthy
from remedy.config.extras import require


class Redis(Check):
    """That a Redis server answers a PING. One that wants a password which we do not have is up as well.

    - {name: redis, kind: redis, host: localhost, port: 6379}
    """

    host: str = "localhost"
    port: int = Field(default=6379, ge=1, le=65535)
    password_file: Path | None = None
    tls: bool = False

    @model_validator(mode="after")
    def _has_its_library(self) -> "Redis":
        require("redis", "redis")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        redis: Any = require("redis", "redis")
        where, before = f"{self.host}:{self.port}", context.remaining()
        password = self.password_file.read_text(encoding="utf-8").strip() if self.password_file else None
        client = redis.Redis(
            host=self.host,
            port=self.port,
            password=password,
            ssl=self.tls,
            socket_timeout=before,
            socket_connect_timeout=before,
            retry=None,
        )
        try:
            in_time(context, client.ping)
        except redis.exceptions.AuthenticationError as error:
            if password is not None:
                return unhealthy(f"{where}: {error}")
            return healthy(f"{where} answers, and wants a password", before - context.remaining(), "seconds")
        except (redis.exceptions.TimeoutError, TimeoutError):
            return unhealthy(f"{where} did not answer within {before:.1f} s")
        except redis.exceptions.RedisError as error:
            return unhealthy(f"{where}: {error}")
        finally:
            client.close()
        return healthy(f"{where} answers", before - context.remaining(), "seconds")
