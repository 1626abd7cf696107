"""Make the release of DTMA that other machines install, before the first of them asks for it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from toolboxes.release import CannotRelease, current_release


class Command(BaseCommand):
    """Prints what the release is."""

    help = "Make the release of DTMA that other machines install; without this, the first of them waits for it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Needs no database."""
        try:
            release = current_release()
        except CannotRelease as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"DTMA {release.version} for {release.arch}: {release.bytes / 1e6:.1f} MB, sha256 {release.sha256}")
        self.stdout.write(str(release.file))
