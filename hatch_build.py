"""Compile the kernels when the package is installed, see gwforecast/networks/engines/build.py."""

from __future__ import annotations

import runpy
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ENGINES = Path(__file__).parent / "gwforecast" / "networks" / "engines"


class CustomBuildHook(BuildHookInterface):
    """Add the compiled library to a wheel, or say that it is missing: networks train without it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile, also for an editable install, where the library lies in the source tree."""
        library, reason = runpy.run_path(str(ENGINES / "build.py"))["build"]()
        if library is None:
            self.app.display_warning(
                f"gwforecast: the kernels are not compiled: {reason}. Networks are trained by "
                "Keras, several times as slowly. Install a C compiler and install again."
            )
            return
        build_data["artifacts"].append(f"gwforecast/networks/engines/source/{library.name}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        sys.stderr.write(f"gwforecast: {library.name} {reason}\n")
