"""The local engine: every cell of a plan in this process, model by model.

Model by model because loading and forwarding are what costs; within a model, one pass a split, then each task on the
stored embeddings, then each metric on the stored evidence. A cell whose record is there under its key is not repeated.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from harness import evidence_files
from harness.cache import ArrayStore, default_arrays
from harness.engine.features import Features
from harness.engine.folds import check_train
from harness.engine.job import Announcer, Job
from harness.engine.live import LiveModel
from harness.engine.options import Options, resolve_device
from harness.engine.recorder import Recorder, StopRunError
from harness.errors import HarnessError, OutputError, UndefinedError
from harness.evidence import Variants
from harness.identity import evidence_key
from harness.metrics import Score, scores
from harness.passes import arithmetic, place
from harness.planning import Cell, Plan, dataset_identity, fold_indices, task_identity
from harness.plugins import Host
from harness.records import Summary, sweep, write_atomically
from harness.tasks import Feature


def run_local(plan: Plan, host: Host, options: Options) -> Summary:
    """Run a plan in this process. Ctrl-C ends it cleanly: what is done stays, and the summary says so.

    Raises `OutputError` when the run folder cannot be written.
    """
    start = time.perf_counter()
    write_atomically(options.out / "suite.json", plan.suite.model_dump_json(indent=1).encode() + b"\n")
    (options.out / "records").mkdir(exist_ok=True)  # a run that is stopped before its first record has a board too
    run = LocalRun(plan, host, options)
    host.emit("run_started", plan=plan, out=options.out)
    summary = run.recorder.summary
    try:
        run.recorder.skipped()
        for name in plan.models:
            run.model(name)
        for cell in plan.cells():
            if cell.partner is not None:
                run.pair(cell)
    except KeyboardInterrupt:
        summary.interrupted = True
    except StopRunError:
        pass
    finally:
        summary.seconds = round(time.perf_counter() - start, 3)
        summary.excluded_images = sorted(run.features.excluded)
        summary.warnings += map(str, host.failures)
        told = len(host.failures)
        host.emit("run_finished", summary=summary)
        summary.warnings += map(str, host.failures[told:])
    write_atomically(options.out / "summary.json", summary.model_dump_json(indent=1).encode() + b"\n")
    return summary


class LocalRun:
    """One run of a plan: `model` does all cells of one model, `pair` one cell of two."""

    def __init__(self, plan: Plan, host: Host, options: Options) -> None:
        self.plan, self.host, self.options = plan, host, options
        self.device = resolve_device(options.device)
        self.store = ArrayStore(options.arrays or default_arrays(options.out))
        self.store.sweep()
        sweep(options.out / "records")
        self.lost: dict[tuple[str, str], HarnessError] = {}  # why pair cells find no evidence of a model's task
        self.sides: dict[str, Variants] = {}  # the evidence of the last pair cell, by key
        self.recorder = Recorder(plan, host, options, self.device)
        self.features = Features(plan.suite, options, self.store, lambda p: host.emit("pass_progress", progress=p))

    def model(self, name: str) -> None:
        """All single-model cells of one model, and the evidence that pair cells will want."""
        live = LiveModel(self.plan.models[name], self.options, self.device, self.plan.suite.precision)
        cells = [
            cell for task in self.plan.pairs for seed in self.plan.suite.seeds for cell in self._cells(name, task, seed)
        ]
        jobs = self.recorder.guard(cells, lambda: self._jobs(live)) or []
        pending = [left for job in jobs if (left := self._left(job)) is not None]
        start = time.perf_counter()
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.device)  # what a record tells is this model's
        try:
            failed = self._embed(live, [job for job in pending if self._stored(job) is None])
            seconds = {"passes": round(time.perf_counter() - start, 3)}
            for job in pending:
                if job.task not in failed:
                    self._finish(live, self._rekeyed(live, job), seconds)
        finally:
            self.recorder.summary.images_forwarded += live.images_forwarded
            live.release()

    def pair(self, cell: Cell) -> None:
        """A metric of two models' evidence."""
        if not self.recorder.reuse(cell):
            self.recorder.guard([cell], lambda: self._measure(cell, self._both(cell), {}, {}, {}))

    def _cells(self, model: str, task: str, seed: int) -> tuple[Cell, ...]:
        names = [m for m in self.plan.pairs[task] if not self.plan.metrics[m].pair]
        return tuple(Cell(model, task, metric, seed) for metric in names)

    def _jobs(self, live: LiveModel) -> list[Job]:
        jobs = []
        for task, metrics in self.plan.pairs.items():
            paired = any(self.plan.metrics[m].pair for m in metrics)
            for seed in self.plan.suite.seeds if metrics else ():
                key = self._evidence_key(live, task, seed)
                self.recorder.evidence[live.model.name, task, seed] = key
                jobs.append(Job(live.model.name, task, seed, key, self._cells(live.model.name, task, seed), paired))
        return jobs

    def _evidence_key(self, live: LiveModel, task: str, seed: int) -> str:
        bound, suite = self.plan.tasks[task], self.plan.suite
        facts = task_identity(bound), dataset_identity(bound), suite.precision, suite.decoder
        return evidence_key(live.fingerprint, *facts, self.features.images(bound), seed)

    def _left(self, job: Job) -> Job | None:
        """The job with the cells that are not done yet; None if it has none and no pair cell wants its evidence."""
        left = tuple(cell for cell in job.cells if not self.recorder.reuse(cell))
        return replace(job, cells=left) if left or (job.paired and self._stored(job) is None) else None

    def _embed(self, live: LiveModel, jobs: list[Job]) -> set[str]:
        """One pass for each split that the jobs need; returns the tasks that cannot go on."""
        failed = self._unreadable(jobs) if self.plan.suite.bad_images == "exclude" else set()
        for (_, split), (tasks, features) in self._wanted(jobs).items():
            able = [job for job in jobs if job.task in tasks - failed]
            if not able:
                continue
            groups: dict[tuple[Feature, ...], list[Job]] = {}
            for job in able:
                groups.setdefault(self._features(job, split), []).append(job)
            ensure = partial(self.features.ensure, live, self.plan.tasks[able[0].task].dataset, split)
            if len(groups) > 1 and works(partial(ensure, tuple(features))):
                continue
            for own, members in groups.items():  # all want the same, or one task's layer spoilt the pass for all
                if self.recorder.guard([cell for job in members for cell in job.cells], partial(ensure, own)) is None:
                    failed |= {job.task for job in members}
                    self.lost |= {(job.model, job.task): self.recorder.cause for job in members}
        return failed

    def _unreadable(self, jobs: list[Job]) -> set[str]:
        """Find the bad images of tasks that read pixels themselves; returns the tasks where even that fails."""
        failed = set()
        for job in jobs:
            bound = self.plan.tasks[job.task]
            for fold in fold_indices(self.plan.suite, bound).values() if bound.protocol.needs.encoder else ():
                if self.recorder.guard(job.cells, partial(self.features.examine, bound.dataset, fold.split)) is None:
                    failed.add(job.task)
                    self.lost[job.model, job.task] = self.recorder.cause
                    break
        return failed

    def _rekeyed(self, live: LiveModel, job: Job) -> Job:
        """The job after the pass: its key names the images that were used, and some may have been left out."""
        key = self._evidence_key(live, job.task, job.seed)
        self.recorder.evidence[job.model, job.task, job.seed] = key
        return replace(job, key=key)

    def _features(self, job: Job, split: str) -> tuple[Feature, ...]:
        """What a job needs of a split."""
        bound = self.plan.tasks[job.task]
        found = fold_indices(self.plan.suite, bound).items()
        wanted = (f for name, fold in found if fold.split == split for f in bound.protocol.needs.of_fold(name))
        return tuple(dict.fromkeys(wanted))

    def _wanted(self, jobs: list[Job]) -> Mapping[tuple[str, str], tuple[set[str], dict[Feature, None]]]:
        """For each (source, split): the tasks that need it, and the union of their features."""
        wanted: dict[tuple[str, str], tuple[set[str], dict[Feature, None]]] = {}
        for job in jobs:
            bound = self.plan.tasks[job.task]
            for split in {fold.split: None for fold in fold_indices(self.plan.suite, bound).values()}:
                if own := self._features(job, split):
                    tasks, features = wanted.setdefault((bound.dataset.card.source, split), (set(), {}))
                    tasks.add(job.task)
                    features.update(dict.fromkeys(own))
        return wanted

    def _finish(self, live: LiveModel, job: Job, seconds: dict[str, float]) -> None:
        """The job's evidence, then each of its metrics."""
        start = time.perf_counter()
        variants = self.recorder.guard(job.cells, lambda: self._stored(job) or self._evidence(live, job))
        if variants is None:
            self.lost[job.model, job.task] = self.recorder.cause
        seconds = seconds | {"task": round(time.perf_counter() - start, 3)}
        facts = {"fingerprint": live.fingerprint, "weights": live.weights, "architecture": dict(live.model.identity),
                 "preprocess": live.model.preprocess.model_dump(mode="json"),
                 "excluded": self.features.excluded_of(self.plan.tasks[job.task])}  # fmt: skip
        cost = self.store.facts("evidence", job.key).get("cost", {})
        for cell in job.cells if variants else ():
            if variants and not self.recorder.reuse(cell):  # another run may have finished it meanwhile
                self.recorder.guard([cell], partial(self._measure, cell, (variants,), facts, seconds, cost))

    def _stored(self, job: Job) -> Variants | None:
        return None if self.options.force else self._load(job.task, job.key)

    def _load(self, task: str, key: str) -> Variants | None:
        path = self.store.path("evidence", key, "safetensors")
        if not path.is_file():
            return None
        try:
            return evidence_files.load(path, self.plan.tasks[task].protocol.evidence)
        except HarnessError:  # truncated by a crash of the machine: made again
            return None

    def _evidence(self, live: LiveModel, job: Job) -> Variants:
        """Run the task, join the targets it was not shown, and store the outcome."""
        protocol = self.plan.tasks[job.task].protocol
        scratch = self.store.scratch(job.key)
        if self.options.force:
            shutil.rmtree(scratch, ignore_errors=True)
        data, withheld = self.features.data(live, self.plan.tasks[job.task], job.seed, scratch)
        if not protocol.episodic:
            check_train(job.task, data)
        data = replace(data, progress=Announcer(self.host, job))
        precision = self.plan.suite.precision if protocol.needs.encoder else "fp32"
        devices = [torch.device(self.device)] if self.device.startswith("cuda") else []
        with torch.random.fork_rng(devices), arithmetic(precision, self.device), place(self.device):
            torch.manual_seed(job.seed)
            outcome = protocol.run(data)
        variants: Variants = dict(outcome) if isinstance(outcome, Mapping) else {"": outcome}
        for variant, found in variants.items():
            if not isinstance(found, kind := protocol.evidence):
                raise HarnessError(f"task {job.task} must return {kind.__name__}, not {type(found).__name__}")
            variants[variant] = found.cpu().join(**withheld)
            variants[variant].check(len(withheld["targets"]), data.num_classes)
        cost = self.features.cost(live, self.plan.tasks[job.task])
        facts = {"model": job.model, "task": job.task, "seed": job.seed, "cost": cost}
        self.store.publish("evidence", job.key, "safetensors", lambda path: evidence_files.save(variants, path), facts)
        shutil.rmtree(scratch, ignore_errors=True)
        return variants

    def _both(self, cell: Cell) -> tuple[Variants, ...]:
        """The evidence of a pair cell's two models."""
        sides = []
        for model in (cell.model, cell.partner or cell.model):
            key = self.recorder.evidence.get((model, cell.task, cell.seed), "")
            variants = self.sides.get(key) or (self._load(cell.task, key) if key else None)
            if variants is None:
                cause = self.lost.get((model, cell.task), HarnessError("the model failed"))
                raise type(cause)(f"{cell.task} of {model} has no evidence to compare: {cause}")
            sides.append((key, variants))
        self.sides = dict(sides)  # those of the next metric, or of the next partner
        return tuple(variants for _, variants in sides)

    def _measure(
        self, cell: Cell, sides: tuple[Variants, ...], facts: Mapping[str, Any], seconds: dict[str, float],
        cost: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Score the variants that all sides have, except those on which the metric is undefined.

        Raises `UndefinedError` when it is on the first, and where two sides have none in common.
        """
        metric, resamples, start = self.plan.metrics[cell.metric], self.plan.suite.resamples, time.perf_counter()
        common = [variant for variant in sides[0] if all(variant in side for side in sides)]
        if not common:
            raise UndefinedError(f"the two models have no variant of {cell.task} in common")
        found: list[Score] = []
        for variant in common:
            try:
                found += scores(metric, *(s[variant] for s in sides), variant=variant, resamples=resamples)
            except UndefinedError:
                if not found:  # the first is the one that ranks, and no other may take its place
                    raise
        self.recorder.done(cell, found, facts, seconds | {"metric": round(time.perf_counter() - start, 3)}, cost)


def works(action: Callable[[], Any]) -> bool:
    """Whether an action that serves several tasks succeeds; if not, each of them is tried, and blamed, alone."""
    try:
        action()
    except OutputError:
        raise
    except Exception:  # whatever it is, it comes again from the task that causes it
        return False
    return True
