"""A repository pool for tests, as its own manager writes it: real clones of a real repository, records, locks."""

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_ENV = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "t"), ("EMAIL", "t@t"))
    },
}


def git(*arguments: str, cwd: Path) -> str:
    """Run git, as a person would."""
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=_ENV, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


@dataclass
class Pool:
    """The folder `workspaces`, and beside it the repository that slots are clones of."""

    home: Path
    slots: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.workspaces / "locks").mkdir(parents=True)
        (self.workspaces / "app").mkdir()
        self.origin.mkdir()
        git("init", "-q", "-b", "main", cwd=self.origin)
        (self.origin / "README").write_text("one\n")
        git("add", "-A", cwd=self.origin)
        git("commit", "-q", "-m", "one", cwd=self.origin)

    @property
    def workspaces(self) -> Path:
        return self.home / "workspaces"

    @property
    def origin(self) -> Path:
        return self.home / "origin"

    def add(self, state: str = "available", allocated_hours_ago: float = 0, **more: Any) -> Path:
        """Add a slot."""
        name = f"slot{len(self.slots) + 1}"
        folder = self.workspaces / "app" / name
        git("clone", "-q", "--no-hardlinks", str(self.origin), str(folder), cwd=self.home)
        (folder / ".git" / "info" / "exclude").write_text("slot.json\n")
        record = {
            "slot_id": f"workspace-app-{name}",
            "repo_name": "app",
            "repo_url": str(self.origin),
            "slot_path": str(folder),
            "state": state,
            "allocation_count": 3,
            "total_usage_seconds": 100,
            "last_allocated_at": (datetime.now() - timedelta(hours=allocated_hours_ago)).isoformat(),  # noqa: DTZ005
            "last_released_at": None,
            "current_branch": "main",
            "metadata": {},
            "a key of tomorrow": ["受注"],
        }
        (folder / "slot.json").write_text(json.dumps({**record, **more}))
        self.slots.append(folder)
        return folder

    def record(self, folder: Path) -> dict[str, Any]:
        """Read a slot's record."""
        found: dict[str, Any] = json.loads((folder / "slot.json").read_text())
        return found

    def lock(self, slot_id: str, age_hours: float = 0) -> Path:
        """Write a lock file."""
        file = self.workspaces / "locks" / f"{slot_id}.lock"
        file.write_text("")
        then = time.time() - age_hours * 3600
        os.utime(file, (then, then))
        return file
