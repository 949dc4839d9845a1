"""Draws: a score computed anew on each bootstrap resample of the test images, as a record keeps them.

The resamples of n images are the same for every model (`harness.numerics.bootstrap`), so that the difference of two
models' draws is the paired bootstrap of their difference, with no need of the images' own values.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

LEVELS = 65_535


class Draws(BaseModel):
    """R redrawn scores, each to one part in 65,535 of their range: far below the noise they measure.

    Attributes:
        low, high: the least and the greatest of them.
        codes: R little-endian uint16, in base64: 0 stands for `low`, 65,535 for `high`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    low: float
    high: float
    codes: str = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.low > self.high:
            raise ValueError("the least of its draws is greater than the greatest")
        try:
            size = len(base64.b64decode(self.codes, validate=True))
        except ValueError:
            raise ValueError("its draws are not base64") from None
        if size % 2 or not size:
            raise ValueError("its draws are cut off")
        return self

    @classmethod
    def of(cls, values: Iterable[float]) -> Draws | None:
        """The draws (R,); None where there are none, or one is undefined: pairing needs them all."""
        found = np.fromiter(values, np.float64)
        if not len(found) or not np.isfinite(found).all():
            return None
        low, high = float(found.min()), float(found.max())
        codes = np.zeros(len(found)) if low == high else np.rint((found - low) / (high - low) * LEVELS)
        return cls(low=low, high=high, codes=base64.b64encode(codes.astype("<u2").tobytes()).decode())

    def values(self) -> NDArray[np.float64]:
        """(R,)."""
        codes = np.frombuffer(base64.b64decode(self.codes), "<u2").astype(np.float64)
        return self.low + codes * ((self.high - self.low) / LEVELS)


def paired(draws: Iterable[Draws | None]) -> NDArray[np.float64] | None:
    """The draws of M scores of the same images, (R, M) with the fewest resamples of any; None unless all have some."""
    found = list(draws)
    if not found or any(each is None for each in found):
        return None
    columns = [each.values() for each in found if each is not None]
    fewest = min(map(len, columns))
    return np.stack([column[:fewest] for column in columns], 1)
