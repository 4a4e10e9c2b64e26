"""error_patterns.json files for tests: one of every action and check, and look-alikes by hypothesis."""

import json
from pathlib import Path

from hypothesis import strategies as st

ACTIONS = [
    {"type": "service_restart", "service": "shop"},
    {"type": "service_restart", "service": "flask_app"},
    {"type": "log_rotate"},
    {"type": "log_rotate", "log_files": ["logs/app.log", "/var/log/shop.log"]},
    {"type": "cache_clear"},
    {"type": "cache_clear", "directories": ["tmp/cache"]},
    {"type": "temp_file_cleanup"},
    {"type": "temp_file_cleanup", "paths": ["/tmp/shop-*", "logs/*.tmp"]},
    {"type": "temp_file_cleanup", "directories": ["/tmp", "tmp"]},
    {"type": "old_file_cleanup", "days": "30"},
    {"type": "old_file_cleanup", "days": 1, "directories": ["backups"]},
    {"type": "create_missing_dirs", "directories": ["data", "logs/deep"]},
    {"type": "create_missing_dirs"},
    {"type": "fix_permissions", "paths": ["data"], "owner": "root", "mode": 755},
    {"type": "fix_permissions", "paths": ["data"], "mode": "0777"},
    {"type": "fix_permissions"},
    {"type": "check_permissions"},
    {"type": "check_port", "port": "5432"},
    {"type": "check_port", "port": 5432, "expect": "open"},
    {"type": "kill_process_on_port", "port": 5100},
    {"type": "backup_and_fix_json"},
    {"type": "database_vacuum"},
    {"type": "backup"},
    {"type": "log_analysis"},
    {"type": "alert", "description": "手動確認"},
    {"type": "reticulate_splines"},
    "log_rotate",
]
CHECKS = [
    {"name": "web", "type": "http", "url": "http://localhost:5100/api/health", "interval": 30, "critical": True},
    {"name": "port", "type": "tcp", "port": "5100"},
    {"name": "root", "type": "disk_space", "threshold": 90, "path": "/"},
    {"name": "ram", "type": "memory", "threshold": "85%"},
    {"name": "load", "type": "cpu", "threshold": 0.95},
    {"name": "db", "type": "sqlite", "db_path": "data/shop.db", "timeout": 5},
    {"name": "pg", "type": "postgresql", "interval": "1m"},
    {"name": "cache", "type": "redis"},
    {"name": "logs", "type": "directory", "path": "logs"},
    {"name": "worker", "type": "process", "process_name": "python3"},
    {"name": "データベース", "type": "database", "critical": "yes"},
    {"name": "moon", "type": "phase_of_the_moon"},
]
PATTERN = {"id": "http_5xx", "name": "HTTP 5xxエラー", "pattern": "HTTP/[0-9.]+ 5[0-9]{2}", "severity": "critical"}


def whole(**changed):
    """Return a file's content with every action and every check."""
    patterns = [
        {
            "id": f"p{i}",
            "name": f"名{i}",
            "pattern": f"broken {i}\\b",
            "severity": "error",
            "auto_fix": True,
            "actions": [action],
        }
        for i, action in enumerate(ACTIONS)
    ]
    config = {"max_retries": 3, "retry_delay": 60, "cooldown_period": 300, "backup_before_fix": True}
    return {"error_patterns": patterns, "health_checks": CHECKS, "auto_fix_config": config} | changed


def written(folder: Path, content, extra: str | None = None) -> Path:
    """Write a file as it lies in an application's scripts/, and a remediation.yml beside it."""
    file = folder / "app" / "scripts" / "error_patterns.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    (folder / "app" / "logs").mkdir(exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    file.chmod(0o600)
    if extra is not None:
        file.with_name("remediation.yml").write_text(extra)
        file.with_name("remediation.yml").chmod(0o600)
    return file


_odd = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
_some = st.sampled_from
_pattern = st.fixed_dictionaries(
    {
        "id": st.text(max_size=12) | _some(["a", "b", "404", "same", "same"]),
        "pattern": st.text(max_size=10) | _some(["Err+or", "(", "a*"]),
    },
    optional={
        "name": st.text(max_size=10),
        "severity": _some(["critical", "WARN", "ひどい", 3]),
        "auto_fix": _odd,
        "enabled": _odd,
        "actions": st.lists(_some(ACTIONS), max_size=4) | _some(ACTIONS) | _odd,
        "frequency": _odd,
    },
)
_check = st.one_of(
    _some(CHECKS),
    st.fixed_dictionaries(
        {"name": st.text(max_size=8), "type": _some(["http", "disk", "sqlite", "redis", "port", "x"])},
        optional={
            "interval": _odd,
            "timeout": _odd,
            "threshold": _odd,
            "url": st.text(max_size=9),
            "port": _odd,
            "critical": _odd,
        },
    ),
)
FILES = st.fixed_dictionaries(
    {"error_patterns": st.lists(_pattern, max_size=5)},
    optional={
        "health_checks": st.lists(_check | _odd, max_size=5),
        "auto_fix_config": st.dictionaries(
            _some(["max_retries", "retry_delay", "cooldown_period", "backup_before_fix", "notification_channels", "x"]),
            _odd,
        ),
        "log_paths": st.lists(
            _some(["logs/app.log", "logs/auto_fix.log", "/var/log/syslog", "logs", "逆.log"]), max_size=4
        )
        | _odd,
        "version": _odd,
        "ours": _odd,
    },
)
"""Files as people might have left them: nothing of it may be refused, and nothing be dropped in silence."""
