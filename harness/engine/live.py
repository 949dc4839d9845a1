"""A model of the plan while it runs: its fingerprint, and its encoder, loaded on first use."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from harness.encoder import Encoder
from harness.engine.cost import measured
from harness.engine.options import Options, environment
from harness.errors import HarnessError
from harness.identity import digest, file_digest, model_fingerprint
from harness.memory import own_code
from harness.models import Model
from harness.passes import Forward, default_batch_size, state_digest


class LiveModel:
    """Loads as late as possible: a model whose cells are all done is never loaded when its weights are a file."""

    def __init__(self, model: Model, options: Options, device: str, precision: str) -> None:
        self.model, self.options, self.device, self.precision = model, options, device, precision

    @cached_property
    def weights(self) -> str:
        """The content hash of the weights: of the checkpoint file, or of the loaded state where there is none.

        A model without a file may be anyone's code: its own classes are then part of what identifies it.
        """
        path = self.model.weights
        if path is not None and path.is_file():
            return file_digest(path)
        return digest([state_digest(self.encoder.state_dict()), own_code(self.encoder)])

    @cached_property
    def fingerprint(self) -> str:
        """Architecture and options, preprocessing, weights: all of the model that can change a score."""
        return model_fingerprint(self.model.identity, self.model.preprocess.model_dump(mode="json"), self.weights)

    @cached_property
    def encoder(self) -> Encoder:
        """The loaded encoder. Raises `HarnessError` when it is none, or does not own the declared preprocessing."""
        encoder = self.model.load()
        if not isinstance(encoder, Encoder):
            raise HarnessError(f"model {self.model.name} loads a {type(encoder).__name__}, not a harness Encoder")
        if encoder.preprocess != self.model.preprocess:
            raise HarnessError(f"model {self.model.name}: the encoder's preprocess differs from the one declared")
        return encoder

    @cached_property
    def forward(self) -> Forward:
        default = default_batch_size(self.model.preprocess.size, self.device, torch.get_num_threads())
        size = self.options.batch_size or default
        return Forward(self.encoder, self.device, self.precision, size)

    @property
    def cost(self) -> dict[str, Any]:
        """Parameters and FLOPs, once the encoder is on the device; see `harness.engine.cost`."""
        return self._cost if "forward" in self.__dict__ else {}

    @cached_property
    def _cost(self) -> dict[str, Any]:
        return dict(measured(self.forward))

    def speed(self, images_per_second: float) -> dict[str, Any]:
        """How fast a pass was, decoding included, and on what."""
        return {"images_per_second": round(images_per_second, 2), "device": environment(self.device)["device"]}

    def release(self) -> None:
        """Make room on the device for the next model."""
        if "forward" in self.__dict__ and self.device != "cpu":
            self.forward.encoder.cpu()

    @property
    def images_forwarded(self) -> int:
        return self.forward.images if "forward" in self.__dict__ else 0
