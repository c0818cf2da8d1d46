"""Celery's sources, of the version that is installed: its tests are not installed."""

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2] / ".celery-suite"


def unpacked() -> Path:
    """Return the folder of Celery's source distribution, downloaded if need be."""
    name = f"celery-{version('celery')}"
    folder = ROOT / name
    if not folder.exists():
        with tarfile.open(_downloaded(name)) as archive:
            # A half unpacked folder must not be found as a whole one by the next run.
            archive.extractall(ROOT / "partial", filter="data")
        (ROOT / "partial" / name).rename(folder)
    return folder


def _downloaded(name: str) -> Path:
    pip = [sys.executable, "-m", "pip", "--quiet", "download"]
    what = ["--no-deps", "--no-binary", "celery", name.replace("-", "==")]
    subprocess.run([*pip, *what, "--dest", str(ROOT)], check=True, timeout=600)
    return ROOT / f"{name}.tar.gz"
