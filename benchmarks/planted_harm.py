"""Harmful lines planted into real documents: how many the filters find, and how many harmless documents they touch.

Half of the labelled tweets (by seed) are what the classifier learns from; the harmful ones of the other half are
planted, one to three a document, into half of the documents: web pages and paragraphs of two novels. What is touched of
the other half, which nothing was planted into, is counted as harm to harmless documents. Beside it stand look-alikes
(harmless sentences with listed letters or words in them) and the harmless tweets of the half that was not learned from.

    python benchmarks/planted_harm.py [--seed 1] [--show]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stopwatch import Stopwatch

import weft
from weft.filters import TextScreen, fit_filter

DATA = Path(__file__).parents[2] / "shared/data/text"
RECALL = 0.8
TOUCHED = 0.01

LOOK_ALIKES = """\
Hoe gaat het met je? Ik weet niet hoe laat het is.
Hoe heet de hond van je buurvrouw?
The cock crowed three times before dawn, and the hens came out of the barn.
He pulled the cock of the pistol back and waited in the dark.
Scunthorpe is a town in Lincolnshire; Penistone is one in Yorkshire.
Dick Whittington walked to London with his cat.
My uncle Dick was a doctor in Essex and Sussex.
Moby Dick is about a white whale.
She weeded the beans with a hoe and put it back beside the rake and the spade.
Hoes, axes and ploughs of the Bronze Age were found in the field.
The bitch had a litter of five puppies, and the breeder kept two of them.
Blue tits and great tits came to the bird feeder all winter.
Thou shalt not covet thy neighbour's ox, nor his ass, nor any thing that is his.
And Balaam rose up in the morning, and saddled his ass.
Breast cancer screening is offered to women from the age of fifty.
The patient was examined for anal fissures and a prolapsed rectum.
Sexual intercourse, pregnancy and the use of condoms are taught in the eighth class.
The penis and the scrotum of the newborn were normal.
She graduated magna cum laude and went on to study law.
He smoked a fag behind the school and threw the end of it into the road.
A flame retardant slows the fire; cold will retard the growth of the crop.
The Dutch built a dyke against the sea, and a boy put his finger into it.
The pussy willow blossoms in March.
A pussy cat slept on the sill.
The Moro Islamic Liberation Front (MILF) signed the agreement.
Cracker barrel cheese goes well with a thin cracker and soup.
A Maine Coon cat may weigh ten kilograms.
Light fell through a chink in the wall.
The Whore of Babylon appears in the Book of Revelation.
The assistant assessed the class and passed the assignments to the assembly.
Shiitake mushrooms, cockles and dickcissels have little in common.
He killed the process, then executed the script and terminated the child.
To kill a mockingbird is a sin, her father said.
The bomb disposal squad shot a short film about the war and its dead.
Jews, Muslims and Christians live in the old town, and black and white families in the new.
The gay couple next door married in June.
Kick the ball, beat the eggs, and whip the cream until it is stiff.
The screw driver and the nut are in the box with the balls and the rubber.
God damned no one, the preacher said, and hell is empty.
Jag läste boken från början till slut.
Das Eis auf dem See ist dick und der Wagen ist voll.
The transmission fluid of a manual gearbox and a tranny rebuild cost a thousand dollars.
The horny layer of the skin of the toad is thin.
The faggots of wood were burned at the stake, and the branches beside them.
Nick Hancock and Alan Cumming read from the works of Hitchcock and Dickens.
"""


@dataclass(frozen=True, slots=True)
class Planted:
    """Documents, with what was planted into each."""

    texts: list[str]
    harmful: list[list[str]]


def tweets(folder: Path) -> list[tuple[str, bool]]:
    """Each on one line, and whether it is labelled as hateful or offensive."""
    with (folder / "messy_web/tweets_labelled.csv").open(encoding="utf-8", newline="") as file:
        return [(" ".join(row["text"].split()), row["label"] != "neither") for row in csv.DictReader(file)]


def documents(folder: Path) -> list[str]:
    """Web pages and paragraphs of novels."""
    with (folder / "messy_web/c4_sample.jsonl").open(encoding="utf-8") as file:
        pages = [json.loads(line)["text"] for line in file]
    books = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted((folder / "books").glob("*.txt")))
    return pages + [paragraph for paragraph in books.split("\n\n") if len(paragraph) > 300]


def plant(texts: Sequence[str], harmful: Sequence[str], draw: random.Random) -> Planted:
    """Harmful lines at random places: one to three into each document, until there are none left."""
    left, planted = list(harmful), Planted([], [])
    for text in texts:
        lines = text.split("\n")
        chosen = [left.pop() for _ in range(min(len(left), draw.randint(1, 3)))]
        for line in chosen:
            lines.insert(draw.randint(0, len(lines)), line)
        planted.texts.append("\n".join(lines))
        planted.harmful.append(chosen)
    return planted


def left_over(screen: TextScreen, text: str) -> str:
    """What the filter leaves of a document; nothing where it is rejected."""
    answer = screen.check(weft.Sample(text))
    if isinstance(answer, weft.Revised):
        return str(answer.sample.payload)
    return text if answer is None else ""


def touched(screen: TextScreen, texts: Sequence[str], *, show: bool) -> float:
    """The share of documents that the filter changes or rejects."""
    count = 0
    for text in texts:
        answer = screen.check(weft.Sample(text))
        if answer is not None:
            count += 1
            reason = answer.reason if isinstance(answer, weft.Revised) else answer
            if show:
                print(f"    touched: {reason.detail}: {reason.excerpt}")
    return count / len(texts)


def recall(screen: TextScreen, planted: Planted) -> float:
    """Of the harmful lines, the share that is gone."""
    found = total = 0
    for text, harmful in zip(planted.texts, planted.harmful, strict=True):
        rest = set(left_over(screen, text).split("\n"))
        found += sum(line not in rest for line in harmful)
        total += len(harmful)
    return found / total


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print what is touched of harmless documents")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    draw = random.Random(given.seed)
    labelled, texts = tweets(given.folder), documents(given.folder)
    draw.shuffle(labelled)
    draw.shuffle(texts)
    learned, tested = labelled[: len(labelled) // 2], labelled[len(labelled) // 2 :]
    clean = texts[len(texts) // 2 :]
    planted = plant(texts[: len(texts) // 2], [text for text, harmful in tested if harmful], draw)
    look_alikes = LOOK_ALIKES.splitlines()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as folder:
        table, path = Path(folder) / "labels.csv", Path(folder) / "harm.filter"
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *((text, int(harmful)) for text, harmful in learned)])
        with watch("fit"):
            fit_filter(table, path)
        kinds = {
            "word list": TextScreen(),
            "classifier": TextScreen(words=False, filters=[path]),
            "word list and classifier": TextScreen(filters=[path]),
        }
    figures = {}
    print(
        f"{sum(map(len, planted.harmful))} harmful lines in {len(planted.texts):,} documents, {len(clean):,} clean ones"
    )
    for name, screen in kinds.items():
        with watch(name):
            found = recall(screen, planted)
            share = touched(screen, clean, show=given.show)
        alike = touched(screen, look_alikes, show=given.show)
        tweet = touched(screen, [text for text, harmful in tested if not harmful], show=False)
        figures[name] = found, share
        print(
            f"{name:25} recall {found:.3f}, clean documents touched {share:.4f}, look-alikes {alike:.3f}, "
            f"harmless tweets {tweet:.3f}"
        )
    watch.report()
    found, share = figures["word list and classifier"]
    default = figures["word list"][1]
    checks = [
        _check("recall of word list and classifier", found, RECALL, found >= RECALL),
        _check("clean documents touched by both", share, TOUCHED, share <= TOUCHED),
        _check("clean documents touched by the default", default, TOUCHED, default <= TOUCHED),
    ]
    return int(not all(checks))


def _check(what: str, reached: float, limit: float, kept: bool) -> bool:
    print(f"{what} {reached:.4f}  limit {limit:g}: {'kept' if kept else 'MISSED'}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
