"""Builds the library and the command from the Go source beside the Python, and tags the
wheel for their platform; puts that source into the sdist.

The environment says how, as it does for Go: CC, GOOS, GOARCH, GOFLAGS; and
GUESTKIT_SOURCE where the Go source is, GUESTKIT_WHEEL_PLATFORM the tag,
GUESTKIT_LIBRARY=0 to do without the library.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
OWN = HERE / "go"  # of an sdist
GO = OWN if (OWN / "go.mod").is_file() else pathlib.Path(os.environ.get("GUESTKIT_SOURCE") or HERE.parent).resolve()
LIBRARIES = {"windows": "guestkit.dll", "darwin": "libguestkit.dylib"}


def go(*args, cwd=GO, **env):
    """Run the command go."""
    if not (GO / "go.mod").is_file():
        raise SystemExit(f"guestkit: there is no Go source in {GO}; build in the project's repository, or from its sdist")
    if not shutil.which("go"):
        raise SystemExit("guestkit: to build it, Go 1.26 or newer and a C compiler are needed; wheels need neither")
    return subprocess.run(["go", *args], cwd=cwd, env={**os.environ, **env}, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class BuildGo(build_py):
    """Puts the library and the command beside the Python."""

    def run(self):
        super().run()
        out = HERE / "src" / "guestkit" if getattr(self, "editable_mode", False) else pathlib.Path(self.build_lib).resolve() / "guestkit"
        system = go("env", "GOOS")
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -buildid= -X main.version={self.distribution.get_version()}"]
        if os.environ.get("GUESTKIT_LIBRARY") != "0":
            library = out / LIBRARIES.get(system, "libguestkit.so")
            try:
                go("build", "-buildmode=c-shared", "-tags", "netgo,osusergo", *flags, "-o", str(library), "./python/native", CGO_ENABLED="1")
            except subprocess.CalledProcessError:
                raise SystemExit("guestkit: the library was not built; it needs a C compiler (CC). GUESTKIT_LIBRARY=0 does without it") from None
            library.with_suffix(".h").unlink()
        command = out / "bin" / ("guestkit.exe" if system == "windows" else "guestkit")
        go("build", *flags, "-o", str(command), "./cmd/guestkit", CGO_ENABLED="0")


class Binary(Distribution):
    """Of one platform, though nothing in it is an extension module."""

    def has_ext_modules(self):
        return True


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", os.environ.get("GUESTKIT_WHEEL_PLATFORM") or super().get_tag()[2]


class SourceWithGo(sdist):
    """Adds the Go source, and the modules that it imports, under go/."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        to = pathlib.Path(base_dir).resolve() / "go"
        for name in self.sources():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(GO / name, to / name)
        if not (to / "vendor").is_dir():
            go("mod", "vendor", cwd=to)

    def sources(self):
        """What the library and the command are made of, on any platform."""
        if GO == OWN:  # an sdist of an sdist
            return sorted(str(p.relative_to(GO)) for p in GO.rglob("*") if p.is_file())
        out = {"go.mod", "go.sum", "LICENSE"}
        for system, tags in (("linux", "netgo"), ("darwin", "netgo"), ("windows", "netgo"), ("linux", "qemu,libguestfs")):
            # Packages, not their files: those of other processors are needed too.
            of = "{{if and .Module .Module.Main}}{{.Dir}}{{range .EmbedFiles}}\n{{$.Dir}}/{{.}}{{end}}{{end}}"
            for line in go("list", "-deps", "-f", of, "-tags", tags, "./python/native", "./cmd/guestkit", GOOS=system, CGO_ENABLED="1").splitlines():
                path = pathlib.Path(line)
                found = [path] if path.is_file() else [p for p in path.glob("*.*") if p.suffix in (".go", ".s", ".h", ".c")] if line else []
                out.update(p.relative_to(GO).as_posix() for p in found if not p.name.endswith("_test.go"))
        return sorted(out)


if sys.version_info < (3, 9):
    raise SystemExit("guestkit needs Python 3.9 or newer")
setup(distclass=Binary, cmdclass={"build_py": BuildGo, "bdist_wheel": PlatformWheel, "sdist": SourceWithGo})
