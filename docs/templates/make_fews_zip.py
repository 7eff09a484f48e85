"""Make a zip of gwforecast for Delft-FEWS that needs no installation, and no TensorFlow.

    python make_fews_zip.py --source path/to/gwforecast --out gwforecast_fews.zip

The zip is for the system and the version of Python that run this script. For Windows machines
without Python, give the embeddable package of python.org (the same version): it becomes part of the
zip. Unpack it anywhere, for example in the Modules folder of the region, and let an executeActivity
of the General Adapter call run.bat (or run.sh) with the run file.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

LEFT_OUT = {
    "tensorflow",
    "keras",
    "pyarrow",
    "matplotlib",
    "pillow",
    "pooch",
    "hydroeval",
    "pastas",
}
"""Not needed by a forecast from stored models."""

START = """import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "lib"))
os.environ.setdefault("HOME", here)
from gwforecast.cli.app import main  # noqa: E402

main()
"""
SHELL = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
exec "${PYTHON:-python3}" -s -B "$here/start.py" fews "$@"
"""
BATCH = """@echo off
set HERE=%~dp0
if exist "%HERE%python\\python.exe" (set PY=%HERE%python\\python.exe) else (set PY=python)
"%PY%" -s -B "%HERE%start.py" fews %*
exit /b %ERRORLEVEL%
"""


def wanted(source: Path) -> list[str]:
    """Return the requirements of the project without those that are left out."""
    project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
    names = {item: re.split(r"[<>=\[; ]", item)[0].lower() for item in project["dependencies"]}
    return [item for item, name in names.items() if name not in LEFT_OUT]


def install(source: Path, target: Path) -> None:
    """Install the project and its requirements into a folder."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
           "--target", str(target)]  # fmt: skip
    pinned = ["-c", str(source / "constraints.txt")]
    subprocess.run([*pip, *pinned, *wanted(source)], check=True)
    subprocess.run([*pip, "--no-deps", str(source)], check=True)
    for path in sorted(target.rglob("*"), reverse=True):
        unused = path.name in ("__pycache__", "tests", "bin", "include") and path.is_dir()
        if unused and "testing" not in path.parts:
            shutil.rmtree(path)
    present = {path.name.lower() for path in target.iterdir()}
    if present & {"tensorflow", "keras"}:
        raise SystemExit("TensorFlow was installed by another requirement: see pip's report")


def pack(folder: Path, out: Path) -> None:
    """Write a folder as a zip file in which run.sh may be executed."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, Path("gwforecast_fews") / path.relative_to(folder))


def main() -> None:
    """Make the zip."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("--source", type=Path, default=Path())
    given.add_argument("--out", type=Path, default=Path("gwforecast_fews.zip"))
    given.add_argument("--python", type=Path, help="embeddable package of python.org, a zip")
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "gwforecast_fews"
        install(options.source.resolve(), folder / "lib")
        (folder / "start.py").write_text(START, "utf-8")
        (folder / "run.sh").write_text(SHELL, "utf-8")
        (folder / "run.sh").chmod(0o755)
        (folder / "run.bat").write_text(BATCH.replace("\n", "\r\n"), "utf-8", newline="")
        if options.python is not None:
            with zipfile.ZipFile(options.python) as packed:
                packed.extractall(folder / "python")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        pack(folder, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.0f} MB, unpacked {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
