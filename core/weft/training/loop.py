"""The one training loop: for the next-token objective, for codecs, for any :class:`weft.Trainer`.

A step draws its examples by global sample index, sums losses and gradients over micro-batches and processes, divides
once by the global weight, clips, and moves the optimizers. Everything random in a step is seeded from (seed, step,
micro-batch, rank), so a run that is resumed from a checkpoint is the run that was never stopped.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from weft.errors import TrainingError
from weft.interfaces.callback import Callback
from weft.interfaces.trainer import Dataset, LossSum, Trainer
from weft.storage.checkpoints import TrainingState
from weft.training.average import Average
from weft.training.evaluation import evaluate, means
from weft.training.feeding import Feeder, MicroBatch, Order
from weft.training.microbatch import BackOff
from weft.training.optimizers import OptimizerKind, build_optimizers
from weft.training.order import SampleOrder
from weft.training.parallel import Objective, Shard, accumulating, local, placed_like, spread, whole, whole_tensors
from weft.training.precision import autocast
from weft.training.randomness import derive_seed, forked
from weft.training.schedule import Schedule, share_of_peak
from weft.training.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """What the loop needs to know besides objective and data.

    Attributes:
        steps: Optimizer steps in all.
        batch_size: Examples a step, over all processes.
        micro_batch_size: Most examples that a process computes at once; ``None`` for all of its own. The result is the
            same.
        optimizer: Of matrices and kernels.
        learning_rate: Its peak rate.
        weight_decay: Its decoupled decay.
        schedule: How the rate moves.
        warmup: Share of the steps that it rises.
        cooldown: Share of the steps that a trapezoid falls.
        clip: Largest norm of the gradient; larger ones are scaled down to it.
        ema: Decay of the averaged weights; ``None`` keeps none.
        seed: Of everything random.
        autocast: Type of mixed precision (``"bfloat16"``), or ``None``.
        skip_nonfinite: Leave a step out whose loss or gradient is not finite, instead of stopping.
        shard: How the model lies in several processes.
        evaluate_every: Steps between evaluations; the last step is always followed by one.
    """

    steps: int
    batch_size: int
    micro_batch_size: int | None = None
    optimizer: OptimizerKind = "muon"
    learning_rate: float = 0.02
    weight_decay: float = 0.05
    schedule: Schedule = "trapezoid"
    warmup: float = 0.02
    cooldown: float = 0.4
    clip: float = 1.0
    ema: float | None = None
    seed: int = 0
    autocast: Literal["bfloat16"] | None = None
    skip_nonfinite: bool = False
    shard: Shard = "none"
    evaluate_every: int = 1_000


class Loop:
    """One training, from its first step or from a state. It is the :class:`weft.Training` that callbacks see.

    Args:
        trainer: The objective.
        data: Training examples.
        settings: See there.
        device: Where to train.
        held_out: Examples to judge by.
        order: Which example comes when; a fresh permutation every epoch without it.
        world: The processes that train together.
        folder: Of the run.

    Attributes:
        step: Optimizer steps done.
        model: As it stands.
        optimizers: Each parameter belongs to one.
        callbacks: In order; set before :meth:`run`.
        back_off: Rows at once, halved where the device runs out of memory.
        skipped: Steps left out so far.
        stopping: Whether the step that runs is the last of this process.
        saving: Whether the main process wants a checkpoint after the step that runs.
        save_due: Asked in every step whether it does.
    """

    def __init__(
        self,
        trainer: Trainer[Any],
        data: Dataset[Any],
        settings: LoopSettings,
        device: torch.device,
        *,
        held_out: Dataset[Any] | None = None,
        order: Order | None = None,
        world: World | None = None,
        folder: Path | None = None,
    ) -> None:
        if len(data) == 0:
            raise TrainingError("there is nothing to train on: the training part is empty")
        self.settings = settings
        self.device = device
        self.world = world or World()
        self.folder = folder
        self.callbacks: Sequence[Callback] = ()
        self.step = 0
        self.skipped = 0
        self.back_off = BackOff(settings.micro_batch_size or -(-settings.batch_size // self.world.size))
        self.stopping = self.saving = False
        self.save_due: Callable[[], bool] = lambda: False
        self._stop_wanted = False
        self._trainer = trainer
        self._held_out = held_out
        order = order or SampleOrder(len(data), settings.seed)
        self._feeder = Feeder(trainer, data, order, settings.batch_size, self.world, device)
        with forked(device):
            torch.manual_seed(derive_seed(settings.seed))
            self.model: nn.Module = trainer.build_model().to(device)
        self._objective = Objective(trainer, self.model)
        self._spread = spread(self._objective, self.world, device, settings.shard)
        self.optimizers = build_optimizers(
            self.model, settings.learning_rate, settings.weight_decay, settings.optimizer, self.world
        )
        self._peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self._average = None if settings.ema is None else Average(self.model, settings.ema)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.settings.steps

    def run(self) -> None:
        """Train to the last step, or to where :meth:`stop` was asked for.

        Raises:
            TrainingError: A loss or a gradient is not finite; the weights are those before that step.
        """
        self.model.train()
        heard = [callback for callback in self.callbacks if callback.everywhere or self.world.is_main]
        with ExitStack() as ends:
            ends.callback(self._feeder.close)
            for callback in heard:
                callback.begin(self)
                ends.callback(callback.end, self)
            while self.step < self.steps and not self.stopping:
                figures = self.train_step()
                for callback in heard:
                    callback.after_step(self, figures)
                if self.evaluates_now:
                    judged = self.evaluate()
                    for callback in heard:
                        callback.after_evaluation(self, judged)

    def stop(self) -> None:
        """End with the step that runs now, in every process."""
        self._stop_wanted = True

    @property
    def evaluates_now(self) -> bool:
        """Whether an evaluation follows the step just done."""
        due = self.step % self.settings.evaluate_every == 0 or self.step == self.steps
        return due and self.judges

    @property
    def judges(self) -> bool:
        """Whether anything is held out to judge by."""
        return self._held_out is not None and len(self._held_out) > 0

    def evaluate(self) -> dict[str, float]:
        """Held-out figures of the weights as they would be used: averaged, if they are."""
        assert self._held_out is not None
        with self.averaged():
            return evaluate(
                self._spread,
                self._trainer,
                self._held_out,
                batch_size=self.back_off.rows,
                device=self.device,
                autocast_type=self.settings.autocast,
                world=self.world,
            )

    def averaged(self) -> AbstractContextManager[None]:
        """The model has its averaged weights in this context, if there are any."""
        return nullcontext() if self._average is None else self._average.in_place()

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns what is worth logging, see :meth:`weft.Callback.after_step`."""
        sums = self.world.sum({**self.backward(), "stop": float(self._stop_wanted), "save": float(self.save_due())})
        self.stopping, self.saving = sums.pop("stop") > 0, sums.pop("save") > 0
        total, weight, tokens = (sums.pop(name) for name in ("total", "weight", "tokens"))
        norm = self._normalize_gradients(weight)
        figures = {"loss": total / max(weight, 1e-12), "gradient_norm": norm, "tokens": tokens}
        if math.isfinite(total) and math.isfinite(norm):
            figures["learning_rate_share"] = self._move()
        else:
            self._clear_gradients()
            self._leave_out("gradient" if math.isfinite(total) else "loss")
        self.step += 1
        return figures | means(sums) | ({"skipped": float(self.skipped)} if self.skipped else {})

    def state(self, notes: Mapping[str, Any]) -> TrainingState:
        """A copy of everything that a resumed loop needs, whatever the number of processes. All of them call it; the
        tensors are those of the main one."""
        main = self.world.is_main
        model = whole_tensors(self.model.state_dict(), wanted=main)
        averages = {} if self._average is None else whole_tensors(self._average.averages, wanted=main)
        states = {
            f"{name}/{key}": value
            for name, state in self._optimizer_states()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }
        own = {"skipped": self.skipped, "micro_batch_size": self.back_off.rows}
        average = {**model, **averages} if averages else {}
        return TrainingState(self.step, model, whole_tensors(states, wanted=main), {**notes, "loop": own}, average)

    def restore(self, state: TrainingState) -> None:
        """Go on from a state made by :meth:`state`.

        Raises:
            KeyError: The state lacks something.
            RuntimeError: The state is of another model.
        """
        current = self.model.state_dict()
        self.model.load_state_dict(
            {
                name: placed_like(tensor, current[name]) if name in current else tensor
                for name, tensor in state.model.items()
            }
        )
        self._restore_optimizers(state.optimizer)
        if self._average is not None:
            self._average.load(state.average)
        self.step = state.step
        own = state.notes.get("loop", {})
        self.skipped = int(own.get("skipped", 0))
        self.back_off.rows = own.get("micro_batch_size", self.back_off.rows)

    def backward(self) -> dict[str, float]:
        """Gradients of the summed loss, and the sums of this process; in smaller parts where memory is short."""
        if self.world.size > 1:  # the others would wait for the gradients of this one
            return self._backward_in_parts(self.back_off.rows)
        return self.back_off.run(self._backward_in_parts, self._clear_gradients)

    def _backward_in_parts(self, rows: int) -> dict[str, float]:
        parts = self._feeder.step(self.step, rows)
        losses = []
        with forked(self.device):
            for index, part in enumerate(parts):
                torch.manual_seed(derive_seed(self.settings.seed, self.step, index, self.world.rank))
                losses.append(self._backward_of(part, last=index == len(parts) - 1))
        return _sums([loss for loss, part in zip(losses, parts, strict=True) if part.counted])

    def _backward_of(self, part: MicroBatch, *, last: bool) -> LossSum:
        with accumulating(self._spread, last=last):
            with autocast(self.device, self.settings.autocast):
                total, loss = self._spread(part.batch)
            (total if part.counted else total * 0).backward()
        assert isinstance(loss, LossSum)
        return loss

    def _normalize_gradients(self, weight: float) -> float:
        """Divide by the global weight, clip, and return the norm from before clipping."""
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        # Engines give the mean over the processes.
        scale = self.world.size / max(weight, 1e-12)
        norm = float(whole(torch.nn.utils.get_total_norm(gradients))) * scale
        if math.isfinite(norm):
            clipped = scale * min(1.0, self.settings.clip / (norm + 1e-6))
            torch._foreach_mul_([local(gradient) for gradient in gradients], clipped)
        return norm

    def _move(self) -> float:
        settings = self.settings
        share = share_of_peak(
            settings.schedule, self.step, settings.steps, warmup=settings.warmup, cooldown=settings.cooldown
        )
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            optimizer.step()
        self._clear_gradients()
        if self._average is not None:
            self._average.update(self.step + 1)
        return share

    def _leave_out(self, what: str) -> None:
        if not self.settings.skip_nonfinite:
            raise TrainingError(
                f"the {what} of step {self.step + 1} is not finite; the weights stay those before it. It was made of "
                f"{self._feeder.names(self.step)}: look at these with `weft why`, begin anew (--force) with a "
                f"lower --learning-rate, or go on with --resume --skip-nonfinite, which leaves such steps out"
            )
        self.skipped += 1

    def _clear_gradients(self) -> None:
        for parameter in self.model.parameters():
            parameter.grad = None

    def _optimizer_states(self) -> list[tuple[str, dict[str, Any]]]:
        """Name of each parameter that has a state, with the state."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        return [(names[id(p)], state) for optimizer in self.optimizers for p, state in optimizer.state.items()]

    def _restore_optimizers(self, tensors: Mapping[str, Tensor]) -> None:
        by_parameter: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            parameter, _, key = name.rpartition("/")
            by_parameter[parameter][key] = tensor
        parameters = dict(self.model.named_parameters())
        names = {id(parameter): name for name, parameter in parameters.items()}
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                # As AdamW's own loading does: kernels want the count of steps where they run, others on the CPU.
                near = group.get("fused") or group.get("capturable")
                for parameter in group["params"]:
                    optimizer.state[parameter] = {
                        key: placed_like(value, parameter)
                        if value.dim()
                        else value.to(parameter.device if near else "cpu", copy=True)
                        for key, value in by_parameter[names[id(parameter)]].items()
                    }


def _sums(losses: Sequence[LossSum]) -> dict[str, float]:
    """Sums over micro-batches; of each metric the sum and the weight."""
    sums: dict[str, float] = defaultdict(float, {"total": 0.0, "weight": 0.0, "tokens": 0.0})
    for loss in losses:
        sums["total"] += float(loss.total.detach())
        sums["weight"] += float(loss.weight)
        sums["tokens"] += float(loss.weight if loss.tokens is None else loss.tokens)
        for name, (total, weight) in loss.metrics.items():
            sums[f"{name}|sum"] += float(total)
            sums[f"{name}|weight"] += float(weight)
    return dict(sums)
