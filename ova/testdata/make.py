#!/usr/bin/env python3
"""Makes two.vma.gz and two.xva.gz: archives of two disks as Proxmox VE and XenServer
write them, which no program for Debian does. The first follows vma-writer.py of Stefan
Hajnoczi (qemu-devel, 2013) with the masks of vma-writer.c, the second create_xva of
XCP-ng; dissect.archive 1.8 reads the disks of the first as they are here."""
import gzip, hashlib, io, os, struct, subprocess, tempfile


def disk(size, runs):
    """A disk with lines of text at each run."""
    b = bytearray(size)
    for off, n in runs:
        text = (b"guestkit at %d\n" % off) * (n // 14 + 1)
        b[off : off + n] = text[: min(n, size - off)]
    return bytes(b)


ONE = disk((6 << 20) + 512, [(0, 70000), (1 << 20, 100), (3 << 20, 5000), ((6 << 20) - 4096, 4608)])
TWO = disk(200000 // 512 * 512, [(4096, 8192), (131072, 60000)])


def vma(devs, config):
    uuid = bytes(range(16))
    blobs = b"\0"

    def blob(b):
        nonlocal blobs
        at = len(blobs)
        blobs += struct.pack("<H", len(b)) + b
        return at

    names, datas = [0] * 256, [0] * 256
    names[0], datas[0] = blob(b"qemu-server.conf\0"), blob(config)
    info = b"\0" * 32
    for name, d in devs:
        info += struct.pack(">IIQQQ", blob(name + b"\0"), 0, len(d), 0, 0)
    info = info.ljust(256 * 32, b"\0")
    blobs += b"\0" * (-(12288 + len(blobs)) % 512)
    head = b"VMA\0" + struct.pack(">I", 1) + uuid + struct.pack(">q", 1700000000) + b"\0" * 16
    head += struct.pack(">III", 12288, len(blobs), 12288 + len(blobs))
    head = head.ljust(2044, b"\0") + struct.pack(">256I", *names) + struct.pack(">256I", *datas) + b"\0" * 4 + info + blobs
    out = [head[:32] + hashlib.md5(head).digest() + head[48:]]
    clusters = []
    for c in range(max(len(d) + 65535 >> 16 for _, d in devs)):
        for i, (_, d) in enumerate(devs, 1):
            if c << 16 >= len(d):
                continue
            part, mask, data = d[c << 16 : c + 1 << 16].ljust(65536, b"\0"), 0, b""
            for k in range(16):
                b = part[k << 12 : k + 1 << 12]
                if b.strip(b"\0"):
                    mask, data = mask | 1 << k, data + b
            clusters.append((mask, i, c, data))
    for k in range(0, len(clusters), 59):
        group = clusters[k : k + 59]
        e = b"VMAE" + struct.pack(">HH", 0, sum(len(x[3]) for x in group) >> 12) + uuid + b"\0" * 16
        e += b"".join(struct.pack(">Q", m << 48 | i << 32 | c) for m, i, c, _ in group).ljust(59 * 8, b"\0")
        out += [e[:24] + hashlib.md5(e).digest() + e[40:]] + [x[3] for x in group]
    return b"".join(out)


def xva(disks):
    def obj(cls, ref, **fields):
        text = "".join(f"<member><name>{k}</name><value>{v}</value></member>" for k, v in fields.items())
        return (
            f"<value><struct><member><name>class</name><value>{cls}</value></member><member><name>id</name><value>{ref}</value></member>"
            f"<member><name>snapshot</name><value><struct>{text}</struct></value></member></struct></value>"
        )

    objects = obj("VM", "Ref:0", name_label="web", VCPUs_max="2", memory_static_max="2147483648", is_a_snapshot="<boolean>0</boolean>",
                  HVM_boot_params="<struct><member><name>firmware</name><value>uefi</value></member></struct>")
    files = ["ova.xml"]
    with tempfile.TemporaryDirectory() as t:

        def write(name, b):
            open(os.path.join(t, name), "wb").write(b)
            files.append(name)

        for k, (ref, d, device, dummy) in enumerate(disks):
            objects += obj("VDI", ref, virtual_size=len(d)) + obj("VBD", f"Ref:9{k}", VM="Ref:0", VDI=ref, userdevice=device, type="Disk")
            os.mkdir(os.path.join(t, ref))
            n, number = len(d) + (1 << 20) - 1 >> 20, 0
            for c in range(n):
                b = d[c << 20 : c + 1 << 20]
                if c == dummy:  # a chunk that keeps the connection alive
                    write(f"{ref}/{number:08d}", b"")
                    write(f"{ref}/{number:08d}.checksum", hashlib.sha1().hexdigest().encode())
                    number += 1
                if c in (0, n - 1) or b.strip(b"\0"):
                    write(f"{ref}/{number:08d}", b)
                    write(f"{ref}/{number:08d}.checksum", hashlib.sha1(b).hexdigest().encode())
                number += 1
        objects += obj("VBD", "Ref:88", VM="Ref:0", VDI="OpaqueRef:NULL", userdevice=3, type="CD", empty="<boolean>1</boolean>")
        with open(os.path.join(t, "ova.xml"), "w") as f:
            f.write("<value><struct><member><name>version</name><value><struct></struct></value></member>"
                    "<member><name>objects</name><value><array><data>" + objects + "</data></array></value></member></struct></value>")
        cmd = ["tar", "-C", t, "--mtime=@1700000000", "--owner=0", "--group=0", "--format=ustar", "-cf", "-", "--"]
        return subprocess.run(cmd + files, check=True, stdout=subprocess.PIPE).stdout


def keep(name, b):
    with open(os.path.join(os.path.dirname(__file__), name), "wb") as f:
        f.write(gzip.compress(b, 9, mtime=0))


config = b"bios: ovmf\ncores: 2\nmemory: 2048\nname: web\nostype: l26\nscsi0: local-lvm:vm-100-disk-0,size=6M\nsockets: 1\n"
keep("two.vma.gz", vma([(b"drive-efidisk0", TWO[:131072]), (b"drive-scsi0", ONE), (b"drive-scsi1", TWO)], config))
keep("two.xva.gz", xva([("Ref:7", TWO, 1, -1), ("Ref:12", ONE, 0, 3)]))
