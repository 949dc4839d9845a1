"""First-party metrics."""

from importlib import import_module

from harness import hookimpl

METRICS = {
    "classification": ("top1", "top5", "mean_per_class", "mean_average_precision", "map11", "nll", "brier"),
    "calibration": ("ece", "ece_adaptive", "ece_classwise", "ece_temperature", "ece_temperature_crossfit"),
    "confidence": ("confidence_correct", "confidence_wrong", "confidence_gap", "confidence_auroc", "aurc"),
    "episodes": ("episode_accuracy",),
    "estimates": ("r2",),
    "spectrum": ("rankme", "effective_rank", "alpha_req", "lidar"),
    "dimension": ("twonn", "mle_dimension"),
    "distribution": ("uniformity", "alignment", "sparsity", "norm"),
    "transferability": ("logme", "h_score", "h_score_shrunk", "class_separation"),
    "geometry": ("nnk_neighbours", "nnk_diameter", "nnk_affinity"),
    "invariance": (
        "invariance_cosine",
        "invariance_mahalanobis",
        "invariance_raw",
        "invariance_curve",
        "view_cosine",
        "view_retrieval",
    ),
    "equivariance": ("equivariance_r2",),
    "consistency": ("consistency", "consistency_curve", "view_top1"),
    "attribution": (
        "attribution_energy",
        "pointing_game",
        "attribution_entropy",
        "attribution_gini",
        "attentive_diffusion",
        "deletion_auc",
        "insertion_auc",
        "attribution_ssim",
        "attribution_rank",
    ),
    "reconstruction": ("colour_mse", "ssim", "lpips"),
    "detail": ("decoding_r2",),
    "cka": ("cka", "cka_biased", "cka_rbf", "cka_layers", "cka_views", "cka_class", "class_r2"),
    "similarity": ("svcca", "pwcca", "procrustes", "rsa", "cka_pooled", "mutual_knn", "knn_jaccard"),
}


@hookimpl
def register_metrics(register):
    for module, names in METRICS.items():
        for name in names:
            register(getattr(import_module(f"harness_metrics.{module}"), name))
