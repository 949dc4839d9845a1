"""First-party published figures: what papers report, to stand on the board beside what is measured."""

from pathlib import Path

from harness import hookimpl


@hookimpl
def register_reported(register):
    register(
        "ericsson2021",
        "harness_papers.ericsson2021:records",
        summary="Ericsson, Gouk & Hospedales, How Well Do Self-Supervised Models Transfer?, CVPR 2021",
    )


@hookimpl
def register_catalogues(register):
    here = Path(__file__).parent
    register("papers", str(here / "suites.yaml"), summary="the papers' transfer suites, and small versions")
    register("representations", str(here / "representations.yaml"), summary="the papers' analyses, and small versions")
