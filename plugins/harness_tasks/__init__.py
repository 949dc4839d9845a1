"""First-party tasks: the protocols that every encoder is put through."""

from harness import hookimpl


@hookimpl
def register_tasks(register):
    register("linear", "harness_tasks.linear:Linear", summary="logistic regression, L2 strength chosen on validation")
    register("knn", "harness_tasks.knn:KNN", summary="weighted nearest neighbours by cosine similarity")
