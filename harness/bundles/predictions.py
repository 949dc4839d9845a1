"""Whether a file of predictions from outside is what a run could have stored."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.evidence import Evidence, Predictions


def check_predictions(chunks: Iterator[bytes]) -> bool:
    """Read an evidence file to its end; gives whether its kind of evidence is known here.

    Raises `HarnessError` where it is none, or does not hold together.
    """
    from safetensors import SafetensorError, safe_open

    from harness.evidence_files import load

    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        path = Path(folder, "evidence")
        with open(path, "wb") as file:
            file.writelines(chunks)
        try:
            with safe_open(path, framework="pt") as opened:
                json.loads((opened.metadata() or {})["evidence"])
        except (SafetensorError, OSError, KeyError, ValueError, RecursionError):
            raise HarnessError("it is no evidence file") from None
        try:
            variants = load(path)
        except (HarnessError, AttributeError):
            return False  # no board will read it
    for evidence in variants.values():
        check_evidence(evidence)
    return True


def check_evidence(evidence: Evidence) -> None:
    """Raises `HarnessError` for rows that do not match, NaN, and targets that are no classes."""
    from harness.evidence import Evidence, Predictions

    values = evidence.rows().values()
    if not values or any(value.ndim == 0 for value in values):
        raise HarnessError(f"its {evidence.name} have no row for each image")
    Evidence.check(evidence, len(evidence), 0)
    if isinstance(evidence, Predictions):
        if evidence.scores.ndim != 2 or not evidence.scores.shape[1] or not evidence.scores.is_floating_point():
            raise HarnessError(f"its scores are {tuple(evidence.scores.shape)}, not numbers of images and classes")
        _check_targets(evidence)


def _check_targets(evidence: Predictions) -> None:
    targets, classes = evidence.targets, evidence.scores.shape[1]
    if targets is None:
        return
    if evidence.multilabel:
        sound = targets.shape == evidence.scores.shape and bool(((targets == 0) | (targets == 1)).all())
    else:
        whole = not targets.is_floating_point() and not targets.is_complex() and targets.ndim == 1
        sound = whole and bool(((targets >= 0) & (targets < classes)).all())
    if not sound:
        raise HarnessError(f"its targets are not those of {classes:,} classes")
