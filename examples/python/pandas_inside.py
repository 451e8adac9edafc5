"""Read a Parquet file that lies within a disk image, with pandas, and with pyarrow.

python pandas_inside.py disk.qcow2 /srv/data/sales.parquet
"""

import sys

sys.path.pop(0)  # beside this file is an inspect.py, which is not Python's own
import pandas  # noqa: E402
import pyarrow.dataset  # noqa: E402
from guestkit.fsspec import GuestFileSystem  # noqa: E402


def main(disk: str, path: str) -> None:
    # By an address: the image stands behind.
    frame = pandas.read_parquet(f"guestkit://{path.lstrip('/')}::file://{disk}")
    print(frame.describe())

    # By a filesystem, for pyarrow, DuckDB and whatever takes fsspec.
    guest = GuestFileSystem(disk=disk)
    table = pyarrow.dataset.dataset(path, filesystem=guest).to_table(columns=list(frame.columns[:1]))
    print(f"{table.num_rows} rows; of the first column {table.nbytes} bytes were taken")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
