package partition

// AttributeNames names the attribute bits of a partition of a GPT that are set
// and known: "required", "read-only" …
//
// Bits 0 to 2 are the UEFI specification's. Bits 48 to 63 belong to the type
// of the partition: those of the Discoverable Partitions Specification count
// for its types, Microsoft's for Microsoft's, ChromeOS's for its kernels.
func (p *Partition) AttributeNames() []string {
	var names []string
	add := func(bit int, name string) {
		if p.Attributes>>bit&1 != 0 {
			names = append(names, name)
		}
	}
	add(0, "required")
	add(1, "no-block-io")
	add(2, "legacy-boot")
	switch {
	case microsoftTypes[p.Type]:
		add(60, "read-only")
		add(61, "shadow-copy")
		add(62, "hidden")
		add(63, "no-automount")
	case p.Type == chromeKernel:
		add(56, "successful")
	case p.Type != "":
		add(59, "grow-file-system")
		add(60, "read-only")
		add(63, "no-automount")
	}
	return names
}

const chromeKernel = "fe3a2a5d-4f32-41a7-b725-accc3285a309"

var microsoftTypes = map[string]bool{
	"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": true,
	"e3c9e316-0b5c-4db8-817d-f92df00215ae": true,
	"de94bba4-06d1-4d40-a16a-bfd50179d6ac": true,
}

// gptTypes names the type GUIDs, lower case.
var gptTypes = map[string]string{
	"024dee41-33e7-11d3-9d69-0008c781f39f": "MBR partition scheme",
	"c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI System",
	"21686148-6449-6e6f-744e-656564454649": "BIOS boot",
	"d3bfe2de-3daf-11df-ba40-e3a556d89593": "Intel Fast Flash",
	"f4019732-066e-4e12-8273-346c5641494f": "Sony boot partition",
	"bfbfafe7-a34f-448a-9a5b-6213eb736c22": "Lenovo boot partition",
	"9e1a2d38-c612-4316-aa26-8b49521e5a8b": "PowerPC PReP boot",

	// Microsoft
	"e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
	"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
	"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Microsoft LDM metadata",
	"af9b60a0-1431-4f62-bc68-3311714a69ad": "Microsoft LDM data",
	"de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery environment",
	"e75caf8f-f680-4cee-afa3-b001e56efc2d": "Microsoft Storage Spaces",
	"558d43c5-a1ac-43c0-aac8-d1472b2923d1": "Microsoft Storage Replica",
	"37affc90-ef7d-4e96-91c3-2d7ae055b174": "IBM General Parallel File System",

	// Linux and the Discoverable Partitions Specification
	"0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux filesystem",
	"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
	"e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
	"a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
	"8da63339-0007-60c0-c436-083ac8230908": "Linux reserved",
	"933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
	"3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "Linux server data",
	"4d21b016-b534-45c2-a9fb-5c16e091fd2d": "Linux variable data",
	"7ec6f557-3bc5-4aca-b293-16ef5df639d1": "Linux temporary data",
	"773f91ef-66d4-49b5-bd83-d683bf40ad16": "Linux user's home",
	"bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
	"ca7d7ccb-63ed-4c53-861c-1742536059cc": "Linux LUKS",
	"7ffec5c9-2d00-49b7-8941-3ea10a5586b7": "Linux plain dm-crypt",
	"44479540-f297-41b2-9af7-d131d5f0458a": "Linux root (x86)",
	"4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
	"6523f8ae-3eb1-4e2a-a05a-18b695ae656f": "Linux root (Alpha)",
	"d27f46ed-2919-4cb8-bd25-9531f3c16534": "Linux root (ARC)",
	"69dad710-2ce4-4e3c-b16c-21a1d49abed3": "Linux root (ARM)",
	"b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM-64)",
	"993d8d3d-f80e-4225-855a-9daf8ed7ea97": "Linux root (IA-64)",
	"77055800-792c-4f94-b39a-98c91b762bb6": "Linux root (LoongArch-64)",
	"e9434544-6e2c-47cc-bae2-12d6deafb44c": "Linux root (MIPS-32 BE)",
	"d113af76-80ef-41b4-bdb6-0cff4d3d4a25": "Linux root (MIPS-64 BE)",
	"37c58c8a-d913-4156-a25f-48b1b64e07f0": "Linux root (MIPS-32 LE)",
	"700bda43-7a34-4507-b179-eeb93d7a7ca3": "Linux root (MIPS-64 LE)",
	"1aacdb3b-5444-4138-bd9e-e5c2239b2346": "Linux root (HPPA)",
	"1de3f1ef-fa98-47b5-8dcd-4a860a654d78": "Linux root (PPC)",
	"912ade1d-a839-4913-8964-a10eee08fbd2": "Linux root (PPC64)",
	"c31c45e6-3f39-412e-80fb-4809c4980599": "Linux root (PPC64LE)",
	"60d5a7fe-8e7d-435c-b714-3dd8162144e1": "Linux root (RISC-V-32)",
	"72ec70a6-cf74-40e6-bd49-4bda08e8f224": "Linux root (RISC-V-64)",
	"08a7acea-624c-4a20-91e8-6e0fa67d23f9": "Linux root (S390)",
	"5eead9a9-fe09-4a1e-a1d7-520d00531306": "Linux root (S390X)",
	"c50cdd70-3862-4cc3-90e1-809a8c93ee2c": "Linux root (TILE-Gx)",
	"75250d76-8cc6-458e-bd66-bd47cc81a812": "Linux usr (x86)",
	"8484680c-9521-48c6-9c11-b0720656f69e": "Linux usr (x86-64)",
	"7d0359a3-02b3-4f0a-865c-654403e70625": "Linux usr (ARM)",
	"b0e01050-ee5f-4390-949a-9101b17104e9": "Linux usr (ARM-64)",
	"4301d2a6-4e3b-4b2a-bb94-9e0b2c4225ea": "Linux usr (IA-64)",
	"e611c702-575c-4cbe-9a46-434fa0bf7e3f": "Linux usr (LoongArch-64)",
	"15bb03af-77e7-4d4a-b12b-c0d084f7491c": "Linux usr (PPC64LE)",
	"b933fb22-5c3f-4f91-af90-e2bb0fa50702": "Linux usr (RISC-V-32)",
	"beaec34b-8442-439b-a40b-984381ed097d": "Linux usr (RISC-V-64)",
	"8a4f5770-50aa-4ed3-874a-99b710db6fea": "Linux usr (S390X)",
	"d13c5d3b-b5d1-422a-b29f-9454fdc89d76": "Linux root verity (x86)",
	"2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "Linux root verity (x86-64)",
	"7386cdf2-203c-47a9-a498-f2ecce45a2d6": "Linux root verity (ARM)",
	"df3300ce-d69f-4c92-978c-9bfb0f38d820": "Linux root verity (ARM-64)",
	"8f461b0d-14ee-4e81-9aa9-049b6fb97abd": "Linux usr verity (x86)",
	"77ff5f63-e7b6-4633-acf4-1565b864c0e6": "Linux usr verity (x86-64)",
	"6e11a4e7-fbca-4ded-b9e9-e1a512bb664e": "Linux usr verity (ARM-64)",
	"41092b05-9fc8-4523-994f-2def0408b176": "Linux root verity signature (x86-64)",
	"6db69de6-29f4-4758-a7a5-962190f00ce3": "Linux root verity signature (ARM-64)",
	"e7bb33fb-06cf-4e81-8273-e543b413e2e2": "Linux usr verity signature (x86-64)",
	"c23ce4ff-44bd-4b00-b2d4-b41b3419e02a": "Linux usr verity signature (ARM-64)",

	// Apple
	"48465300-0000-11aa-aa11-00306543ecac": "Apple HFS/HFS+",
	"7c3457ef-0000-11aa-aa11-00306543ecac": "Apple APFS",
	"55465300-0000-11aa-aa11-00306543ecac": "Apple UFS",
	"52414944-0000-11aa-aa11-00306543ecac": "Apple RAID",
	"52414944-5f4f-11aa-aa11-00306543ecac": "Apple RAID offline",
	"426f6f74-0000-11aa-aa11-00306543ecac": "Apple boot",
	"4c616265-6c00-11aa-aa11-00306543ecac": "Apple label",
	"5265636f-7665-11aa-aa11-00306543ecac": "Apple TV recovery",
	"53746f72-6167-11aa-aa11-00306543ecac": "Apple Core Storage",
	"69646961-6700-11aa-aa11-00306543ecac": "Apple Silicon boot",
	"52637672-7900-11aa-aa11-00306543ecac": "Apple Silicon recovery",

	// BSD and Solaris
	"516e7cb4-6ecf-11d6-8ff8-00022d09712b": "FreeBSD data",
	"83bd6b9d-7f41-11dc-be0b-001560b84f0f": "FreeBSD boot",
	"516e7cb5-6ecf-11d6-8ff8-00022d09712b": "FreeBSD swap",
	"516e7cb6-6ecf-11d6-8ff8-00022d09712b": "FreeBSD UFS",
	"516e7cb8-6ecf-11d6-8ff8-00022d09712b": "FreeBSD Vinum",
	"516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD ZFS",
	"74ba7dd9-a689-11e1-bd04-00e081286acf": "FreeBSD nandfs",
	"824cc7a0-36a8-11e3-890a-952519ad3f61": "OpenBSD data",
	"49f48d32-b10e-11dc-b99b-0019d1879648": "NetBSD swap",
	"49f48d5a-b10e-11dc-b99b-0019d1879648": "NetBSD FFS",
	"49f48d82-b10e-11dc-b99b-0019d1879648": "NetBSD LFS",
	"49f48daa-b10e-11dc-b99b-0019d1879648": "NetBSD RAID",
	"2db519c4-b10f-11dc-b99b-0019d1879648": "NetBSD concatenated",
	"2db519ec-b10f-11dc-b99b-0019d1879648": "NetBSD encrypted",
	"85d5e45e-237c-11e1-b4b3-e89a8f7fc3a7": "MidnightBSD data",
	"6a82cb45-1dd2-11b2-99a6-080020736631": "Solaris boot",
	"6a85cf4d-1dd2-11b2-99a6-080020736631": "Solaris root",
	"6a87c46f-1dd2-11b2-99a6-080020736631": "Solaris swap",
	"6a8b642b-1dd2-11b2-99a6-080020736631": "Solaris backup",
	"6a898cc3-1dd2-11b2-99a6-080020736631": "Solaris usr or Apple ZFS",
	"6a8ef2e9-1dd2-11b2-99a6-080020736631": "Solaris var",
	"6a90ba39-1dd2-11b2-99a6-080020736631": "Solaris home",
	"6a9283a5-1dd2-11b2-99a6-080020736631": "Solaris alternate sector",
	"6a945a3b-1dd2-11b2-99a6-080020736631": "Solaris reserved 1",

	// Others
	"75894c1e-3aeb-11d3-b7c1-7b03a0000000": "HP-UX data",
	"e2a1e728-32e3-11d6-a682-7b03a0000000": "HP-UX service",
	chromeKernel:                           "ChromeOS kernel",
	"3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": "ChromeOS root",
	"2e0a753d-9e48-43b0-8337-b15192cb1b5e": "ChromeOS future use",
	"cab6e88e-abf3-4102-a07a-d4bb9be3c1d3": "ChromeOS firmware",
	"09845860-705f-4bb5-b16c-8a8a099caf52": "ChromeOS minios",
	"3f0f8318-f146-4e6b-8222-c28c8f02e0d5": "ChromeOS hibernate",
	"5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6": "CoreOS usr",
	"3884dd41-8582-4404-b9a8-e9b84f2df50e": "CoreOS resize",
	"c95dc21a-df0e-4340-8d7b-26cbfa9a03e0": "CoreOS reserved",
	"be9067b9-ea49-4f15-b4f6-f36f8c9e1818": "CoreOS root on RAID",
	"42465331-3ba3-10f1-802a-4861696b7521": "Haiku BFS",
	"9d275380-40ad-11db-bf97-000c2911d1b8": "VMware diagnostic",
	"aa31e02a-400f-11db-9590-000c2911d1b8": "VMware VMFS",
	"9198effc-31c0-11db-8f78-000c2911d1b8": "VMware reserved",
	"381cfccc-7288-11e0-92ee-000c2911d0b2": "VMware Virtual SAN",
	"4fbd7e29-9d25-41b8-afd0-062c0ceff05d": "Ceph OSD",
	"4fbd7e29-9d25-41b8-afd0-5ec00ceff05d": "Ceph encrypted OSD",
	"45b0969e-9b03-4f30-b4c6-b4b80ceff106": "Ceph journal",
	"45b0969e-9b03-4f30-b4c6-5ec00ceff106": "Ceph encrypted journal",
	"89c57f98-2fe5-4dc0-89c1-f3ad0ceff2be": "Ceph disk in creation",
	"cef5a9ad-73bc-4601-89f3-cdeeeee321a1": "QNX6 filesystem",
	"c91818f9-8025-47af-89d2-f030d7000c2c": "Plan 9",
	"734e5afe-f61a-11e6-bc64-92361f002671": "Atari TOS basic data",
	"8c8f8eff-ac95-4770-814a-21994f2dbc8f": "VeraCrypt encrypted",
	"7412f7d5-a156-4b13-81dc-867174929325": "ONIE boot",
	"d4e6e2cd-4469-46f3-b5cb-1bff57afc149": "ONIE configuration",
	"2568845d-2332-4675-bc39-8fa5a4748d15": "Android bootloader",
	"49a4d17f-93a3-45c1-a0de-f50b2ebe2599": "Android boot",
	"38f428e6-d326-425d-9140-6e0ea133647c": "Android system",
	"dc76dda9-5ac1-491c-af42-a82591580c0d": "Android data",
}

// mbrTypes names the types of an MBR.
var mbrTypes = [256]string{
	0x00: "Empty", 0x01: "FAT12", 0x02: "XENIX root", 0x03: "XENIX usr", 0x04: "FAT16 <32M", 0x05: "Extended",
	0x06: "FAT16", 0x07: "HPFS/NTFS/exFAT", 0x08: "AIX", 0x09: "AIX bootable", 0x0A: "OS/2 Boot Manager",
	0x0B: "FAT32", 0x0C: "FAT32 (LBA)", 0x0E: "FAT16 (LBA)", 0x0F: "Extended (LBA)", 0x10: "OPUS",
	0x11: "Hidden FAT12", 0x12: "Compaq diagnostics", 0x14: "Hidden FAT16 <32M", 0x16: "Hidden FAT16",
	0x17: "Hidden HPFS/NTFS", 0x18: "AST SmartSleep", 0x1B: "Hidden FAT32", 0x1C: "Hidden FAT32 (LBA)",
	0x1E: "Hidden FAT16 (LBA)", 0x24: "NEC DOS", 0x27: "Hidden NTFS WinRE", 0x39: "Plan 9",
	0x3C: "PartitionMagic recovery", 0x40: "Venix 80286", 0x41: "PPC PReP Boot", 0x42: "Microsoft LDM (SFS)",
	0x4D: "QNX4.x", 0x4E: "QNX4.x 2nd part", 0x4F: "QNX4.x 3rd part", 0x50: "OnTrack DM", 0x51: "OnTrack DM6 Aux1",
	0x52: "CP/M", 0x53: "OnTrack DM6 Aux3", 0x54: "OnTrack DM6", 0x55: "EZ-Drive", 0x56: "Golden Bow",
	0x5C: "Priam Edisk", 0x61: "SpeedStor", 0x63: "GNU HURD or SysV", 0x64: "Novell Netware 286",
	0x65: "Novell Netware 386", 0x70: "DiskSecure Multi-Boot", 0x75: "PC/IX", 0x80: "Old Minix",
	0x81: "Minix or old Linux", 0x82: "Linux swap", 0x83: "Linux", 0x84: "OS/2 hidden or Intel hibernation",
	0x85: "Linux extended", 0x86: "NTFS volume set", 0x87: "NTFS volume set", 0x88: "Linux plaintext", 0x8E: "Linux LVM",
	0x93: "Amoeba", 0x94: "Amoeba BBT", 0x9F: "BSD/OS", 0xA0: "IBM Thinkpad hibernation", 0xA5: "FreeBSD",
	0xA6: "OpenBSD", 0xA7: "NeXTSTEP", 0xA8: "Darwin UFS", 0xA9: "NetBSD", 0xAB: "Darwin boot", 0xAF: "HFS/HFS+",
	0xB7: "BSDI fs", 0xB8: "BSDI swap", 0xBB: "Boot Wizard hidden", 0xBC: "Acronis FAT32 LBA", 0xBE: "Solaris boot",
	0xBF: "Solaris", 0xC1: "DRDOS/sec (FAT-12)", 0xC4: "DRDOS/sec (FAT-16 <32M)", 0xC6: "DRDOS/sec (FAT-16)",
	0xC7: "Syrinx", 0xDA: "Non-FS data", 0xDB: "CP/M / CTOS", 0xDE: "Dell Utility", 0xDF: "BootIt",
	0xE1: "DOS access", 0xE3: "DOS R/O", 0xE4: "SpeedStor", 0xEA: "Linux extended boot", 0xEB: "BeOS fs",
	0xEE: "GPT protective", 0xEF: "EFI System", 0xF0: "Linux/PA-RISC boot", 0xF1: "SpeedStor", 0xF2: "DOS secondary",
	0xF4: "SpeedStor", 0xF8: "EBBR protective", 0xFB: "VMware VMFS", 0xFC: "VMware VMKCORE", 0xFD: "Linux RAID autodetect",
	0xFE: "LANstep", 0xFF: "Xenix BBT",
}
