"""What a long task keeps in its scratch folder, so that it can go on where it was stopped."""

from __future__ import annotations

import io
import json
import pickle
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from harness.records import write_atomically

SECONDS = 60.0  # between two checkpoints of a run: what a stop costs at most


@dataclass(frozen=True)
class Outcome:
    """How a run on train ended.

    Attributes:
        score: the primary metric on val, larger is better; None after a divergence.
        temperature: for the scores; see `harness.evidence.Predictions`.
        steps: made.
    """

    score: float | None
    temperature: float | None
    steps: int


class Journal:
    """``grid.json``, the outcomes of finished runs, and ``step.pt``, the state of the one under way.

    Both appear whole or not at all. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._saved = time.monotonic()

    def outcome(self, run: str) -> Outcome | None:
        """The outcome of a run that was finished before."""
        found = self._outcomes().get(run)
        return Outcome(**found) if found else None

    def finish(self, run: str, outcome: Outcome) -> None:
        """Keep the outcome of a run."""
        if self.folder is not None:
            outcomes = self._outcomes() | {run: asdict(outcome)}
            write_atomically(self.folder / "grid.json", json.dumps(outcomes, indent=1).encode())

    def state(self, run: str) -> dict[str, Any] | None:
        """The last state kept of a run, on the CPU. A damaged file counts as none: the run starts anew."""
        if self.folder is None or not (self.folder / "step.pt").is_file():
            return None
        try:
            held = torch.load(self.folder / "step.pt", map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):
            return None
        state: dict[str, Any] | None = held["state"] if held["run"] == run else None
        return state

    @property
    def due(self) -> bool:
        """Whether a state is to be kept now."""
        return self.folder is not None and time.monotonic() - self._saved >= SECONDS

    def keep(self, run: str, state: dict[str, Any]) -> None:
        """Keep the state of a run instead of the last one."""
        if self.folder is not None:
            buffer = io.BytesIO()
            torch.save({"run": run, "state": state}, buffer)
            write_atomically(self.folder / "step.pt", buffer.getvalue())
            self._saved = time.monotonic()

    def _outcomes(self) -> dict[str, dict[str, Any]]:
        if self.folder is None:
            return {}
        try:
            return dict(json.loads((self.folder / "grid.json").read_text()))
        except (OSError, ValueError):
            return {}
