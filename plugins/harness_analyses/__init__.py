"""First-party analyses: what a whole board of scores tells."""

from harness import hookimpl


@hookimpl
def register_analyses(register):
    register(
        "imagenet_correlation",
        "harness_analyses.imagenet:imagenet_correlation",
        summary="how well ImageNet top-1 predicts each score and setting (Ericsson et al. 2021)",
    )
    register(
        "near_far",
        "harness_analyses.near_far:near_far",
        summary="what models lose from near to far targets, self-supervised against supervised (Tendle & Hasan 2021)",
    )
