"""The examples of the project, run as they are."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(os.environ.get("GUESTKIT_IMAGES", pathlib.Path(__file__).parents[2] / "testdata" / "images")).parents[1]
EXAMPLES = ROOT / "examples" / "python"
DEBIAN = ROOT / "testdata" / "images" / "debian12-uefi.qcow2"


def run(name: str, *args: object) -> str:
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *map(str, args)], capture_output=True, text=True, cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_convert(tmp_path):
    assert run("convert.py", DEBIAN, tmp_path / "a.vmdk").startswith("qcow2 to vmdk, 536870912 bytes")


def test_inspect(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.write(DEBIAN, "disk.qcow2")
    text = run("inspect.py", DEBIAN, tmp_path / "a.zip")
    assert text.count("Debian GNU/Linux 12 (bookworm) (x86_64), host web-1, 157 packages\nweb-1\n") == 2


def test_pandas_inside(tmp_path):
    """pandas and pyarrow read what pyarrow wrote, within an ext4 within a qcow2 of qemu-img."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    tree = tmp_path / "tree" / "srv"
    tree.mkdir(parents=True)
    frame = pandas.DataFrame({"n": range(100_000), "text": [f"row {i}" for i in range(100_000)]})
    frame.to_parquet(tree / "data.parquet")
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    raw, disk = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    raw.write_bytes(b"")
    os.truncate(raw, 32 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(tree.parent), str(raw)], check=True, env=env)
        subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", str(raw), str(disk)], check=True, env=env)
    except FileNotFoundError as e:
        pytest.skip(f"needs {e.filename}")
    text = run("pandas_inside.py", disk, "/srv/data.parquet")
    assert "49999.5" in text and "100000 rows; of the first column 8" in text

    from guestkit.fsspec import GuestFileSystem

    inside = GuestFileSystem(disk=str(disk))
    pandas.testing.assert_frame_equal(pandas.read_parquet("/srv/data.parquet", filesystem=inside), frame)

    duckdb = pytest.importorskip("duckdb").connect()
    duckdb.register_filesystem(inside)
    assert duckdb.execute("select sum(n), max(text) from 'guestkit:///srv/*.parquet'").fetchall() == [(4999950000, "row 99999")]
