"""Callbacks of plugins: whatever they do, the run stays the run that it would be without them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weft.errors import TrainingError
from weft.interfaces.callback import Callback, Figures, Training
from weft.plugins.loading import FOREIGN_ERRORS, describe_failure
from weft.plugins.registry import DISABLE_VARIABLE, Registry
from weft.training.loop import Loop
from weft.training.randomness import forked


class ForeignCallback(Callback):
    """Calls a callback of a plugin. Random numbers that it draws, the modes that it leaves the modules of the model in,
    and whether it turns gradients off, change nothing; weights that it writes to do. Where it raises, the training ends
    after the step that follows, which is saved.

    Args:
        callback: The plugin's.
        name: Its import path, and whose it is.
        distribution: Of the plugin.
        loop: That is watched.
    """

    def __init__(self, callback: Callback, name: str, distribution: str, loop: Loop) -> None:
        self.everywhere = callback.everywhere  # type: ignore[misc]
        self._callback = callback
        self._name = name
        self._distribution = distribution
        self._loop = loop
        self._failed: BaseException | None = None
        self._failed_at = 0

    def begin(self, training: Training) -> None:
        self._call(self._callback.begin, training)
        self.check()  # nothing is lost yet

    def after_step(self, training: Training, figures: Figures) -> None:
        self._call(self._callback.after_step, training, figures)

    def after_evaluation(self, training: Training, figures: Figures) -> None:
        self._call(self._callback.after_evaluation, training, figures)

    def after_checkpoint(self, training: Training, folder: Path) -> None:
        self._call(self._callback.after_checkpoint, training, folder)

    def end(self, training: Training) -> None:
        self._call(self._callback.end, training)

    def check(self) -> None:
        """Raise :class:`weft.TrainingError` where the plugin's callback has raised."""
        if self._failed is None:
            return
        step, steps = self._loop.step, self._loop.steps
        saved = f"; everything up to step {step} is saved" if step else ""
        again = ", then go on with --resume" if step < steps else ""
        raise TrainingError(
            f"the callback {self._name} of {self._distribution} {describe_failure(self._failed)} at step "
            f"{self._failed_at}{saved}: mend the plugin or turn it off ({DISABLE_VARIABLE}={self._distribution}){again}"
        ) from self._failed

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        if self._failed is not None or getattr(Callback, method.__name__) is getattr(method, "__func__", None):
            return
        try:
            with _untouched(self._loop):
                method(*arguments)
        except FOREIGN_ERRORS as error:
            self._failed, self._failed_at = error, self._loop.step
            self._loop.stop()


def foreign_callbacks(registry: Registry, loop: Loop) -> Sequence[ForeignCallback]:
    """The callbacks that plugins registered, made for one training: in processes other than the first, those alone
    whose class asks for it.

    Raises:
        PluginError: One cannot be made.
    """
    return [
        ForeignCallback(registry.callback(path), path, distribution, loop)
        for distribution, path in registry.callback_paths()
        if loop.world.is_main or registry.callback_class(path).everywhere
    ]


@contextmanager
def _untouched(loop: Loop) -> Iterator[None]:
    """Every generator of random numbers, the mode of every module, and whether gradients are computed, are afterwards
    as they were."""
    python, numpy, gradients = random.getstate(), np.random.get_state(), torch.is_grad_enabled()
    modes = [(module, module.training) for module in loop.model.modules()]
    try:
        with forked(loop.device):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_grad_enabled(gradients)
        for module, training in modes:
            module.training = training
