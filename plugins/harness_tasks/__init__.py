"""First-party tasks: the protocols that every encoder is put through."""

from harness import hookimpl


@hookimpl
def register_tasks(register):
    register("linear", "harness_tasks.linear:Linear", summary="logistic regression, L2 strength chosen on validation")
    register("layers", "harness_tasks.layers:Layers", summary="the linear probe or kNN at every layer")
    register("ridge", "harness_tasks.ridge:Ridge", summary="ridge regression of continuous targets")
    register("knn", "harness_tasks.knn:KNN", summary="weighted nearest neighbours by cosine similarity")
    register("fewshot", "harness_tasks.fewshot:FewShot", summary="nearest class mean on episodes: fewshot[5w20s]")
    register("labels", "harness_tasks.labels:Labels", summary="the linear probe on 1, 10 and 100 % of the labels")
    register("embed", "harness_tasks.embed:Embed", summary="the test images' features at some layers, pooled or flat")
    register("grams", "harness_tasks.grams:GramsTask", summary="inner products of every layer's activations, for CKA")
    register("nnk", "harness_tasks.nnk:NNK", summary="manifold graph metrics of a class, or of views: nnk[simclr[50]]")
    register("views", "harness_tasks.views:Views", summary="features of transformed images: views[rotation[16]]")
    register("consistency", "harness_tasks.consistency:Consistency", summary="predictions for transformed images")
    register("attribute", "harness_tasks.attribute:Attribute", summary="Grad-CAM of probed or fine-tuned models")
    register("occlude", "harness_tasks.occlude:Occlude", summary="what a sliding mask changes in the embedding")
    register("reconstruct", "harness_tasks.reconstruct:Reconstruct", summary="inversion with a deep image prior")
    register("detail", "harness_tasks.detail:Detail", summary="colours and a thumbnail decoded from the embedding")
    register(
        "finetune",
        "harness_tasks.finetune:Finetune",
        summary="the whole network, learning rate and weight decay chosen on validation",
    )
