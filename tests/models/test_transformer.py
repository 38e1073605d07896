"""The backbone against another implementation of the same layout, and against itself."""

from __future__ import annotations

import pytest
import torch

from weft.models.config import ModelConfig
from weft.models.transformer import Cache, Transformer, qwen3_state


def small(kv_heads: int = 4) -> ModelConfig:
    return ModelConfig(
        vocab_size=97, context_length=32, layers=3, width=48, heads=4, kv_heads=kv_heads, head_size=16, hidden=96
    )


def randomized(config: ModelConfig) -> Transformer:
    """A model in which no weight is zero and no gain is one, so that no part can be missing unnoticed."""
    torch.manual_seed(3)
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.15 + (1.0 if parameter.ndim == 1 else 0.0))
    return model.eval()


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_logits_are_those_of_transformers_qwen3(kv_heads: int) -> None:
    transformers = pytest.importorskip("transformers")
    config = small(kv_heads)
    model = randomized(config)
    peer_config = transformers.Qwen3Config(
        vocab_size=config.vocab_size,
        hidden_size=config.width,
        intermediate_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=kv_heads,
        head_dim=config.head_size,
        max_position_embeddings=config.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        rms_norm_eps=config.norm_epsilon,
        tie_word_embeddings=True,
        attention_bias=False,
    )
    peer = transformers.Qwen3ForCausalLM(peer_config).eval()
    missing, unexpected = peer.load_state_dict(qwen3_state(model), strict=False)
    assert set(missing) <= {"lm_head.weight"}
    assert not unexpected
    ids = torch.randint(config.vocab_size, (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(ids), peer(ids).logits, atol=2e-4, rtol=2e-4)


def test_the_future_does_not_change_the_past() -> None:
    model = randomized(small()).double()
    ids = torch.arange(16).unsqueeze(0)
    changed = ids.clone()
    changed[0, 9:] = 50
    with torch.no_grad():
        assert torch.equal(model(ids)[0, :9], model(changed)[0, :9])
        assert not torch.allclose(model(ids)[0, 9:], model(changed)[0, 9:])


def test_step_by_step_with_a_cache_equals_the_whole() -> None:
    model = randomized(small(2)).double()
    ids = torch.randint(97, (2, 12), generator=torch.Generator().manual_seed(1))
    cache = Cache(model.config, 2, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        whole = model(ids)
        for end in range(12):
            positions = torch.full((2, 1), end)
            mask = torch.ones(2, 1, 1, end + 1, dtype=torch.bool)
            torch.testing.assert_close(model.step(ids[:, end : end + 1], positions, mask, cache), whole[:, end])
