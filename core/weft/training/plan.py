"""What a training will be and take, before anything of it is done or written: ``weft train --dry-run``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from weft.interfaces.progress import Reporter
from weft.models.memory import free_memory
from weft.models.sizes import pick_size
from weft.models.transformer import parameter_count
from weft.training.decisions import Decisions, decide
from weft.training.estimate import MemoryEstimate
from weft.training.material import Material
from weft.training.options import TrainOptions
from weft.training.outlook import shards_of
from weft.training.run import conditions
from weft.training.starting import Start
from weft.training.world import World

SHARDS = (2, 4, 8)
"""Numbers of processes for which sharding is estimated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training will be and take.

    Attributes:
        decided: Everything that is decided before the first step.
        parameters: Learned numbers of the model, and those that adapters leave as they are.
        corpus_tokens: Target tokens of the training part.
        recommended_tokens: How many a model of this size had better see.
        memory: Of one process, by kind.
        sharded: Total of one process where the model is spread over several, by their number.
        free: Memory of the device that is free now, in bytes.
    """

    decided: Decisions
    parameters: int
    corpus_tokens: int
    recommended_tokens: int
    memory: MemoryEstimate
    sharded: dict[int, int]
    free: int

    @property
    def evaluations(self) -> int:
        """Times that the model is judged on held-out data."""
        settings = self.decided.settings
        return -(-settings.steps // settings.evaluate_every)

    def to_json(self) -> dict[str, Any]:
        """Sizes in bytes, times in seconds."""
        decided, timing = self.decided, self.decided.timing
        assert timing is not None
        return {
            "kind": "plan",
            "parameters": self.parameters,
            "model": decided.model.to_json(),
            "settings": decided.settings.to_json(),
            "tokens": {
                "corpus": self.corpus_tokens,
                "learned": sum(decided.target_tokens.values()),
                "by_task": dict(decided.target_tokens),
                "recommended": self.recommended_tokens,
            },
            "steps": decided.settings.steps,
            "epochs": decided.epochs,
            "memory": {
                **self.memory.to_json(),
                "rows_at_once": decided.settings.micro_batch_size,
                "free": self.free,
                "sharded": {str(count): total for count, total in self.sharded.items()},
            },
            "time": {
                "step": timing.step,
                "evaluation": timing.evaluation,
                "evaluations": self.evaluations,
                "total": timing.of_run(decided.settings.steps, self.evaluations),
                "source": timing.source,
            },
        }


def plan_run(
    material: Material,
    options: TrainOptions,
    world: World,
    start: Start | None = None,
    reporter: Reporter | None = None,
) -> Plan:
    """Decide what a run would, and say what that takes. Nothing is written.

    Args:
        material: What it would be made from.
        options: What was asked for.
        world: The processes that would train together.
        start: The run whose weights it would begin with.
        reporter: Told what is measured.

    Raises:
        OptionError: A value that cannot be used, or a time budget that is over before it begins.
        TrainingError: There is nothing to train on, or not enough memory to time a step.
    """
    with conditions(options.get("threads")) as threads:
        decided = decide(material, options, threads, world, start, outlook=True, reporter=reporter)
    settings = decided.settings
    with torch.device("meta"):
        parameters = parameter_count(material.trainer(decided.model, decided.vocabulary, settings).build_model())
    rows = settings.micro_batch_size or settings.batch_size
    return Plan(
        decided=decided,
        parameters=parameters,
        corpus_tokens=sum(s.target_length(int(i)) for s in material.sources for i in (~s.held_out).nonzero()[0]),
        recommended_tokens=pick_size(settings.size).training_tokens,
        memory=decided.memory.at(rows, shards_of(settings, world)),
        sharded={count: decided.memory.at(rows, count).total for count in SHARDS},
        free=free_memory(world.device(settings.device)),
    )
