"""Weft: train and sample your own generative models of text, images, audio, or anything that has a plugin.

    import weft

    corpus = weft.prepare("photos/", out="corpora/photos")
    run = weft.train(corpus, out="runs/photos", minutes=10)
    for artifact in run.generate("a red bicycle", n=4, temperature=0.9, guidance=1.5):
        artifact.save("out/")

Every public name is here or in :mod:`weft.codecs`; each is imported when it is first used, so that ``import weft``
costs little and never loads torch by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft._version import __version__

if TYPE_CHECKING:
    from weft.api import Corpus as Corpus
    from weft.api import Run as Run
    from weft.api import load as load
    from weft.api import merge as merge
    from weft.api import plan as plan
    from weft.api import plot as plot
    from weft.api import prepare as prepare
    from weft.api import train as train
    from weft.errors import FolderError as FolderError
    from weft.errors import GenerationError as GenerationError
    from weft.errors import OptionError as OptionError
    from weft.errors import PeerError as PeerError
    from weft.errors import PluginError as PluginError
    from weft.errors import SourceError as SourceError
    from weft.errors import Stopped as Stopped
    from weft.errors import TrainingError as TrainingError
    from weft.errors import UnreadableError as UnreadableError
    from weft.errors import WeftError as WeftError
    from weft.generation.token_generator import TokenGenerator as TokenGenerator
    from weft.interfaces.callback import Callback as Callback
    from weft.interfaces.callback import Training as Training
    from weft.interfaces.codec import Codec as Codec
    from weft.interfaces.codec import CodecFacts as CodecFacts
    from weft.interfaces.codec import Tokens as Tokens
    from weft.interfaces.demo import Demo as Demo
    from weft.interfaces.demo import DemoRequest as DemoRequest
    from weft.interfaces.generator import Artifact as Artifact
    from weft.interfaces.generator import Constraint as Constraint
    from weft.interfaces.generator import ConstraintFactory as ConstraintFactory
    from weft.interfaces.generator import Drawn as Drawn
    from weft.interfaces.generator import GenerationContext as GenerationContext
    from weft.interfaces.generator import Generator as Generator
    from weft.interfaces.generator import LogitsProcessor as LogitsProcessor
    from weft.interfaces.generator import Request as Request
    from weft.interfaces.generator import SamplingOptions as SamplingOptions
    from weft.interfaces.generator import SamplingPlan as SamplingPlan
    from weft.interfaces.modality import Modality as Modality
    from weft.interfaces.near import Boilerplate as Boilerplate
    from weft.interfaces.near import NearDuplicates as NearDuplicates
    from weft.interfaces.near import Signature as Signature
    from weft.interfaces.options import option as option
    from weft.interfaces.payload import PayloadFormat as PayloadFormat
    from weft.interfaces.preparer import Filter as Filter
    from weft.interfaces.preparer import FittedCodec as FittedCodec
    from weft.interfaces.preparer import Preparer as Preparer
    from weft.interfaces.samples import Item as Item
    from weft.interfaces.samples import Reason as Reason
    from weft.interfaces.samples import Revised as Revised
    from weft.interfaces.samples import Sample as Sample
    from weft.interfaces.samples import Unreadable as Unreadable
    from weft.interfaces.segments import EncodedSegment as EncodedSegment
    from weft.interfaces.source import Offer as Offer
    from weft.interfaces.source import Source as Source
    from weft.interfaces.source import SourceLimits as SourceLimits
    from weft.interfaces.source import SourceReader as SourceReader
    from weft.interfaces.source import TableCounts as TableCounts
    from weft.interfaces.trainer import Batch as Batch
    from weft.interfaces.trainer import Dataset as Dataset
    from weft.interfaces.trainer import Fit as Fit
    from weft.interfaces.trainer import LossSum as LossSum
    from weft.interfaces.trainer import NamedDataset as NamedDataset
    from weft.interfaces.trainer import Trainer as Trainer
    from weft.plugins.hookspecs import hookimpl as hookimpl
    from weft.training.next_token import NextTokenTrainer as NextTokenTrainer
    from weft.training.next_token import TrainingContext as TrainingContext
    from weft.training.options import TrainOptions as TrainOptions

_HOME = {
    "weft.api": ("Corpus", "Run", "load", "merge", "plan", "plot", "prepare", "train"),
    "weft.errors": (
        "FolderError",
        "GenerationError",
        "OptionError",
        "PeerError",
        "PluginError",
        "SourceError",
        "Stopped",
        "TrainingError",
        "UnreadableError",
        "WeftError",
    ),
    "weft.generation.token_generator": ("TokenGenerator",),
    "weft.interfaces.callback": ("Callback", "Training"),
    "weft.interfaces.codec": ("Codec", "CodecFacts", "Tokens"),
    "weft.interfaces.demo": ("Demo", "DemoRequest"),
    "weft.interfaces.generator": (
        "Artifact",
        "Constraint",
        "ConstraintFactory",
        "Drawn",
        "GenerationContext",
        "Generator",
        "LogitsProcessor",
        "Request",
        "SamplingOptions",
        "SamplingPlan",
    ),
    "weft.interfaces.modality": ("Modality",),
    "weft.interfaces.near": ("Boilerplate", "NearDuplicates", "Signature"),
    "weft.interfaces.options": ("option",),
    "weft.interfaces.payload": ("PayloadFormat",),
    "weft.interfaces.preparer": ("Filter", "FittedCodec", "Preparer"),
    "weft.interfaces.samples": ("Item", "Reason", "Revised", "Sample", "Unreadable"),
    "weft.interfaces.segments": ("EncodedSegment",),
    "weft.interfaces.source": ("Offer", "Source", "SourceLimits", "SourceReader", "TableCounts"),
    "weft.interfaces.trainer": ("Batch", "Dataset", "Fit", "LossSum", "NamedDataset", "Trainer"),
    "weft.plugins.hookspecs": ("hookimpl",),
    "weft.training.next_token": ("NextTokenTrainer", "TrainingContext"),
    "weft.training.options": ("TrainOptions",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]  # noqa: PLE0604 - every entry is a string


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
