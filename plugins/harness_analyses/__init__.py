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
    register(
        "similarity",
        "harness_analyses.similarity:similarity",
        summary="how alike every two models are, by every metric of pairs: matrices of models",
    )
    register(
        "layer_similarity",
        "harness_analyses.layer_similarity:layer_similarity",
        summary="which layers are alike, within a model and between two: layers against layers (Grigg et al. 2021)",
    )
    register(
        "layer_curves",
        "harness_analyses.layer_curves:layer_curves",
        summary="every score that each layer has, against depth: probes, class CKA, class separation, invariance",
    )
    register(
        "invariance_curves",
        "harness_analyses.invariance:invariance_curves",
        summary="invariance of features and consistency of predictions against a transform's strength",
    )
    register(
        "embedding_map",
        "harness_analyses.embedding_map:embedding_map",
        summary="stored embeddings in two dimensions, by PCA and t-SNE, coloured by class",
    )
    register(
        "attribution_gallery",
        "harness_analyses.galleries:attribution_gallery",
        summary="where models look: stored attribution maps over their images, models side by side",
    )
    register(
        "reconstruction_gallery",
        "harness_analyses.galleries:reconstruction_gallery",
        summary="what can be rebuilt from features: stored reconstructions, models side by side",
    )
    register(
        "geometry",
        "harness_analyses.geometry:geometry",
        summary="models by the geometry of their features, and whether paradigm explains it (Cosentino et al. 2022)",
    )
    register(
        "geometry_transfer",
        "harness_analyses.geometry_transfer:geometry_transfer",
        summary="transfer predicted from geometry, model by model, against ImageNet top-1 (Cosentino et al. 2022)",
    )
    register(
        "critical_differences",
        "harness_analyses.critical_differences:critical_differences",
        summary="which models' mean ranks differ: Friedman, Nemenyi, Wilcoxon-Holm, and their diagram (Demšar 2006)",
    )
    register(
        "win_rates",
        "harness_analyses.win_rates:win_rates",
        summary="in which share of the columns each model beats each other",
    )
    register(
        "cost_quality",
        "harness_analyses.cost_quality:cost_quality",
        summary="score against parameters, operations, inference and evaluation time, with the Pareto front",
    )
