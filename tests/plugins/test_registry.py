"""Discovery, quarantine and look-up of plugins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import weft
from weft.errors import PluginError
from weft.plugins.metadata import installed_plugins
from weft.plugins.official import common_extensions
from weft.plugins.registry import Registry, get_registry, reset_registry

MODALITY = """
import weft

def melody(**changes):
    values = dict(
        name="melody", extensions={".mid"}, summary="melodies",
        preparer="PACKAGE.parts:MelodyPreparer", payload="PACKAGE.parts:MelodyFormat",
        codecs={"melody": "PACKAGE.parts:MelodyCodec"}, generator="PACKAGE.parts:MelodyGenerator",
        options="PACKAGE.parts:MelodyOptions",
    )
    return weft.Modality(**{**values, **changes})
"""

REGISTER = """
@weft.hookimpl
def register_modalities(register):
    register(melody(CHANGES))
"""

PARTS = """
from dataclasses import dataclass
import weft

@dataclass(frozen=True)
class MelodyOptions:
    notes: int = weft.option(12, "How many notes.", minimum=1, maximum=100)

class MelodyPreparer(weft.Preparer):
    def read(self, item): ...
    def clean(self, sample): ...
    def fit_codec(self, samples, held_out, fit): ...

class MelodyFormat(weft.PayloadFormat):
    extension = ".mid"
    def to_bytes(self, payload): ...
    def from_bytes(self, data): ...
    def html(self, payload, path, *, title): ...

class MelodyCodec(weft.Codec):
    name = "melody"
    vocab_size = 3
    def encode(self, payloads): ...
    def decode(self, ids): ...
    def facts(self): ...
    def save(self, folder): ...
    @classmethod
    def load(cls, folder): ...

class MelodyGenerator(weft.Generator):
    def plan(self, request, context): ...

class KeepAll(weft.Filter):
    name = "keep all"
    def check(self, sample): ...

class Halve(weft.LogitsProcessor):
    @classmethod
    def from_options(cls, options): ...
    def __call__(self, logits, drawn): ...

class Watch(weft.Callback):
    def after_step(self, training, figures): ...

class Needy(weft.Callback):
    def __init__(self, more): ...

not_a_class = 3
"""


def entry(package: str, changes: str = "", more: str = "") -> str:
    return (MODALITY + REGISTER.replace("CHANGES", changes) + more).replace("PACKAGE", package)


@pytest.fixture
def melody(fake_plugins: Any) -> str:
    return fake_plugins.install("weft_melody", entry("weft_melody"), parts=PARTS)


def reason(registry: Registry, distribution: str) -> str:
    found = [each.reason for each in registry.quarantined if each.plugin.distribution == distribution]
    assert len(found) == 1, f"{distribution} is in quarantine {len(found)} times"
    assert "\n" not in found[0]
    return found[0]


def test_a_working_plugin_offers_what_it_registered(melody: str) -> None:
    registry = get_registry()
    assert registry.modality("melody").extensions == {".mid"}
    assert registry.preparer_class("melody").__name__ == "MelodyPreparer"
    assert registry.options_class("melody")().notes == 12
    assert registry.payload_format("melody").extension == ".mid"
    assert registry.codec_class("melody").__name__ == "MelodyCodec"
    assert type(registry.generator("melody")).__name__ == "MelodyGenerator"
    assert registry.demo("melody") is None
    assert [each.name for each in installed_plugins() if each.distribution == melody] == ["weft_melody"]


def test_listing_reads_metadata_alone(fake_plugins: Any) -> None:
    fake_plugins.install("weft_bomb", "raise RuntimeError('imported')", version="3.1")
    (found,) = [each for each in installed_plugins() if each.distribution == "weft-bomb"]
    assert (found.name, found.version) == ("weft_bomb", "3.1")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import weft\nimport no_such_module", "raised ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:\n", "raised SyntaxError"),
        ("raise ValueError('two\\nlines')", "raised ValueError: two lines (weft_bad/__init__.py:1)"),
        ("import sys\nsys.exit(3)", "raised SystemExit: 3 (weft_bad/__init__.py:2)"),
        ("x = 1", "registers nothing"),
        (
            "import weft\n@weft.hookimpl\ndef register_modalities(register):\n    register('melody')",
            "register takes a weft.Modality",
        ),
        ("import weft\n@weft.hookimpl\ndef register_everything(register): ...", "register_everything"),
        (entry("weft_bad", "api_version=99"), "asks for version 99 of the plugin interface; this Weft has version 1"),
        (entry("weft_bad", "name='Mel ody'"), "modality name 'Mel ody' must be lower-case"),
        (entry("weft_bad", "extensions={'mid'}"), "extension 'mid' must be lower case and begin with a dot"),
        (entry("weft_bad", "extensions={'.MID'}"), "extension '.MID' must be lower case"),
        (entry("weft_bad", "preparer='weft_bad.parts.MelodyPreparer'"), "preparer must be 'package.module:Name'"),
        (entry("weft_bad", "codecs={'bpe': 'weft_bad.parts:MelodyCodec'}"), "'bpe' belongs to Weft itself"),
        (
            entry("weft_bad", more="\n@weft.hookimpl\ndef register_commands(register): register('train', 'a:b', 'x')"),
            "command 'train' is one of Weft itself",
        ),
        (entry("weft_bad", more="\n@weft.hookimpl\ndef register_filters(register): 1 / 0"), "ZeroDivisionError"),
    ],
)
def test_a_broken_plugin_is_set_aside_and_the_others_work(
    fake_plugins: Any, melody: str, source: str, expected: str
) -> None:
    distribution = fake_plugins.install("weft_bad", source, parts=PARTS)
    registry = get_registry()
    assert expected in reason(registry, distribution)
    assert "weft_melody" in registry.modality("melody").preparer
    assert distribution not in {plugin.distribution for plugin in registry.loaded}
    with pytest.raises(PluginError, match="weft-bad"):
        get_registry(strict=True)


def test_an_interrupt_during_import_passes_through(fake_plugins: Any) -> None:
    fake_plugins.install("weft_slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        get_registry()


def test_what_a_plugin_prints_stays_off_stdout(fake_plugins: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_plugins.install("weft_loud", "print('hello')\n" + entry("weft_loud"), parts=PARTS)
    get_registry()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_of_two_plugins_with_one_name_the_first_by_distribution_wins(fake_plugins: Any, melody: str) -> None:
    fake_plugins.install("weft_zither", entry("weft_zither", "name='zither'"), parts=PARTS)
    fake_plugins.install("alpha_melody", entry("alpha_melody", "codecs={'alpha': 'a:b'}"), parts=PARTS)
    registry = get_registry()
    assert registry.modality("melody").preparer.startswith("alpha_melody")
    assert "modality 'melody', which alpha-melody has registered" in reason(registry, melody)
    # The codec name of the plugin in quarantine is free for the next one.
    assert registry.codec_class("melody").__module__ == "weft_zither.parts"


def test_codec_names_are_unique_over_plugins(fake_plugins: Any, melody: str) -> None:
    other = fake_plugins.install("weft_zither", entry("weft_zither", "name='zither'"), parts=PARTS)
    assert "codec 'melody'" in reason(get_registry(), other)


@pytest.mark.parametrize("value", ["all", "1", "weft_melody", "other, Weft-Melody"])
def test_plugins_can_be_turned_off(melody: str, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WEFT_DISABLE_PLUGINS", value)
    reset_registry()
    registry = get_registry()
    assert "melody" not in registry.modalities
    assert melody in {plugin.distribution for plugin in registry.disabled}


def test_an_official_modality_that_is_off_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_DISABLE_PLUGINS", "all")
    reset_registry()
    with pytest.raises(PluginError, match="WEFT_DISABLE_PLUGINS turns weft-image off"):
        get_registry().modality("image")
    reset_registry()


def test_an_official_modality_that_is_missing_says_how_to_install_it() -> None:
    from weft.plugins.discovery import Discovery

    with pytest.raises(PluginError, match=r"install weft-audio: run `pip install ./plugins/audio`"):
        Registry(Discovery()).modality("audio")


def test_a_misspelled_modality_gets_a_suggestion(melody: str) -> None:
    with pytest.raises(PluginError, match="did you mean 'melody'"):
        get_registry().modality("melodie")


def test_an_unknown_codec_names_the_known_ones(melody: str) -> None:
    with pytest.raises(PluginError, match=r"codec 'nope' \(there are: .*bpe.*melody"):
        get_registry().codec_class("nope")


@pytest.mark.parametrize(
    ("changes", "use", "expected"),
    [
        ("preparer='weft_odd.parts:Nothing'", "preparer_class", "weft_odd.parts has no 'Nothing'"),
        ("preparer='weft_odd.gone:X'", "preparer_class", "raised ModuleNotFoundError"),
        ("preparer='weft_odd.parts:MelodyFormat'", "preparer_class", "is not a weft.Preparer"),
        ("payload='weft_odd.parts:not_a_class'", "payload_format", "is not a weft.PayloadFormat"),
        ("options='weft_odd.parts:MelodyFormat'", "options_class", "is not a dataclass"),
    ],
)
def test_a_path_that_names_the_wrong_thing_is_an_error_on_use_and_in_the_check(
    fake_plugins: Any, changes: str, use: str, expected: str
) -> None:
    distribution = fake_plugins.install("weft_odd", entry("weft_odd", changes), parts=PARTS)
    registry = get_registry()
    with pytest.raises(PluginError, match=expected):
        getattr(registry, use)("melody")
    (check,) = [each for each in registry.check() if each.plugin.distribution == distribution]
    assert check.status == "broken"
    assert any(expected in problem for problem in check.problems)


def test_a_codec_class_of_another_name_is_refused(fake_plugins: Any) -> None:
    fake_plugins.install("weft_odd", entry("weft_odd", "codecs={'other': 'weft_odd.parts:MelodyCodec'}"), parts=PARTS)
    with pytest.raises(PluginError, match="registered as codec 'other'"):
        get_registry().codec_class("other")


def test_check_says_what_is_registered_and_what_is_wrong(fake_plugins: Any, melody: str) -> None:
    fake_plugins.install("weft_bad", "import no_such_module")
    checks = {each.plugin.distribution: each for each in get_registry().check()}
    assert checks[melody].status == "ok", checks[melody].problems
    assert "modality melody: melodies (.mid); codecs: melody" in checks[melody].registers
    assert checks["weft-bad"].status == "quarantined"
    assert checks["weft-bad"].problems == (
        "raised ModuleNotFoundError: No module named 'no_such_module' (weft_bad/__init__.py:1)",
    )


def test_filters_processors_and_commands(fake_plugins: Any) -> None:
    more = """
@weft.hookimpl
def register_filters(register):
    register("text", "weft_more.parts:KeepAll")
    register("melody", "weft_more.parts:KeepAll")

@weft.hookimpl
def register_logits_processors(register):
    register("weft_more.parts:Halve")

@weft.hookimpl
def register_commands(register):
    register("play", "weft_more.parts:not_a_class", "Play a melody.")
"""
    fake_plugins.install("weft_more", entry("weft_more", more=more), parts=PARTS)
    registry = get_registry()
    assert [each.name for each in registry.filters("text")] == ["keep all"]
    assert registry.filters("image") == []
    assert "Halve" in [each.__name__ for each in registry.logits_processors()]
    assert registry.commands()["play"].help == "Play a melody."


CALLBACKS = """
import weft

@weft.hookimpl
def register_callbacks(register):
    for path in PATHS:
        register(path)
"""


def install_callbacks(fake_plugins: Any, *paths: str) -> str:
    return str(fake_plugins.install("weft_watch", CALLBACKS.replace("PATHS", repr(paths)), parts=PARTS))


def test_callbacks_are_made_anew_for_each_training(fake_plugins: Any) -> None:
    distribution = install_callbacks(fake_plugins, "weft_watch.parts:Watch")
    registry = get_registry()
    assert (distribution, "weft_watch.parts:Watch") in registry.callback_paths()
    first, second = (registry.callback("weft_watch.parts:Watch") for _ in range(2))
    assert isinstance(first, weft.Callback)
    assert first is not second
    (check,) = [each for each in registry.check() if each.plugin.distribution == distribution]
    assert (check.status, check.registers) == ("ok", ("callback of training: weft_watch.parts:Watch",))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("weft_watch.parts:KeepAll", "is not a weft.Callback"),
        ("weft_watch.parts:Needy", "cannot be made: it raised TypeError"),
        ("weft_watch.parts:Gone", "has no 'Gone'"),
    ],
)
def test_a_callback_that_cannot_be_used_is_found_by_the_check(fake_plugins: Any, path: str, expected: str) -> None:
    distribution = install_callbacks(fake_plugins, path)
    (check,) = [each for each in get_registry().check() if each.plugin.distribution == distribution]
    assert check.status == "broken"
    assert expected in check.problems[0]


def test_a_callback_is_registered_by_its_path(fake_plugins: Any) -> None:
    distribution = install_callbacks(fake_plugins, "Watch")
    assert "'Watch' is not an import path" in reason(get_registry(), distribution)


def test_every_installed_plugin_of_this_checkout_works() -> None:
    registry = get_registry(strict=True)
    problems = {each.plugin.distribution: each.problems for each in registry.check() if each.status != "ok"}
    assert problems == {}


def test_a_few_of_many_extensions_are_shown() -> None:
    image = weft.Modality(
        name="image", extensions={".png", ".jpg", ".xbm", ".apng"}, summary="", preparer="a:B", payload="a:B",
        codecs={}, generator="a:B", options="a:B",
    )  # fmt: skip
    assert common_extensions(image) == [".jpg", ".png", "and more"]
    assert common_extensions(replace(image, extensions={".png"})) == [".png"]
    assert common_extensions(replace(image, name="scan")) == [".apng", ".jpg", ".png", ".xbm"]
    many = replace(image, name="scan", extensions=frozenset(f".x{number}" for number in range(20)))
    assert len(common_extensions(many)) == 8 + 1
