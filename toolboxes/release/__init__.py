"""The release of DTMA that this control plane gives to machines: one archive with all that DTMA needs, its interpreter included.

interpreter    the Python that this control plane runs on, as files
distributions  the packages that DTMA imports, and what they need
libraries      the shared libraries of all that, the C library and the loader included
contents       all of it together, by its place in the archive
bundle         lays the files out, compiles and packs them
store          makes each content once, for all processes, and finds it again
endpoint       serves it to toolboxes
"""

from toolboxes.release.interpreter import CannotRelease
from toolboxes.release.store import Release, current_release

__all__ = ["CannotRelease", "Release", "current_release"]
