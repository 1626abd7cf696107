"""Of the whole suite the files of a few failed tests are run once more, alone; of many they are not, and what fails again has failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import test as launcher
from tests.failures import name_of

OK, FAILED = int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED)


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    return tmp_path / "failed"


class Runs:
    """Stands in for pytest: each run names its failures, and is known by its arguments."""

    def __init__(self, *failures: list[str]) -> None:
        self.failures = list(failures)
        self.arguments: list[list[str]] = []

    def __call__(self, arguments: list[str], environment: dict[str, str]) -> int:
        self.arguments.append(arguments)
        names = self.failures.pop(0)
        if path := environment.get(launcher.FAILED_LIST):
            with Path(path).open("a") as file:
                file.writelines(f"{name}\n" for name in names)
        return FAILED if names else OK


@pytest.mark.parametrize(
    ("failures", "code", "again"),
    [
        ([[], []], OK, None),
        ([["tests/a.py::test_a"], ["tests/b.py::test_b", "tests/b.py::test_c"], []], OK, ["tests/a.py", "tests/b.py"]),
        ([["tests/a.py::test_a"], [], ["tests/a.py::test_a"]], FAILED, ["tests/a.py"]),
        ([[f"tests/a.py::test_{number}" for number in range(launcher.MOST_AGAIN + 1)], []], FAILED, None),
    ],
)
def test_a_few_failures_are_tried_once_more(
    failed: Path, monkeypatch: pytest.MonkeyPatch, failures: list[list[str]], code: int, again: list[str] | None
) -> None:
    failed.write_text("tests/of_the_run_before.py::test_it\n")
    runs = Runs(*failures)
    monkeypatch.setattr(launcher, "run_pytest", runs)
    assert launcher.run_all([], {}, failed) == code
    assert runs.arguments[2:] == ([] if again is None else [again])


def test_what_somebody_asked_for_is_run_once(failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(["tests/a.py::test_a"])
    monkeypatch.setattr(launcher, "run_pytest", runs)
    assert launcher.run_all(["tests/a.py"], {}, failed) == FAILED
    assert runs.arguments == [["tests/a.py"]]


def test_an_error_that_is_no_failed_test_ends_it(failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "run_pytest", lambda arguments, environment: int(pytest.ExitCode.INTERNAL_ERROR))
    assert launcher.run_all([], {}, failed) == int(pytest.ExitCode.INTERNAL_ERROR)


@pytest.mark.parametrize("name", ["tests/a.py::test_a", "tests/a.py::test_a[ada@/x]", "tests/a.py::test_a[me@stack.example]"])
@pytest.mark.parametrize("group", ["", "@stack", "@fleet", "@/a place/tests/a.py"])
def test_the_group_is_no_part_of_the_name(name: str, group: str) -> None:
    assert name_of(name + group) == name
