"""What engines are given and return: data, jobs, a recipe, and trained weights.

A *job* is one member of one well. Jobs share nothing but the data, so a result does not depend on
the other jobs, their order or the number of workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gwforecast.progress import DETAIL, Progress

__all__ = [
    "Data", "Job", "Recipe", "Trained", "concatenate_wells", "cores", "cosine_rates", "history_of",
    "in_threads", "pad",
]  # fmt: skip

REPORTED_EVERY = 0.5  # seconds


@dataclass(frozen=True)
class Recipe:
    """Settings of the training that all networks of a call share."""

    loss: str  # name of a mean over the observed targets of a batch
    optimizer: str
    # share of each kernel that is subtracted in an update, times the learning rate (Loshchilov and
    # Hutter 2019, arXiv:1711.05101)
    weight_decay: float
    clip_norm: float  # largest global norm of a gradient
    patience: int  # epochs without a lower validation loss after which training stops
    lookback: int  # warm-up steps of a window
    targets: int  # target steps of a window
    attributes: bool = False  # whether inputs are followed by the attributes of the well
    stops_early: bool = True  # weights of the best epoch are kept, otherwise those of the last

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return self.lookback + self.targets


@dataclass(frozen=True)
class Data:
    """Scaled data of all jobs, float32; targets are NaN where a step is none."""

    inputs: np.ndarray  # shape (well, time, input), without NaN
    # shape (well * fold, time): the rows of a well are consecutive, one if all networks have the
    # same targets, otherwise one for each fold, without the targets of that fold
    targets: np.ndarray
    validation_targets: np.ndarray  # shape (well, time)
    attributes: np.ndarray | None = None  # shape (well, attribute), appended at every step
    # steps from the start of a well to that of the next where all wells are in one row, see
    # :func:`concatenate_wells`; 0 where each well has its own row
    span: int = 0

    @property
    def folds(self) -> int:
        """Rows of targets for each well."""
        return len(self.targets) // len(self.inputs)


@dataclass(frozen=True)
class Job:
    """One network to train."""

    well: int  # row of the data
    weights: list[np.ndarray]  # first ones, in the order of ``network.trainable_variables``
    starts: np.ndarray  # first target of each window, shape (epoch, update, window), int32
    rates: np.ndarray  # learning rate of each update, shape (epoch * update,), float32
    validation: np.ndarray  # first target of each validation window, int32; may be none
    seed: int  # of dropout and noise
    fold: int = 0  # row of the well's targets


@dataclass(frozen=True)
class Trained:
    """Result of a job: the weights kept, their epoch (from 1) and the losses of each epoch."""

    weights: list[np.ndarray]
    best_epoch: int
    loss: np.ndarray
    validation_loss: np.ndarray


def cosine_rates(peak: float, updates: int) -> np.ndarray:
    """Return the learning rate of each update: ten steps of warm-up, then a cosine to 1 %.

    Loshchilov and Hutter (2017), arXiv:1608.03983.
    """
    step = np.arange(updates)
    cosine = 0.5 * (1 + np.cos(np.pi * step / updates))
    rates = peak * (0.01 + 0.99 * cosine) * np.minimum(1.0, (step + 1) / 10)
    return rates.astype(np.float32)


def history_of(labels: Sequence[tuple[str, int]], trained: Sequence[Trained]) -> pd.DataFrame:
    """Return the losses of networks, whose labels are well and member, by epoch."""
    parts = [
        pd.DataFrame({
            "well": well, "member": member, "epoch": np.arange(1, one.loss.size + 1),
            "loss": one.loss, "validation_loss": one.validation_loss,
        })
        for (well, member), one in zip(labels, trained, strict=True)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def pad(values: np.ndarray, recipe: Recipe, fill: float) -> np.ndarray:
    """Return (well, time, ...) padded by a window at the start and by its targets at the end."""
    width = [(0, 0), (recipe.steps, recipe.targets)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, width, constant_values=fill)


def concatenate_wells(data: Data, recipe: Recipe) -> Data:
    """Return data with all wells one after the other in a single row, for a network of all wells.

    Padding between wells prevents windows across two of them. Step ``r`` of the first well is at
    ``recipe.steps + r``, and that of each further well ``span`` steps later.
    """

    def row(values: np.ndarray, fill: float) -> np.ndarray:
        padded = pad(values, recipe, fill)
        return padded.reshape(1, -1, *padded.shape[2:])

    folds = data.folds
    return Data(
        row(data.inputs, 0.0),
        np.concatenate([row(data.targets[fold::folds], np.nan) for fold in range(folds)]),
        row(data.validation_targets, np.nan),
        data.attributes,
        data.targets.shape[1] + recipe.steps + recipe.targets,
    )


def cores() -> int:
    """Return the number of cores that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return len(allowed) or os.cpu_count() or 1


def in_threads(
    work: Callable[[Job], Trained],
    jobs: Sequence[Job],
    workers: int,
    progress: Progress | None,
    epochs: Callable[[Job], int],
) -> list[Trained]:
    """Return the result of each job in order, worked on by some threads.

    Progress is reported after each network, and by epochs for the first one that is not ready:
    ``epochs`` returns how many epochs of a job are done, while another thread trains it.
    """
    results = []
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            for number, (job, future) in enumerate(zip(jobs, futures, strict=True)):
                while progress is not None and not wait([future], timeout=REPORTED_EVERY).done:
                    done, total = epochs(job), len(job.starts)
                    if 0 < done < total:
                        name = f"networks{DETAIL}epoch {done} of {total}"
                        progress(name, number + done / total, len(jobs))
                results.append(future.result())
                if progress is not None:
                    progress("networks", number + 1, len(jobs))
        finally:
            for future in futures:
                future.cancel()
    return results
