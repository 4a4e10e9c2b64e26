"""Every action of the daemon by its name, with what it means here."""

from collections.abc import Callable, Iterator, Mapping

from remedy.error_patterns import file_actions, other_actions, permission_actions
from remedy.error_patterns.steps import Source, Wanted

ACTIONS: Mapping[str, Callable[[Source], Iterator[Wanted]]] = {
    "service_restart": other_actions.service_restart,
    "restart_service": other_actions.service_restart,
    "restart": other_actions.service_restart,
    "log_rotate": file_actions.log_rotate,
    "log_rotation": file_actions.log_rotate,
    "rotate_logs": file_actions.log_rotate,
    "cache_clear": file_actions.cache_clear,
    "clear_cache": file_actions.cache_clear,
    "temp_file_cleanup": file_actions.temp_file_cleanup,
    "cleanup_temp_files": file_actions.temp_file_cleanup,
    "old_file_cleanup": file_actions.old_file_cleanup,
    "cleanup_old_files": file_actions.old_file_cleanup,
    "create_missing_dirs": permission_actions.create_missing_dirs,
    "create_missing_directories": permission_actions.create_missing_dirs,
    "fix_permissions": permission_actions.fix_permissions,
    "check_permissions": permission_actions.check_permissions,
    "check_port": other_actions.check_port,
    "kill_process_on_port": other_actions.kill_process_on_port,
    "backup_and_fix_json": file_actions.backup_and_fix_json,
    "fix_json": file_actions.backup_and_fix_json,
    "database_vacuum": other_actions.database_vacuum,
    "vacuum_database": other_actions.database_vacuum,
    "db_vacuum": other_actions.database_vacuum,
    "backup": file_actions.backup,
    "create_backup": file_actions.backup,
    "log_analysis": other_actions.log_analysis,
    "analyze_logs": other_actions.log_analysis,
}
"""The daemon's word, and others that people used for it, each with what it means here."""
ALERTS = (
    *("alert", "alert_admin", "send_alert", "notify", "notify_admin", "notification", "send_notification"),
    *("email", "send_email", "mail", "slack", "teams", "discord"),
)
"""What tells people: no step, but a level of escalation, so that they hear of it also where nothing is fixed."""
