"""Where code and its tests stand, held against ``docs/design.md``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("convai_tokens", "convai_sandbox", "lms_site")
# What Django, Celery or an LMS looks for by name.
PUBLIC = "api apps exceptions middleware payloads secret signals tasks testing urls views"


def modules(*folders: str) -> list[Path]:
    """Return the Python files of the folders, relative to the project."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found if "migrations" not in path.parts)


def test_each_module_has_its_tests_at_the_mirrored_path() -> None:
    expected = {
        Path("tests", path.parent, f"test_{path.stem.strip('_')}.py")
        for path in modules(*PACKAGES)
        if path.stem != "__init__"
    }

    assert sorted(map(str, expected - set(modules("tests")))) == []


def test_no_file_is_too_long_to_be_read_at_one_sitting() -> None:
    limits = dict.fromkeys(modules(*PACKAGES), 300) | dict.fromkeys(modules("tests"), 450)
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in limits}

    assert {str(path): lengths[path] for path in limits if lengths[path] > limits[path]} == {}


def test_at_the_apps_root_stands_only_what_somebody_looks_for_by_name() -> None:
    found = [path.stem for path in modules("convai_tokens") if len(path.parts) == 2]

    assert found == ["__init__", *PUBLIC.split()]
