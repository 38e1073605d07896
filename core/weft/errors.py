"""Every error Weft raises on purpose: one hierarchy under :class:`WeftError`.

A message says what was wrong, where (file, field, value) and what to do about it, in one or two sentences: the
command line prints it as it stands and exits with status 2.
"""

from __future__ import annotations


class WeftError(Exception):
    """Base of all errors that a user can mend."""


class OptionError(WeftError):
    """An option, argument or configuration value that cannot be used."""


class SourceError(WeftError):
    """Raw data that cannot be collected: missing, empty, ambiguous or of no installed modality."""


class FolderError(WeftError):
    """A corpus or run folder that is missing, incomplete, corrupt, of a newer schema, or in the way."""


class PluginError(WeftError):
    """A plugin that is missing, cannot be imported, or asks for another API version."""


class TrainingError(WeftError):
    """Training that cannot start or go on."""


class PeerError(TrainingError):
    """Training that cannot go on because another of its processes failed, whose error is the one to read."""


class Stopped(KeyboardInterrupt):
    """Training that was asked to end by a signal; what was learned is saved. As of every interrupt, nothing that only
    deals with errors catches it.

    Attributes:
        signal: Number of the signal.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


class GenerationError(WeftError):
    """A request that a run cannot answer."""


class UnreadableError(WeftError):
    """Raised by :meth:`weft.Preparer.read` for an item that cannot be decoded; the message becomes the detail of its
    rejection, and preparation goes on with the next item."""
