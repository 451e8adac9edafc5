# Puts boot options into a store: make.py IN OUT [NUMBER OF BOOTNEXT].
import sys

from virt.firmware.efi import devpath, ucs16
from virt.firmware.varstore import edk2

store = edk2.Edk2VarStore(sys.argv[1])
variables = store.get_varlist()
for name in ("Boot0000", "Boot0001", "Boot0002"):
    if name in variables:
        variables.delete(name)

# the EFI system partition of testdata/images/debian12-uefi.qcow2
ESP = "1a2b3c4d-0001-4000-8000-000000000001"


def on_esp(file):
    path = devpath.DevicePath()
    node = devpath.DevicePathElem()
    node.set_gpt(1, 2048, 131072, ESP)
    path.append(node)
    node = devpath.DevicePathElem()
    node.set_filepath(file)
    path.append(node)
    return path


def option(number, attributes, title, path, data=None):
    variables.create("Boot%04X" % number).set_boot_entry(attributes, ucs16.from_string(title), path, data)


disk = devpath.DevicePath.uri("http://boot.example/")
option(0x0, 0x109, "UiApp", disk)
option(0xA, 1, "gone", on_esp(r"\EFI\gone\shimx64.efi"))
option(0x3, 8, "inactive", on_esp(r"\EFI\BOOT\BOOTX64.EFI"))
option(0x4, 1, "debian", on_esp(r"\EFI\SYSTEMD\systemd-bootx64.efi"), bytes(ucs16.from_string("quiet splash")))
option(0x5, 1, "UEFI HTTP", disk, bytes.fromhex("4eac0881119f594d850ee21a522c59b2"))
option(0x6, 1, "in no order", disk)
variables.create("BootOrder").set_boot_order([0x0, 0xA, 0x3, 0x4, 0x5, 0x99])
if len(sys.argv) > 3:
    variables.create("BootNext").set_boot_next(int(sys.argv[3]))
store.write_varstore(sys.argv[2], variables)
