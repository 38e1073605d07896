"""The same architecture in transformers, and one training step of either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from weft.codecs.vocabulary import Vocabulary
from weft.models.config import ModelConfig
from weft.training.data import Row
from weft.training.next_token import NextTokenTrainer, TrainingContext

Step = Callable[[], float]
"""One optimizer step on the same batch; returns the mean loss."""

CLIP = 1.0


def config_of(vocab_size: int, context: int, layers: int, width: int, head_size: int, hidden: int) -> ModelConfig:
    heads = width // head_size
    return ModelConfig(vocab_size, context, layers, width, heads, heads, head_size, hidden)


def batch_of(config: ModelConfig, rows: int) -> Tensor:
    """Random ids ``(rows, context + 1)``, of which all but the first of a row are predicted."""
    return torch.randint(
        config.vocab_size, (rows, config.context_length + 1), generator=torch.Generator().manual_seed(0)
    )


def mixed(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 on CUDA, full precision elsewhere; the same for both sides."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def adamw(model: nn.Module) -> Optimizer:
    return AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0, fused=True)


def finish(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    for optimizer in optimizers:
        optimizer.step()
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)


def peer_step(config: ModelConfig, ids: Tensor, device: torch.device, compiled: bool = False) -> Step:
    """A plain loop around ``transformers``: its model, its loss, fused AdamW."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    peer = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=config.vocab_size,
            hidden_size=config.width,
            intermediate_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_size,
            max_position_embeddings=config.context_length,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
            rms_norm_eps=config.norm_epsilon,
            tie_word_embeddings=True,
            attention_bias=False,
            use_cache=False,
        )
    )
    model = peer.to(device).train()
    if compiled:
        model.compile()
    optimizers = [adamw(model)]
    inputs, targets = ids[:, :-1].to(device), ids[:, 1:].contiguous().to(device)

    def step() -> float:
        with mixed(device):
            # Labels that are shifted already: the last id of a row is predicted too, as on our side.
            loss = model(input_ids=inputs, labels=targets, shift_labels=targets).loss
        loss.backward()
        finish(model, optimizers)
        return float(loss.detach())

    return step


def our_step(
    config: ModelConfig,
    ids: Tensor,
    device: torch.device,
    optimizers_of: Callable[[nn.Module], Sequence[Optimizer]] = lambda model: [adamw(model)],
    compiled: bool = False,
) -> Step:
    """The next-token objective of core on the same ids."""
    vocabulary = Vocabulary.build({"text": config.vocab_size - 2})
    trainer = NextTokenTrainer(TrainingContext(config, vocabulary, ["text"], compile=compiled))
    model = trainer.build_model().to(device).train()
    optimizers = optimizers_of(model)
    learned = torch.ones(ids.shape[1], dtype=torch.bool)
    learned[0] = False
    rows = [Row(row.numpy(), learned.numpy(), "text") for row in ids]
    batch = {name: tensor.to(device) for name, tensor in trainer.collate(rows).items()}

    def step() -> float:
        with mixed(device):
            loss = trainer.loss(model, batch)
        loss.total.backward()  # type: ignore[no-untyped-call]
        torch._foreach_mul_([p.grad for p in model.parameters() if p.grad is not None], 1 / float(loss.weight))
        finish(model, optimizers)
        return float(loss.total.detach()) / float(loss.weight)

    return step
