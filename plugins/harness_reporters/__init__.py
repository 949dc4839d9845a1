"""First-party reporters: what a run shows and logs while it goes."""

from harness import hookimpl


@hookimpl
def register_reporters(register):
    register("mlflow", "harness_reporters.mlflow_tracking:MlflowReporter", summary="an MLflow run (extra: mlflow)")
    register("wandb", "harness_reporters.wandb_run:WandbReporter", summary="a Weights & Biases run (extra: wandb)")
    register(
        "tensorboard",
        "harness_reporters.tensorboard_log:TensorboardReporter",
        summary="event files (extra: tensorboard)",
    )
