"""Attribution: where in the image the prediction comes from (Tendle & Hasan 2021, 2109.09150; our definitions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.evidence import Attributions

if TYPE_CHECKING:
    from harness_tasks.attribution.classifier import Classifier


@task("attribute", evidence=Attributions, primary="deletion_auc")
@dataclass(frozen=True)
class Attribute:
    """Maps of the predicted class's score over the final convolutional or token map, and tests of them: our definition.

    The paper's method could not be established. Here it is Grad-CAM for the class that the probed or fine-tuned model
    predicts. With the maps come deletion and insertion curves: the predicted class's probability while the image's
    pixels are replaced by its mean colour, or come back into the blurred image, most important first, in sixteenths.

    Attributes:
        head: ``linear``, the linear probe on the frozen encoder, or ``finetune``, the whole network trained as by the
            task of that name at one point of its grid.
        method: ``gradcam``; ``cam``, its closed form for encoders that average their final map; or ``rollout``,
            attention rollout of transformers, which knows no class.
        sample: test images, a fixed choice.
        steps, batch, lr, wd, augment: of fine-tuning.
        view: of the images.
    """

    head: Literal["linear", "finetune"] = "linear"
    method: Literal["gradcam", "cam", "rollout"] = "gradcam"
    sample: int = 64
    steps: int = 5000
    batch: int = 64
    lr: float = 1e-2
    wd: float = 1e-4
    augment: Literal["crop", "none"] = "crop"
    view: str = "clean"

    @property
    def needs(self) -> Needs:
        layers = ("embedding",) if self.head == "linear" else ()
        return Needs(views=(self.view,), encoder=True, layers=layers, sample=self.sample)

    def skip(self, card: DatasetCard) -> str | None:
        return f"explains a classifier, {card.name} is continuous" if card.kind == "continuous" else None

    def run(self, data: TaskData) -> Attributions:
        """Raises `UndefinedError` for an encoder without the maps that the method needs."""
        import torch

        from harness.passes import default_batch_size
        from harness_tasks.attribution.deletion import curves
        from harness_tasks.attribution.gradcam import cam, gradcam
        from harness_tasks.attribution.maps import final_map
        from harness_tasks.attribution.rollout import rollout

        assert data.encoder is not None
        final_map(data.encoder)  # or it would be trained for nothing
        method = {"gradcam": gradcam, "cam": cam, "rollout": rollout}[self.method]
        classifier = self._classifier(data)
        images = torch.cat(list(data.test.pixels(16)))
        found, done = [], 0
        batch = default_batch_size(images.shape[-1], data.device, torch.get_num_threads())
        for pixels in torch.split(images, batch):
            classes = classifier.predict(pixels)
            maps = method(classifier, pixels, classes)
            found.append((maps, *curves(classifier, pixels, maps, classes)))
            done += len(pixels)
            data.progress(done, len(images))
        maps, deletion, insertion = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        return Attributions(maps, images.cpu(), deletion, insertion)

    def _classifier(self, data: TaskData) -> Classifier:
        from harness_tasks.attribution.classifier import finetuned, probed
        from harness_tasks.finetune import Finetune

        if self.head == "linear":
            return probed(data)
        one = Finetune(
            steps=self.steps, batch=self.batch, lrs=self.lr, wds=self.wd, augment=self.augment, view=self.view
        )
        return finetuned(data, one)
