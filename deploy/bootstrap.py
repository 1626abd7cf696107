"""Makes `.venv` from the hashed locks and goes on inside it: `python -m deploy.bootstrap run|test|env [arguments]`.

Only the standard library is at hand here. A second start costs one hash: a stamp in `.venv` says what it was made from.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.debian import AptError, install_packages
from deploy.terminal import say
from deploy.weights import ensure_weights

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "agentopia-locks.json"
LOCKS = ROOT / "requirements"

# The development lock holds everything of the run lock, so an environment made for `make test` serves `make run` too.
NEEDS = {"run": ("run", "dev"), "test": ("dev",), "env": ("dev",)}
NEXT = {"run": "deploy.local.run", "test": "deploy.local.test"}

# What pip reads from its own configuration and uv only from the environment.
PIP_TO_UV = {
    "cert": "SSL_CERT_FILE",
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "proxy": "HTTPS_PROXY",
}


class BootstrapError(Exception):
    """Why the environment could not be made, in one sentence for the person at the terminal."""


def stamp_of(lock: str) -> str:
    """What an environment made from this lock by this interpreter in this place is stamped with."""
    parts = [(LOCKS / f"{name}.txt").read_bytes() for name in ("installer", lock)]
    parts += [sys.version.encode(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_current(command: str) -> bool:
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    return PYTHON.exists() and stamp in [stamp_of(lock) for lock in NEEDS[command]]


def is_usable() -> bool:
    """Whether `.venv` still runs, with this very interpreter: a clone may have moved, and Python may have been upgraded."""
    probe = "import pip, sys; sys.exit(sys.version != sys.argv[1])"
    try:
        return subprocess.run([PYTHON, "-c", probe, sys.version], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv() -> None:
    """Create `.venv` afresh. Raises BootstrapError."""
    say(f"Making the environment .venv with Python {sys.version.split()[0]}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode != 0 and "ensurepip" in made.stdout + made.stderr:
        try:  # Debian and Ubuntu ship Python without the part that makes environments
            install_packages([f"python3.{sys.version_info.minor}-venv"])
        except AptError as error:
            raise BootstrapError(f"Python at {sys.executable} cannot make environments: {error}") from error
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode != 0:
        raise BootstrapError(f"{sys.executable} -m venv failed: {(made.stderr or made.stdout).strip()}")


def pip_settings() -> dict[str, str]:
    """pip's own configuration as the environment variables by which uv knows the same things."""
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        variable = PIP_TO_UV.get(key.rpartition(".")[2])
        if variable:
            found[variable] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    return found


def install(lock: str) -> None:
    """Install exactly what the lock names, checked by hash. Raises BootstrapError."""
    pip = [str(PYTHON), "-m", "pip", "-qq", "--disable-pip-version-check", "install", "--require-hashes"]
    say("Installing the Python packages (a minute or two the first time)")
    if subprocess.run([*pip, "-r", str(LOCKS / "installer.txt")]).returncode != 0:
        raise BootstrapError("pip could not install uv (its own message is above): is the package registry reachable?")
    # Best match over all indexes is how pip chooses; the hashes say which files are ours, wherever they come from.
    uv_settings = {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    environment = {**uv_settings, **pip_settings(), **os.environ, "VIRTUAL_ENV": str(VENV)}
    uv = [str(VENV / "bin" / "uv"), "pip", "sync", "--quiet", "--no-config", "--require-hashes", str(LOCKS / f"{lock}.txt")]
    if subprocess.run(uv, env=environment).returncode != 0:
        say("uv could not install them (its own message is above); trying once more with pip")
        if subprocess.run([*pip, "-r", str(LOCKS / f"{lock}.txt")]).returncode != 0:
            raise BootstrapError("the Python packages could not be installed: pip's own message is above")


def ensure_environment(command: str) -> None:
    """Bring `.venv` in step with the lock that `command` needs. Raises BootstrapError."""
    root = os.open(ROOT, os.O_RDONLY)  # two commands in one clone must not install at the same time
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        if not is_current(command):
            lock = NEEDS[command][0]
            if not is_usable():
                make_venv()
            install(lock)
            STAMP.write_text(json.dumps(stamp_of(lock)))
        ensure_weights(VENV, PYTHON)
    finally:
        os.close(root)


def main() -> None:
    command, arguments = sys.argv[1], sys.argv[2:]
    try:
        ensure_environment(command)
    except (BootstrapError, OSError) as error:
        sys.exit(f"Agentopia cannot start: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if command in NEXT:
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), "-m", NEXT[command], *arguments])


if __name__ == "__main__":
    main()
