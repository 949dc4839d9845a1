"""What a bundle is: the names of its members, and the manifest that vouches for each of them."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.bundles.strict import read_json
from harness.errors import HarnessError, first_problem, one_line

FORMAT = 1
"""Of bundles; one of a later format is refused."""

MANIFEST, SUITE, SUMMARY = "manifest.json", "suite.json", "summary.json"
_NAME = r"[A-Za-z0-9_@=,+-][A-Za-z0-9._@=,+-]{0,199}"  # as `harness.records.slug` makes them: no dot begins one
_RECORD = re.compile(rf"records/{_NAME}/{_NAME}/{_NAME}\.json")
_PREDICTION = re.compile(r"predictions/([0-9a-f]{64})\.safetensors")

Sort = Literal["record", "prediction", "page"]


class Digest(BaseModel):
    """A member's content: SHA-256 in hex digits, and size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Manifest(BaseModel):
    """``manifest.json`` of a bundle.

    Attributes:
        harness: the version that wrote it.
        by: who sends it, as they name themselves.
        date: the day of the newest record, UTC: two exports of the same run are the same bytes.
        counts: how many ``records`` and ``predictions`` it holds, and how many failed or skipped records it leaves out.
        environment: where the newest measured record was made.
        members: every other member of the archive.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    format: int = FORMAT
    harness: str
    by: str = Field("", max_length=200)
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    suite: str = ""
    counts: dict[str, int] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    members: dict[str, Digest] = Field(default_factory=dict)

    def write(self) -> bytes:
        return self.model_dump_json(indent=1).encode() + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """A manifest from its bytes. Raises `HarnessError` for one that does not fit, or is of a later format."""
    try:
        fields = read_json(data)
        version = fields.get("format")
        if isinstance(version, int) and version > FORMAT:
            raise HarnessError(f"written by a newer harness (bundle format {version}, here {FORMAT}): upgrade")
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise HarnessError(f"{MANIFEST} does not fit: {first_problem(error)}") from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise HarnessError(f"{MANIFEST} cannot be read: {one_line(error)}") from None


def sort_of(name: str) -> Sort | None:
    """What a member is by its name; None for one that no bundle has."""
    if _RECORD.fullmatch(name):
        return "record"
    if _PREDICTION.fullmatch(name):
        return "prediction"
    return "page" if name in (SUITE, SUMMARY) else None


def prediction(key: str) -> str:
    """The member's name of the evidence of a key."""
    return f"predictions/{key}.safetensors"
