"""First-party tasks: the protocols that every encoder is put through."""

from harness import hookimpl


@hookimpl
def register_tasks(register):
    register("linear", "harness_tasks.linear:Linear", summary="logistic regression, L2 strength chosen on validation")
    register("ridge", "harness_tasks.ridge:Ridge", summary="ridge regression of continuous targets")
    register("knn", "harness_tasks.knn:KNN", summary="weighted nearest neighbours by cosine similarity")
    register("fewshot", "harness_tasks.fewshot:FewShot", summary="nearest class mean on episodes: fewshot[5w20s]")
    register("labels", "harness_tasks.labels:Labels", summary="the linear probe on 1, 10 and 100 % of the labels")
    register(
        "finetune",
        "harness_tasks.finetune:Finetune",
        summary="the whole network, learning rate and weight decay chosen on validation",
    )
