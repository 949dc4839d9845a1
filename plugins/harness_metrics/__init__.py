"""First-party metrics."""

from harness import hookimpl

NAMES = ("top1", "top5", "mean_per_class", "mean_average_precision", "nll", "ece")


@hookimpl
def register_metrics(register):
    from harness_metrics import classification

    for name in NAMES:
        register(getattr(classification, name))
