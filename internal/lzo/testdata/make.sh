#!/bin/sh
# Makes mixed.lzo with lzop and ../../lz4/testdata/mixed.lz4 with lz4, both of
# the same bytes: text, runs, near and far repeats, and what does not compress.
set -e
cd "$(dirname "$0")"
python3 - >mixed <<'PY'
import hashlib, sys
def noise(n, seed):
    out = b''
    while len(out) < n:
        seed = hashlib.sha256(seed).digest()
        out += seed
    return out[:n]
words = [noise(3 + i % 9, b'w%d' % i).hex().encode() for i in range(300)]
text = b' '.join(words[(i * i + i // 7) % 300] for i in range(4000))
b = text[:20000] + b'\0' * 5000 + noise(3000, b'a') + b'ab' * 700 + noise(300, b'b') + text[3000:20000]
b += noise(40000, b'c')[:9000] + text[:9000] + b'\0' * 40000 + b[100:190] + b'xyz' * 3 + noise(17, b'd')
for i in range(400):
    b += noise(i % 40, b'e%d' % i) + b[i * 7:i * 7 + i % 70]
sys.stdout.buffer.write(b)
PY
lzop -f -9 -o mixed.lzo mixed
lz4 -q -f -9 -B4 --content-size mixed ../../lz4/testdata/mixed.lz4
rm mixed
