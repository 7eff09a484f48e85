"""Engines that train networks: compiled kernels of this package, and TensorFlow through Keras.

On a CPU the compiled engine trains what it supports, without TensorFlow. On a machine with a GPU,
and for all other networks, Keras' engine does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from gwforecast.networks.engines import compiled
from gwforecast.networks.engines.jobs import Data, Job, Recipe, Trained, cores
from gwforecast.networks.parts import Architecture, EngineName, quiet_start
from gwforecast.progress import Progress

__all__ = ["takes_compiled", "train"]

LOG = logging.getLogger(__name__)
GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def train(
    architecture: Architecture,
    recipe: Recipe,
    data: Data,
    jobs: Sequence[Job],
    *,
    engine: EngineName = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Trained]:
    """Train each job's network: the weights of the last epoch, or of the best if it stops early.

    Results are in the order of the jobs. By default as many networks as cores are trained at the
    same time, or one on a GPU.

    Raises RuntimeError if the compiled engine is chosen and its kernels are missing, and ValueError
    if the compiled engine is chosen and does not support the networks.
    """
    if engine == "compiled" or (engine == "auto" and takes_compiled(architecture, recipe)):
        return compiled.train(
            architecture, recipe, data, jobs, workers=workers or cores(), progress=progress
        )
    with quiet_start():
        from gwforecast.networks import training

    workers = training.choose_workers(workers)
    return training.train(architecture, recipe, data, jobs, workers=workers, progress=progress)


def takes_compiled(architecture: Architecture, recipe: Recipe) -> bool:
    """Return whether the compiled engine is the one for some networks on this machine."""
    if not compiled.supports(architecture, recipe) or _has_gpu():
        return False
    if not compiled.is_available():
        _report_missing()
        return False
    return True


@cache
def _has_gpu() -> bool:
    if not any(Path(device).exists() for device in GPU_DEVICES):
        return False  # TensorFlow need not be imported to ask it
    with quiet_start():
        import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@cache
def _report_missing() -> None:
    LOG.warning("networks are trained by Keras, several times as slowly: %s", compiled.MISSING)
