"""Fixtures that several folders of tests share."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weft.plugins.registry import reset_registry
from weft.preparation.report.write import write_report
from weft.storage.corpus import CorpusFolder


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell starts what it puts into the background deaf to SIGINT, and so would be all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class FakePlugins:
    """Installs plugins made for one test: packages with the metadata of a distribution, in a folder of their own."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self._modules: list[str] = []

    def install(self, module: str, source: str, *, version: str = "1.0", **other_modules: str) -> str:
        """Write an entry module, and further modules of its package, and return the distribution's name."""
        package = self.site / module
        package.mkdir()
        (package / "__init__.py").write_text(textwrap.dedent(source), encoding="utf-8")
        for name, text in other_modules.items():
            (package / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        distribution = module.replace("_", "-")
        info = self.site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[weft]\n{module} = {module}\n")
        self._modules.append(module)
        reset_registry()
        return distribution

    def forget(self) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in self._modules:
                del sys.modules[name]


@pytest.fixture(autouse=True)
def _nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every corpus that a test makes: items = read + rejected and samples = kept + rejected, in the manifest and in
    the verdicts, and every rejection has a reason."""

    def checked(corpus: CorpusFolder, *rest: Any) -> None:
        counts, rows = corpus.manifest["counts"], corpus.verdicts()
        items = Counter(row["verdict"] for row in rows if row["sample"] is None)
        samples = Counter(row["verdict"] for row in rows if row["sample"] is not None)
        assert counts["items"] == items.total() == items["read"] + items["rejected"]
        assert counts["samples"] == samples.total() == samples["kept"] + samples["rejected"]
        assert (counts["items_read"], counts["kept"]) == (items["read"], samples["kept"])
        assert (sum(counts["items_rejected"].values()), sum(counts["rejected"].values())) == (
            items["rejected"], samples["rejected"],
        )  # fmt: skip
        assert all(row["reason"] for row in rows if row["verdict"] == "rejected")
        assert len({(row["item"], row["sample"]) for row in rows}) == len(rows)
        write_report(corpus, *rest)

    monkeypatch.setattr("weft.preparation.pipeline.write_report", checked)


@pytest.fixture
def fake_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlugins]:
    """A place to install plugins made for the test; in processes that the test starts as well."""
    site = tmp_path / "site-of-fakes"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
    plugins = FakePlugins(site)
    reset_registry()
    yield plugins
    plugins.forget()
    reset_registry()
