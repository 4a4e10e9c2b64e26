"""examples/itsm-sqlite: the application breaks, and is healed, by the file that the old daemon had."""

import json
import shutil

from tests.examples.itsm import Itsm, moved


def test_a_broken_application_is_healed_and_nothing_counts_twice(tmp_path):
    itsm = Itsm("itsm-sqlite", tmp_path, moved("5100"), main="server.py")
    (itsm.home / "data").mkdir()
    (itsm.home / "uploads").mkdir()
    settings = itsm.home / "data" / "settings.json"
    settings.write_text('{"language": "ja"}')
    with itsm.app():
        assert itsm.status() == 200
        code, counts, _ = itsm.remedy("--once")
        assert (code, counts["errors_detected"]) == (0, 0)

        shutil.rmtree(itsm.home / "uploads")
        settings.write_text('{"language": "ja",')
        assert itsm.status() == 500
        code, counts, log = itsm.remedy()
        assert json.loads(settings.read_text()) == {"language": "ja"}
        assert itsm.status() == 500, "the settings were read first: that the folder is missing is in no log yet"
        assert code == 1, "there is no systemd here that could restart the unit"
        assert counts["errors_detected"] >= counts["fixes_attempted"] > counts["fixes_failed"] > 0
        assert "エラー検出: JSON (Severity: warning, File: app)" in log
        assert "修復アクション実行: backup_and_fix_json - 壊れた JSON を修復" in log
        assert "自動修復完了: json_decode_error" in log

        code, counts, log = itsm.remedy()
        assert itsm.status() == 200, log
        assert "修復アクション実行: create_missing_dirs - 必要なフォルダーを作成" in log
        assert counts["fixes_succeeded"] >= 1

        code, counts, log = itsm.remedy()
        assert (code, counts["errors_detected"]) == (0, 0), log
    assert "=== 検知サイクル 1 開始 ===" in (itsm.home / "logs" / "auto_fix.log").read_text(encoding="utf-8")
