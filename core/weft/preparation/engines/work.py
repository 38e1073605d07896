"""What an engine carries out: blocks of items, examined one by one, that may cost their process its life."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from weft.interfaces.samples import Item, Reason
from weft.preparation.blocks import Block, BlockStore
from weft.preparation.examine import Examined, Examiner, Judges
from weft.preparation.ledger import item_row


@dataclass(frozen=True, slots=True)
class Lost:
    """A piece of work that ended its process, or took too long.

    Attributes:
        reason: Why.
    """

    reason: Reason


Outcome = Examined | int | Lost
"""What became of a block or an item; how many samples a block has that its process keeps itself; or neither."""


@dataclass(slots=True)
class Work:
    """All blocks, and who judges them; travels to each process once.

    Attributes:
        judges: What has a say.
        blocks: Items of each block.
        store: Where a process that shares this machine's disk keeps a block itself; ``None`` where it hands it back.
    """

    judges: Judges
    blocks: Sequence[Block]
    store: BlockStore | None = None
    _examiner: Examiner | None = field(default=None, repr=False)

    def carry_out(self, number: int, place: int | None) -> Examined | int:
        """What becomes of a block, or of one of its items alone; of a block that is kept here the number of samples."""
        if self._examiner is None:
            self._examiner = Examiner(self.judges)
        block = self.blocks[number]
        examined = self._examiner.examine(block if place is None else [block[place]])
        if self.store is None or place is not None:
            return examined
        self.store.write(number, examined)
        return len(examined.kept)


class Engine(ABC):
    """Examines blocks. Whatever becomes of one costs no other."""

    @abstractmethod
    def run(self, work: Work, tasks: Sequence[tuple[int, int | None]]) -> Iterator[tuple[int, Outcome]]:
        """The outcome of each task, as they come.

        Args:
            work: What there is to do.
            tasks: Number of a block, and the place of one of its items, or ``None`` for all of them.

        Yields:
            The index of a task, and its outcome.
        """

    def examine(self, work: Work, store: BlockStore, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Examine some blocks and keep what becomes of them. An item that ends its process, or takes too long, is
        rejected; the others of its block are examined once more, each by itself.

        Yields:
            The number of a block that is kept, and how many samples it has.
        """
        suspicious: list[int] = []
        for index, outcome in self.run(work, [(number, None) for number in numbers]):
            if isinstance(outcome, Lost):
                suspicious.append(numbers[index])
            elif isinstance(outcome, Examined):
                store.write(numbers[index], outcome)
                yield numbers[index], len(outcome.kept)
            else:
                yield numbers[index], outcome
        for number in sorted(suspicious):
            examined = self._one_by_one(work, number)
            store.write(number, examined)
            yield number, len(examined.kept)

    def _one_by_one(self, work: Work, number: int) -> Examined:
        block = work.blocks[number]
        outcomes = dict(self.run(work, [(number, place) for place in range(len(block))]))
        return _joined([_survived(outcomes[place], item) for place, item in enumerate(block)])


def _survived(outcome: Outcome, item: Item) -> Examined:
    if isinstance(outcome, Lost):
        return Examined([item_row(item, "rejected", "read", outcome.reason)])
    assert isinstance(outcome, Examined)
    return outcome


def _joined(pieces: Sequence[Examined]) -> Examined:
    joined = Examined()
    for piece in pieces:
        joined.verdicts += piece.verdicts
        joined.kept += piece.kept
        joined.payloads += piece.payloads
        joined.signatures += piece.signatures
        joined.parts += piece.parts
        joined.examples += piece.examples
    return joined


def crashed(how: str) -> Lost:
    """Its process ended."""
    return Lost(Reason("crashed", f"its decoder ended the process ({how}), which costs this item alone"))


def timed_out(seconds: float) -> Lost:
    """It took too long."""
    return Lost(Reason("timed-out", f"it was not read within {seconds:g} s; allow more with --item-seconds"))
