"""Files as people may have left them: what stands in each, and what of it is understood, or said."""

import json
from dataclasses import dataclass
from typing import Any

MAKE = {"type": "create_missing_dirs", "directories": ["made"]}
PATTERN: dict[str, Any] = {
    "id": "broken", "name": "壊れた", "pattern": "BROKEN", "severity": "error", "auto_fix": True, "actions": [MAKE],
}  # fmt: skip


def pattern(**changed: Any) -> dict[str, Any]:
    return PATTERN | changed


def content(*patterns: Any, **more: Any) -> dict[str, Any]:
    config = {"quiet_for": 1, **more.pop("config", {})}
    return {
        "error_patterns": list(patterns) or [PATTERN],
        "auto_fix_config": config,
        "log_paths": ["logs/app.log"],
    } | more


def checks(*entries: Any) -> dict[str, Any]:
    return content(health_checks=list(entries))


def actions(*entries: Any, **more: Any) -> dict[str, Any]:
    return content(pattern(actions=[*entries, MAKE]), **more)


@dataclass(frozen=True)
class Odd:
    """A file, and what must come of it."""

    name: str
    content: Any
    said: tuple[str, ...] = ()
    """Parts of notes that must be there."""
    silent: bool = False
    """Nothing at all is noted."""
    heals: bool = True
    """A line with BROKEN makes the folder `made`."""
    checks: tuple[str, ...] = ()
    """Kinds of checks that come of it, in order."""

    @property
    def raw(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        text = self.content if isinstance(self.content, str) else json.dumps(self.content, ensure_ascii=False, indent=1)
        return text.encode("utf-8", "surrogatepass")


PLAIN = json.dumps(content(), ensure_ascii=False, indent=1)
SPELT = {
    "ID": "broken", "Name": "n", "Pattern": "BROKEN", "Severity": "Error", "autoFix": "yes",
    "Actions": [{"Type": "Create-Missing-Dirs", "Directories": "made"}],
}  # fmt: skip
ODD = [
    Odd("as_it_was", PLAIN, silent=True),
    Odd("a_byte_order_mark", "\ufeff" + PLAIN, silent=True),
    Odd("windows_line_ends", PLAIN.replace("\n", "\r\n"), silent=True),
    Odd("tabs", json.dumps(content(), indent="\t"), silent=True),
    Odd(
        "comments_of_javascript",
        PLAIN.replace("{", '{ // 設定 " {\n /* more\n lines */', 1).replace('"error",', '"error", // "warning"'),
        silent=True,
    ),
    Odd("commas_at_the_end", PLAIN.replace("\n ],", "\n, ],"), silent=True),
    Odd("a_key_twice", PLAIN.replace("{", '{"error_patterns": [],', 1), ("'error_patterns' stands here twice",)),
    Odd(
        "spellings",
        {
            "errorPatterns": [SPELT],
            "HealthChecks": [{"Name": "d", "TYPE": "Disk-Space", "Threshold": "90 %"}],
            "AutoFixConfig": {"quiet-for": 1, "maxRetries": "3"},
            "logPaths": "logs/app.log",
        },
        silent=True,
        checks=("disk",),
    ),
    Odd("nulls", content(health_checks=None, config={"max_retries": None, "cooldown_period": None}), silent=True),
    Odd(
        "null_and_odd_entries",
        content(PATTERN, None, 3, log_paths=["logs/app.log", None], health_checks=[None, 5]),
        (
            "error_patterns[1]: expected keys",
            "error_patterns[2]",
            "log_paths[1]",
            "health_checks[0]",
            "health_checks[1]",
        ),
    ),
    Odd(
        "missing_fields",
        content(PATTERN, {"pattern": "X"}, {"id": "only"}, {}),
        (
            "has no severity: 'warning'",
            "error_patterns[2]: is disabled: it has no pattern",
            "it has no name of its own",
        ),
    ),
    Odd(
        "twins",
        content(PATTERN, pattern(pattern="OTHER"), pattern(name="third", pattern="THIRD")),
        ("is called broken_2 here", "is called broken_3 here"),
    ),
    Odd("emoji", content(pattern(id="🔥火", name="🚨")), ("is called pattern here: '🔥火'",)),
    Odd(
        "numbers_as_text",
        content(
            config={"max_retries": "3", "retry_delay": "60", "cooldown_period": "300", "backup_before_fix": "yes"},
            health_checks=[
                {
                    "name": "d",
                    "type": "disk",
                    "threshold": "90%",
                    "interval": "300",
                    "timeout": "5s",
                    "critical": "false",
                }
            ],
        ),
        silent=True,
        checks=("disk",),
    ),
    Odd(
        "numbers_out_of_range",
        content(config={"max_retries": 10**9, "retry_delay": 1e300, "cooldown_period": -1}),
        ("taken is 100", "retry_delay: '1e+300' is not a duration", "cooldown_period: -1 is negative; taken is '5m'"),
    ),
    Odd(
        "no_numbers",
        PLAIN.replace('"quiet_for": 1', '"quiet_for": 1, "retry_delay": Infinity, "cooldown_period": NaN'),
        ("retry_delay: 'Infinity'", "cooldown_period: 'NaN'"),
    ),
    Odd("longer_than_time", content(config={"cooldown_period": 10**12}), ("292y is the most; taken is '5m'",)),
    Odd(
        "regexes",
        content(
            pattern(pattern="BRO(?i)ken"),
            pattern(id="a", pattern="(?P<a>X"),
            pattern(id="b", pattern=".*"),
            pattern(id="c", pattern="[[:alpha:]]"),
            pattern(id="d", pattern="\\"),
            pattern(id="e", pattern="[^あ]x"),
            pattern(id="f", pattern="(?u)\\u3042[い-い]?"),
        ),
        (
            "error_patterns[1].pattern: is disabled",
            "'.*' matches the empty line",
            "error_patterns[3].pattern",
            "error_patterns[4].pattern",
            "error_patterns[5].pattern: is disabled: [^あ] has letters of several bytes",
            "error_patterns[6].pattern",
        ),
    ),
    Odd("several_regexes", content(pattern(pattern=["NOTHING", "BROKEN"])), silent=True),
    Odd(
        "actions_as_text",
        content(
            pattern(actions="backup"),
            pattern(id="b", actions=MAKE),
            pattern(id="c", pattern="X", actions=["log_rotate", "email"]),
        ),
        silent=True,
    ),
    Odd(
        "unknown_actions",
        actions({"type": "reboot"}, {"type": "servce_restart"}, {"type": None}, {}, 7, {"type": "service_restart"}),
        ("'reboot' is not known", "did you mean 'service_restart'?", "actions[4]: expected keys", "names no service"),
    ),
    Odd(
        "services",
        actions(
            *(
                {"type": "service_restart", "service": name}
                for name in ("web.service", "a b", "-x", "../../x", "x;rm -rf /", "日本")
            )
        ),
        (
            "add to {home}/scripts/remediation.yml: allow: {units: [web.service]}",
            "'a b.service' does not have the form",
            "'-x.service'",
            "'../../x'",
        ),
    ),
    Odd(
        "ports",
        actions(
            *(
                {"type": "kill_process_on_port", "port": port}
                for port in ("5100", -1, 70000, None, [1], "abc", 22.5, True)
            )
        ),
        (
            "allow: {ports: [5100]}",
            "must be at least 1, got -1",
            "must be at most 65535",
            "names no port",
            "'abc' is no number",
            "22.5 is no whole",
        ),
    ),
    Odd(
        "owners",
        actions({"type": "fix_permissions", "paths": ["logs"], "owner": "nobody-here:nogroup", "mode": "u+rwx"}),
        ("there is no user 'nobody-here'", "'u+rwx' is no octal mode"),
    ),
    Odd(
        "everything_emptied",
        actions(
            {"type": "cache_clear", "directories": [".", "", "..", "/", "scripts", ".remedy"]},
            {"type": "old_file_cleanup", "directories": ["/", ".", "scripts/.."], "days": 0},
            {"type": "temp_file_cleanup", "directories": ["."]},
            {"type": "temp_file_cleanup", "paths": ["*", "scripts/*"]},
        ),
        (
            "{home} is left out: it holds the application, error_patterns.json",
            "{home}/scripts is left out",
            "{home}/.remedy is left out",
            "days: files younger",
        ),
    ),
    Odd(
        "wildcards",
        actions(
            {"type": "temp_file_cleanup", "paths": ["**/*.pyc", "*.pyc"]},
            {"type": "log_rotate", "log_files": ["logs/*/x.log"]},
        ),
        ("{home}/**/*.pyc is left out", "{home}/logs/*/x.log is left out"),
    ),
    Odd(
        "variables",
        actions(
            {"type": "create_missing_dirs", "directories": ["$NOWHERE/x", "~nobody-here/x", "${PLACE}/y"]},
            log_paths=["logs/app.log", "$NOWHERE/app.log", "$PLACE/app.log"],
        ),
        (
            "log_paths[1]: is not read: the variable NOWHERE is not set",
            "'$NOWHERE/x' is left out",
            "the home of nobody here",
        ),
    ),
    Odd(
        "logs_by_name",
        content(log_paths={"app": "logs/app.log", "other": {"path": "logs/other.log", "enabled": False}}),
        silent=True,
    ),
    Odd("no_logs", content(log_paths=[]), ("names no log, so none is read",), heals=False),
    Odd(
        "our_own_logs",
        content(
            pattern(pattern="BROKEN|検知サイクル|ERROR|WARNING"),
            log_paths=["logs", "logs/*.log", "logs/../logs/auto_fix.log"],
        ),
        ("log_paths[2]: {home}/logs/auto_fix.log is what we write ourselves",),
    ),
    Odd(
        "maps",
        {
            "error_patterns": {"broken": {**PATTERN}, "y": 3},
            "health_checks": {"web": {"type": "http", "url": "localhost:1"}},
            "log_paths": "logs/app.log",
            "auto_fix_config": {"quiet_for": 1},
        },
        ("error_patterns.y: expected keys",),
        checks=("http",),
        heals=False,
    ),
    Odd(
        "checks",
        checks(
            {"name": "web", "type": "HTTP", "url": "https://localhost:1/", "verify_ssl": False, "interval": 0},
            {"name": "web", "type": "url", "url": "localhost:1"},
            {"name": "disk_usage"},
            {"url": "http://localhost:1/x"},
            {"name": "db", "type": "sqlite"},
            {"name": "p", "type": "tcp", "port": 99999},
            {"name": "m", "type": "memory", "threshold": 0},
            {"name": "f", "type": "http", "url": "ftp://x"},
            {"name": "q"},
            {"name": "o", "type": "moon"},
            {"name": "pg", "type": "postgresql", "password": "hunter2"},
            {"name": "off", "type": "cpu", "enabled": "no"},
        ),
        (
            "is called web_2 here",
            "interval: 0 is no time at all; taken is '1m'",
            "health_checks[4]: is left out: it names no file",
            "less than or equal to 65535",
            "threshold: Input should be greater than 0",
            "URL scheme should be",
            "health check of the type ''",
            "'moon' is not known",
            "password: the key is not known",
            "is switched off",
        ),
        checks=("http", "http", "disk", "http", "postgresql"),
        heals=False,
    ),
    Odd(
        "channels",
        content(config={"notification_channels": "email, slack"}),
        ("notifiers: {email: {kind: apprise", "notifiers: {slack: {kind: apprise"),
    ),
    Odd(
        "keys_of_ones_own",
        content(pattern(frequency=3), schedule={"cron": "x"}),
        ("frequency: the key is not known", "schedule: the key is not known"),
    ),
    Odd("half_a_letter", PLAIN.replace("壊れた", "\\ud83d"), silent=True),
    Odd("letters_of_control", content(pattern(id="a\x00b", name="x\ny\x1b[31m")), ("is called a_b here",)),
]
