"""The catalogue: YAML files that name checkpoints, datasets and suites. Adding a checkpoint takes YAML, not code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError
from harness.models import Model, ModelCard
from harness.registry import Entry, Origin, Registry
from harness.suite import Suite
from harness.yamlfile import YamlFile


class ModelEntry(BaseModel):
    """One checkpoint: which loader (a model scheme without its colon), from what, with which options and facts."""

    model_config = ConfigDict(extra="allow")  # further fields are the loader's options
    load: str
    source: str = ""
    card: dict[str, Any] = Field(default_factory=dict)
    pretraining: dict[str, Any] = Field(default_factory=dict)


class DatasetEntry(BaseModel):
    """One dataset: another dataset's name or URI under a shorter name."""

    model_config = ConfigDict(extra="forbid")
    use: str
    summary: str = ""


class CatalogueFile(BaseModel):
    """The shape of ``registry.yaml``."""

    model_config = ConfigDict(extra="forbid")
    models: dict[str, ModelEntry] = Field(default_factory=dict)
    datasets: dict[str, DatasetEntry] = Field(default_factory=dict)
    suites: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class CatalogueModel:
    """A checkpoint of the catalogue; calling it makes the `Model` through the loader its `load` field names."""

    name: str
    fields: ModelEntry
    folder: Path
    where: str
    schemes: Registry

    def __call__(self) -> Model:
        """The model. Raises `HarnessError` naming file and line when the loader refuses the fields."""
        source = self.fields.source
        if source and (self.folder / source).exists():
            source = str(self.folder / source)
        try:
            loader = self.schemes.entry(f"{self.fields.load}:x").resolve()
            return loader(source, **(self.fields.model_extra or {}), card=self.card())  # type: ignore[no-any-return]
        except (HarnessError, TypeError, ValueError) as error:
            raise HarnessError(f"{self.where}: model {self.name}: {' '.join(str(error).split())}") from error

    def card(self) -> ModelCard:
        """The card: the entry's `card` and `pretraining` facts together."""
        return ModelCard.model_validate({"name": self.name, **self.fields.card, **self.fields.pretraining})


def default_files(shipped_with: Origin) -> list[tuple[Path, Origin]]:
    """The catalogue shipped with the host, then the user's own."""
    here = Path(__file__).parent
    shipped = next((p for p in (here / "registry.yaml", here.parent / "registry.yaml") if p.is_file()), None)
    config = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser() / "harness" / "registry.yaml"
    files = [(shipped, shipped_with)] if shipped else []
    return [*files, (config, Origin(str(config)))] if config.is_file() else files


def load_catalogue(path: Path, origin: Origin, registries: dict[str, Registry]) -> dict[str, Suite]:
    """Read a catalogue file: models and datasets into their registries; the suites are returned, by name.

    Raises `HarnessError` with file and line for a field that does not fit; then nothing is registered.
    """
    file = YamlFile(path)
    content = file.validate(CatalogueFile)
    suites = {name: file.validate(Suite, ("suites", name)).model_copy(update={"name": name}) for name in content.suites}
    for name, fields in content.models.items():
        where = file.where(("models", name))
        target = CatalogueModel(name, fields, path.parent, where, registries["model"])
        summary = str(fields.card.get("title") or fields.pretraining.get("method") or fields.load)
        registries["model"].add(Entry(name, target, origin, summary))
    for name, dataset in content.datasets.items():
        registries["dataset"].add(Entry(name, dataset, origin, dataset.summary or dataset.use))
    return suites
