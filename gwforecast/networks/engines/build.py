"""Compile the kernels: run when the package is installed, or by hand in a source tree.

    python gwforecast/networks/engines/build.py

Only the standard library is needed, and a C compiler that knows the vector extensions of GCC: gcc
or clang, named by the environment variable ``CC`` if it is not found. The result is one library
beside the sources, which does not depend on the version of Python. Its name contains a sum of the
sources, so that a library of older sources is never loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["INSTRUCTION_SETS", "build", "library_path"]

HERE = Path(__file__).parent
SOURCES = HERE / "source"
FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-ffp-contract=fast"]
INSTRUCTION_SETS: dict[str, list[str]] = {
    "plain": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mavx2", "-mfma"],
}
"""Instruction sets that the kernels are compiled for, and the compiler's options.

Those of x86 are chosen when the library is loaded; other machines have the plain one, in which the
compiler uses what every such machine has, such as the NEON instructions of 64-bit Arm.
"""


def library_path() -> Path:
    """Return the path of the library that belongs to the sources."""
    total = hashlib.sha256(repr((FLAGS, INSTRUCTION_SETS)).encode())
    for source in sorted(SOURCES.iterdir()):
        if source.suffix in (".c", ".h"):
            total.update(source.read_bytes().replace(b"\r\n", b"\n"))
    return SOURCES / f"kernels-{total.hexdigest()[:12]}.so"


def build() -> tuple[Path | None, str]:
    """Compile the library unless it is there; return its path, or None and why it is missing."""
    path = library_path()
    if path.exists():
        return path, "is there already"
    compiler = _compiler()
    if compiler is None:
        return None, "no C compiler was found (gcc, clang or cc, or the one that CC names)"
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        try:
            for name in INSTRUCTION_SETS if x86 else ["plain"]:
                target = Path(folder, f"{name}.o")
                options = [*INSTRUCTION_SETS[name], f"-DNAME(f)=f##_{name}"]
                _run([compiler, *FLAGS, *options, "-c", str(SOURCES / "train.c")], target)
                objects.append(str(target))
            linked = Path(folder, path.name)
            _run([compiler, *FLAGS, "-shared", str(SOURCES / "machine.c"), *objects, "-lm"], linked)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            return None, f"{compiler} failed: {said.strip().splitlines()[0]}"
        for old in path.parent.glob("kernels-*.so"):
            with contextlib.suppress(OSError):  # in use
                old.unlink()
        beside = path.with_suffix(f".{os.getpid()}")
        shutil.copyfile(linked, beside)
        beside.replace(path)  # in one step: another process may build at the same time
    return path, f"was compiled by {compiler}"


def _compiler() -> str | None:
    named = os.environ.get("CC", "").split()
    return shutil.which(named[0]) if named else next(filter(None, map(shutil.which, _USUAL)), None)


_USUAL = ("gcc", "clang", "cc")


def _run(command: list[str], target: Path) -> None:
    subprocess.run(  # noqa: S603 - the compiler of this machine
        [*command, "-o", str(target)], check=True, capture_output=True, text=True
    )


if __name__ == "__main__":
    found, reason = build()
    sys.stderr.write(f"gwforecast kernels: {found.name if found else 'not compiled'}; {reason}\n")
    sys.exit(found is None)
