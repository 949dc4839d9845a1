"""First-party metrics."""

from importlib import import_module

from harness import hookimpl

METRICS = {
    "classification": ("top1", "top5", "mean_per_class", "mean_average_precision", "map11", "nll", "brier"),
    "calibration": ("ece", "ece_adaptive", "ece_classwise", "ece_temperature", "ece_temperature_crossfit"),
    "confidence": ("confidence_correct", "confidence_wrong", "confidence_gap", "confidence_auroc", "aurc"),
    "episodes": ("episode_accuracy",),
    "estimates": ("r2",),
}


@hookimpl
def register_metrics(register):
    for module, names in METRICS.items():
        for name in names:
            register(getattr(import_module(f"harness_metrics.{module}"), name))
