"""First-party engines: where cells run."""

from harness import hookimpl


@hookimpl
def register_engines(register):
    register("local", "harness.engine.local:run_local", summary="every cell in this process, model by model")
