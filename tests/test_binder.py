"""The files that conda and Binder go by agree with each other and with the lock."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"
SCRIPTS = ("postBuild", "start")


def environment() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def locked() -> dict[str, str]:
    lines = re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return dict(lines)


def test_binders_environment_is_the_roots():
    assert (BINDER / "environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()


def test_conda_gives_python_and_tools_only():
    names = {entry.split("=")[0] for entry in environment()["dependencies"]}
    assert names == {"python", "pip", "git", "make"}
    assert not names & set(locked())


def test_condas_python_is_one_that_the_project_takes():
    (python,) = (entry for entry in environment()["dependencies"] if entry.startswith("python="))
    version = tuple(int(part) for part in python.split("=")[1].split("."))
    assert (3, 11) <= version < (3, 14)
    assert 'requires-python = ">=3.11,<3.14"' in (ROOT / "pyproject.toml").read_text()


def test_every_locked_package_has_a_hash():
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text())
    packages = [block for block in blocks if re.match(r"[a-z0-9._-]+==", block)]
    assert len({block.split("==")[0] for block in packages}) == len(locked()) > 100
    assert all("--hash=sha256:" in block for block in packages)


def test_post_build_installs_the_lock_and_nothing_else():
    installs = [line for line in (BINDER / "postBuild").read_text().splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert "--no-deps --require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation --editable ." in installs[1]
    assert "setuptools" in locked()  # what building without isolation needs


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_programs_without_syntax_errors(script):
    path = BINDER / script
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/bin/bash\n")
    subprocess.run(["bash", "-n", path], check=True)


def test_repo2docker_takes_the_folder_and_runs_its_scripts():
    """It writes the recipe of an image, without an engine to build it and without the network."""
    pytest.importorskip("repo2docker", reason="jupyter-repo2docker is not installed")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "--user-name=a", "--user-id=1000", ROOT]
    recipe = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert '--file "binder/environment.yml"' in recipe
    assert "RUN ./binder/postBuild" in recipe
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in recipe


def test_start_becomes_what_it_is_given_even_without_a_lake(tmp_path):
    """A Binder that can't start its lake still opens, and says so."""
    for name, text in {
        "lofarlake": "#!/bin/sh\nexit 1\n",
        "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [BINDER / "start", "sh", "-c", 'echo "$0 $1"', "the", "server"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "the server\n"
    assert "lofarlake lake start" in done.stderr
