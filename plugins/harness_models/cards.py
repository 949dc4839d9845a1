"""What a loader adds to the card of the catalogue entry it was called for."""

from __future__ import annotations

from harness.models import ModelCard

NO_CARD = ModelCard()  # of a URI, which has no catalogue entry


def completed(card: ModelCard, architecture: str) -> ModelCard:
    """The card, with the loader's name of the architecture where it states none."""
    return card.model_copy(update={"architecture": card.architecture or architecture})
