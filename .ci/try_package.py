"""Build the sdist and the wheel, and try them as somebody who has nothing else.

Run it with a Python that has ``build`` and ``twine`` (requirements-package.txt) and what the tests
need (requirements-dev.txt). The rest happens in a temporary folder, in environments made there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IN_WHEEL = {"convai_tokens", "convai_sandbox"}
# Data that no test in a checkout would miss in the wheel.
DATA = [
    "convai_tokens/py.typed",
    "convai_sandbox/py.typed",
    *(
        path.relative_to(ROOT).as_posix()
        for folder in ("templates", "locale", "static")
        for path in ROOT.joinpath("convai_tokens", folder).rglob("*.*")
    ),
]


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """Run a command in ``cwd``; return what it printed, or stop and show it.

    ``PYTHONPATH`` is left out, for it could lend the environment what the package lacks.
    """
    print("$", *command, flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{command[0]} ended with status {done.returncode}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Return the sdist and the wheel that was built from it, as a release builds them."""
    # What an earlier build left here would lend the sdist the files that MANIFEST.in forgot.
    shutil.rmtree(ROOT / "django_convai_tokens.egg-info", ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel, cwd=folder)
    return sdist, wheel


def look_into_wheel(wheel: Path) -> None:
    """The wheel has the two packages with their data, and nothing of ours beside them."""
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == IN_WHEEL, f"the wheel has {sorted(packages)}"
    missing = set(DATA) - set(names)
    assert not missing, f"the wheel lacks {sorted(missing)}"


def look_into_sdist(unpacked: Path) -> None:
    """The sdist has every file that the repository has."""
    listed = run("git", "ls-files", cwd=ROOT).splitlines()
    missing = {name for name in listed if not (unpacked / name).exists()}
    assert not missing, f"the sdist lacks {sorted(missing)}"


def environment(folder: Path, *requirements: str | Path) -> Path:
    """Make a virtual environment that has these requirements alone; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(python, *install, *requirements, cwd=folder)
    return python


def try_sandbox(wheel: Path, folder: Path) -> None:
    """The sandbox starts where there is Python and this wheel, but no Django."""
    python = environment(folder, "--no-deps", wheel)
    assert "--port" in run(python, "-m", "convai_sandbox", "--help", cwd=folder)


def try_site(wheel: Path, folder: Path) -> None:
    """A new site works with the wheel and what the wheel requires; see trial_site.py."""
    python = environment(folder, wheel)
    run(python, ROOT / ".ci" / "trial_site.py", cwd=folder)


def try_tests(unpacked: Path) -> None:
    """The tests of the daily round pass in the unpacked sdist."""
    command = ["-m", "pytest", "-q", "-rfE", "-n", "auto", "--no-processes"]
    print(run(sys.executable, *command, cwd=unpacked).splitlines()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="convai-package-") as name:
        folder = Path(name)
        sdist, wheel = build(folder)
        look_into_wheel(wheel)
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        unpacked = folder / sdist.name.removesuffix(".tar.gz")
        look_into_sdist(unpacked)
        try_sandbox(wheel, folder / "sandbox")
        try_site(wheel, folder / "site")
        try_tests(unpacked)
    print(f"{wheel.name} and {sdist.name} work by themselves.")


if __name__ == "__main__":
    main()
