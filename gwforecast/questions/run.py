"""From settings to the answer of a question, with its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.questions import projections as climate
from gwforecast.questions import simulation, whatif
from gwforecast.questions.changes import Change, apply_changes, parse_change
from gwforecast.questions.files import Answer
from gwforecast.runs.inputs import prepare, read_data

__all__ = ["Question", "answer", "project", "what_if"]


Given = TypeVar("Given", bound=Answer)


@dataclass(frozen=True)
class Question:
    """What all questions share.

    Parameters
    ----------
    settings : Settings
        Settings of a configuration.
    named : str
        Folder of the results where the settings name none.
    defaults : tuple of str
        Models where the settings name none.
    progress : Progress, optional
        Progress callback, called for blocks of years, members and wells.
    """

    settings: Settings
    named: str
    defaults: tuple[str, ...] = simulation.DEFAULT_MODELS
    progress: Progress | None = None

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        return self.settings.questions.folder or Path(self.named)

    @property
    def figures(self) -> int:
        """Number of wells with figures."""
        return self.settings.output.figures

    @property
    def changes(self) -> list[Change]:
        """Changes of covariates."""
        return [parse_change(text) for text in self.settings.questions.changes]

    def observations(self) -> xr.Dataset:
        """Read and prepare the data."""
        return prepare(read_data(self.settings.data), self.settings)[0]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the questions of Python that follow from the settings."""
        chosen = self.settings.models
        models = list(chosen.use if "use" in chosen.given() else self.defaults)
        return {
            "models": models,
            "settings": {name: self.settings.of_model(name) for name in models},
            "seed": chosen.seed,
            "members": chosen.members,
            "workers": chosen.workers,
            "without_weather": chosen.without_weather,
            "blocks": self.settings.questions.blocks,
            "progress": self.progress,
        }


def answer(
    question: Question, ask: Callable[..., Given], **more: Any
) -> tuple[Given, dict[str, Path]]:
    """Answer a question by a function such as :func:`gwforecast.fill`, and write its files."""
    given = ask(question.observations(), **more, **question.arguments())
    return _written(given, question)


def what_if(question: Question) -> tuple[whatif.WhatIf, dict[str, Path]]:
    """Compare a scenario with the reference; see :func:`gwforecast.questions.whatif.whatif`.

    Covariates are changed as they are read, and others derived from them afterwards.
    """
    read = read_data(question.settings.data)
    observations, _ = prepare(read, question.settings)
    scenario, _ = prepare(apply_changes(read, question.changes), question.settings)
    scenario = scenario.sel({schema.WELL: observations[schema.WELL].values})
    name = question.settings.questions.name
    given = whatif.whatif(observations, scenario, name=name, **question.arguments())
    return _written(given, question)


def project(question: Question) -> tuple[climate.Projected, dict[str, Path]]:
    """Compare climate projections with their own past, and write the result.

    See :func:`gwforecast.questions.projections.project`.
    """
    chosen = question.settings.questions
    observations = question.observations()
    given = climate.project(
        observations,
        climate.read_projections(chosen.projections, observations),
        reference=_years(chosen.reference),
        periods=[_years(one) for one in chosen.periods],
        **question.arguments(),
    )
    return _written(given, question)


def _written(given: Given, question: Question) -> tuple[Given, dict[str, Path]]:
    """Write the files of an answer; return the answer and their paths by name."""
    return given, given.write(question.folder, figures=question.figures, progress=question.progress)


def _years(text: str) -> climate.Years:
    first, _, last = text.partition("-")
    return int(first), int(last)
