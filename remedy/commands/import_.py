"""`remedy import`: error_patterns.json, the old daemon's file, becomes exporter.yml and remediation.yml."""

import os
from pathlib import Path

import click

from remedy.error_patterns.translation import Where, translate
from remedy.error_patterns.writing import exporter_text, remediation_text

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("file", type=_FILE, default=Path("error_patterns.json"))
@click.option("--output", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Else here.")
@click.option("--base-dir", type=_FOLDER, help="Below it relative paths lie; else FILE's grandparent.")
@click.option("--allow", "extra", type=_FILE, help="A remediation.yml; else the one beside FILE.")
@click.option("--force", is_flag=True, help="Write over what is there.")
def command(file: Path, folder: Path, base_dir: Path | None, extra: Path | None, *, force: bool) -> None:
    """Write exporter.yml and remediation.yml that decide as FILE does, and say what is left out and why.

    What nothing allows stands there as a comment, with the line that lets it in. `allow:`, `notifiers:` and whatever
    else a remediation.yml beside FILE holds is taken over.

    Example: remedy import scripts/error_patterns.json --output /etc/remedy
    """
    made = translate(Where(file, base=base_dir, extra=extra, environment=os.environ))
    texts = {folder / "exporter.yml": exporter_text(made), folder / "remediation.yml": remediation_text(made)}
    there = [name for name in texts if name.exists()]
    if there and not force:
        raise click.UsageError(f"{' and '.join(map(str, there))} is there already: --force writes over it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            name.write_text(text, encoding="utf-8")
            name.chmod(0o640)
    except OSError as error:
        raise click.UsageError(f"{error.filename} cannot be written: {error.strerror}") from None
    for note in made.notes:
        click.echo(str(note), err=True)
    for name in texts:
        click.echo(name)
    checks, logs = len(made.exporter["checks"]), len(made.exporter["log_sources"])
    click.echo(f"{checks} checks, {logs} logs, {len(made.patterns)} patterns")
    click.echo(f"Next: remedy check-config {' '.join(map(str, texts))}")
