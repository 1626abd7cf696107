"""Find the Linux program in what a distribution installed and move all of it: ``find_program.py NAME FOLDER TARGET``.

The files land in ``TARGET/package``, and ``TARGET/run`` links to the program among them: the one that is named like the distribution,
else the only one. Shared libraries are ELF files too, but no programs: they ask for no dynamic linker.
"""

import re
import sys
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
"""Of a 64-bit little-endian ELF file."""
HEADER_BYTES = 64
FIXED, RELOCATABLE = 2, 3
PT_INTERP = 3


def is_program(path: Path) -> bool:
    """Whether a file is an ELF program (System V ABI, chapters 4 and 5)."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            return False
        table, size, count = (int.from_bytes(header[start:end], "little") for start, end in ((32, 40), (54, 56), (56, 58)))
        file.seek(table)
        segments = [file.read(size)[:4] for _ in range(count)]
    kind = int.from_bytes(header[16:18], "little")
    return kind == FIXED or (kind == RELOCATABLE and PT_INTERP.to_bytes(4, "little") in segments)


def canonical(name: str) -> str:
    """The normalised form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(name: str, folder: str, target: str) -> None:
    root = Path(folder)
    programs = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and is_program(path))
    candidates = [path for path in programs if canonical(path.name) == canonical(name)] or programs
    if not candidates:
        sys.exit(f"The package {name} brings no program for Linux on this processor.")
    inside = [path.relative_to(root) for path in candidates]
    if len(inside) > 1:
        sys.exit(f"The package {name} has several programs and none alone is named like it: {', '.join(map(str, inside))}.")
    candidates[0].chmod(0o755)
    Path(target).mkdir(parents=True, exist_ok=True)
    root.rename(Path(target, "package"))
    Path(target, "run").symlink_to(Path("package", inside[0]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
