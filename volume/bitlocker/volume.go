package bitlocker

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options says how a volume is opened. The zero value, or nil, suits hostile
// input.
type Options struct {
	// Tries bounds how often a passphrase or recovery password is stretched, a
	// second each or less, for all protectors and keys. 0 means 64.
	Tries int
}

// A Protector is one way to the key of the volume.
type Protector struct {
	ID       string // GUID
	Kind     ProtectorKind
	Name     string // given by the user
	Modified time.Time
	// Err says why no key can be tried on it, nil if one can.
	Err error
}

// A ProtectorKind says what a protector asks for.
type ProtectorKind string

// The kinds, in the words of manage-bde. A key can be tried on the first four.
const (
	ClearKey         ProtectorKind = "clear key" // nothing: the protection is suspended
	Passphrase       ProtectorKind = "passphrase"
	RecoveryPassword ProtectorKind = "recovery password"
	StartupKey       ProtectorKind = "startup key"
	TPM              ProtectorKind = "TPM"
	TPMAndPIN        ProtectorKind = "TPM and PIN"
	TPMAndStartupKey ProtectorKind = "TPM and startup key"
	TPMPINAndKey     ProtectorKind = "TPM, PIN and startup key"
	Certificate      ProtectorKind = "certificate or smart card"
)

var protectorKinds = map[uint16]ProtectorKind{
	0x0000: ClearKey, 0x0100: TPM, 0x0200: StartupKey, 0x0300: TPMAndStartupKey, 0x0400: TPMAndPIN, 0x0500: TPMAndPIN,
	0x0600: TPMPINAndKey, 0x0700: TPMPINAndKey, 0x0800: RecoveryPassword, 0x1000: Certificate, 0x2000: Passphrase,
}

// Info describes a volume. Nothing in it is secret.
type Info struct {
	Version     int    // of the metadata: 1 Vista, 2 later
	ID          string // GUID of the volume's keys, as the recovery screen shows those of protectors
	Description string // the computer, the volume and the day
	Created     time.Time
	Encryption  string // "AES-XTS-128"
	SectorSize  int    // bytes that are encrypted as one
	State       string // "encrypted", "in conversion" …
	// EncryptOnWrite says that bitmaps tell which parts are encrypted.
	EncryptOnWrite bool
	ToGo           bool
	Suspended      bool // a clear key opens it
	Protectors     []Protector
}

// A Volume is an encrypted volume whose metadata has been read. It is safe for
// concurrent use.
type Volume struct {
	r        block.Device
	info     Info
	tries    int
	problems problem.List
	sector   int64
	size     int64
	meta     *metadata
	vmks     []vmk
	maps     []bitmap
	reserved []span
	vista    []byte // the first 8 KiB as they were before
}

// vmk is a copy of the volume master key that a protector wraps.
type vmk struct {
	*datum
	id      guid.GUID
	kind    ProtectorKind
	stretch *datum // of passwords
	wrapped *datum
	clear   []byte
}

// Open reads the metadata of the volume in r. The error wraps block.ErrFormat
// if it has none.
func Open(r block.Device, opts *Options) (*Volume, error) {
	if opts == nil {
		opts = &Options{}
	}
	h, err := readBoot(r)
	if err != nil {
		return nil, err
	}
	v := &Volume{r: r, sector: int64(h.bytesPerSector), tries: opts.Tries}
	if v.tries == 0 {
		v.tries = 64
	}
	v.size = r.Size() / v.sector * v.sector
	if err := v.readCopies(h); err != nil {
		return nil, err
	}
	if err := v.meta.validate(v.sector, v.size); err != nil {
		return nil, err
	}
	if err := v.readBitmaps(h); err != nil {
		return nil, err
	}
	if v.meta.version == 1 {
		if err := v.restoreVista(); err != nil {
			return nil, err
		}
	}
	v.reserve(h)
	v.describe(h)
	return v, nil
}

// readCopies takes the first valid copy of the metadata.
func (v *Volume) readCopies(h *boot) error {
	var errs []error
	at := h.info
	for i := 0; i < len(at) && i < copies; i++ {
		m, err := readMetadata(v.r, at[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if v.meta == nil {
			v.meta = m
			if len(at) == 1 { // Vista names the first one only
				at = at[:1:1]
				for _, o := range m.offsets[1:] {
					at = append(at, int64(o))
				}
			}
		} else if m.dataset.id != v.meta.dataset.id {
			v.problems.Add(block.Errorf(format, "FVE metadata", m.off, block.ErrCorrupt, "it is of another volume: %s", m.dataset.id))
		}
	}
	if v.meta == nil {
		return errs[0]
	}
	for _, err := range errs {
		v.problems.Add(err)
	}
	return nil
}

// readBitmaps reads those of encrypt-on-write, of which there are two copies.
func (v *Volume) readBitmaps(h *boot) error {
	var errs []error
	for _, off := range h.eow {
		maps, reserved, err := readEOW(v.r, off, v.sector)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if v.maps == nil {
			v.maps = maps
		}
		v.reserved = append(v.reserved, reserved...)
	}
	if h.eow != nil && v.maps == nil && len(errs) == 0 {
		errs = append(errs, block.Errorf(format, "EOW information", -1, block.ErrCorrupt, "it names no bitmap"))
	}
	// Where the conversion is finished all is encrypted, and the bitmaps say no
	// more than that: Windows leaves volumes on which they are gone.
	if h.eow != nil && v.maps == nil && v.meta.currentState != stateEncrypted {
		return errs[0]
	}
	for _, err := range errs {
		v.problems.Add(err)
	}
	return nil
}

// restoreVista undoes what BitLocker changes in the boot sector of NTFS.
func (v *Volume) restoreVista() error {
	b, err := block.ReadBytes(v.r, 0, min(8<<10, v.size), 8<<10)
	if err != nil {
		return block.Locate(format, "boot sector", 0, err)
	}
	copy(b[0x03:], "NTFS    ")
	binary.LittleEndian.PutUint64(b[0x38:], v.meta.virtualizedOffset)
	v.vista = b
	return nil
}

// reserve lists the areas that read as zeros, in order and without overlaps.
func (v *Volume) reserve(h *boot) {
	m := v.meta
	area := roundUp(64<<10, v.sector)
	if m.version == 1 {
		area = roundUp(16<<10, v.sector*int64(h.sectorsPerCluster))
	}
	for _, o := range m.offsets {
		if o > 0 {
			v.reserved = append(v.reserved, span{int64(o), area})
		}
	}
	if m.version >= 2 && m.virtualizedSectors > 0 {
		v.reserved = append(v.reserved, span{int64(m.virtualizedOffset), int64(m.virtualizedSectors) * v.sector})
	}
	sort.Slice(v.reserved, func(i, j int) bool { return v.reserved[i].off < v.reserved[j].off })
}

// filetime is 100 nanoseconds since 1601.
func filetime(t uint64) time.Time {
	const epoch = 11644473600
	return time.Unix(int64(t/1e7)-epoch, int64(t%1e7)*100).UTC()
}

func (v *Volume) describe(h *boot) {
	m := v.meta
	v.info = Info{
		Version: int(m.version), ID: m.dataset.id.String(), Description: first(m.data, roleDescription, typeUnicode).text(),
		Created: filetime(m.dataset.created), Encryption: methods[m.dataset.encryption].name, SectorSize: int(v.sector),
		State: stateNames[m.currentState], EncryptOnWrite: v.maps != nil, ToGo: string(h.oem[:]) == toGo,
	}
	if v.info.Encryption == "" {
		v.info.Encryption = fmt.Sprintf("unknown (%#x)", m.dataset.encryption)
	}
	for i := range m.data {
		if d := &m.data[i]; d.role == roleVMK && d.typ == typeVMK {
			v.addVMK(d)
		}
	}
}

func (v *Volume) addVMK(d *datum) {
	priority := binary.LittleEndian.Uint16(d.body[0x1a:])
	k := vmk{datum: d, id: d.guid(), kind: protectorKinds[priority&0xff00], stretch: first(d.properties, -1, typeStretch), wrapped: first(d.properties, -1, typeWrapped)}
	p := Protector{ID: k.id.String(), Kind: k.kind, Name: first(d.properties, -1, typeUnicode).text(), Modified: filetime(binary.LittleEndian.Uint64(d.body[0x10:]))}
	unsupported := func(detail string, args ...any) {
		p.Err = block.Errorf(format, "protector "+p.ID, d.off, block.ErrUnsupported, detail, args...)
	}
	switch k.kind {
	case ClearKey:
		_, k.clear = first(d.properties, -1, typeKey).key()
		v.info.Suspended = true
	case Passphrase, RecoveryPassword:
		if k.stretch == nil {
			p.Err = block.Errorf(format, "protector "+p.ID, d.off, block.ErrCorrupt, "it has no salt")
		}
	case StartupKey:
	case "":
		p.Kind = ProtectorKind(fmt.Sprintf("unknown (%#x)", priority))
		unsupported("a protector of kind %#x", priority)
	default:
		unsupported("its key is not in the image: %s", k.kind)
	}
	if p.Err == nil && k.wrapped == nil {
		p.Err = block.Errorf(format, "protector "+p.ID, d.off, block.ErrCorrupt, "it wraps no key")
	}
	if p.Err == nil {
		v.vmks = append(v.vmks, k)
	}
	v.info.Protectors = append(v.info.Protectors, p)
}

// Info describes the volume.
func (v *Volume) Info() Info { return v.info }

// Problems returns what was found to be odd.
func (v *Volume) Problems() []error { return v.problems.All() }

// A Device is an unlocked volume.
type Device struct {
	block.Device
	protector Protector
}

// Protector returns that by which the volume was opened.
func (d *Device) Protector() Protector { return d.protector }

// SectorSize is that of the encryption.
func (d *Device) SectorSize() int { return block.SectorSize(d.Device) }

// A Session tries keys on one volume within one bound of cost. It is not safe
// for concurrent use.
type Session struct {
	v     *Volume
	tries int
}

// Session begins to try keys.
func (v *Volume) Session() *Session { return &Session{v, v.tries} }

// Unlock is that of a new [Session].
func (v *Volume) Unlock(ctx context.Context, key []byte) (*Device, error) {
	return v.Session().Unlock(ctx, key)
}

// Unlock opens the volume by a passphrase in UTF-8, a recovery password or the
// content of a startup key file; a suspended volume by any key, also nil. The
// error wraps block.ErrEncrypted if it does not fit. The key is not kept.
func (s *Session) Unlock(ctx context.Context, key []byte) (*Device, error) {
	startupID, startup, isStartup := startupKey(key)
	defer clear(startup)
	recovery, isRecovery := recoveryHash(key)
	var errs []error
	for _, k := range s.v.vmks {
		var by []byte
		var err error
		switch {
		case k.kind == ClearKey:
			by = k.clear
		case k.kind == StartupKey && isStartup && startupID == k.id:
			by = startup
		case k.kind == RecoveryPassword && isRecovery:
			by, err = s.stretch(ctx, recovery, k)
		case k.kind == Passphrase && !isStartup && len(key) > 0 && len(key) <= 1024:
			by, err = s.stretch(ctx, passphraseHash(key), k)
		default:
			continue
		}
		if err == nil {
			var d *Device
			if d, err = s.v.unwrap(k, by); d != nil {
				return d, nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, err)
	}
	err := block.Errorf(format, "protectors", -1, block.ErrEncrypted, "the key opens none of them")
	return nil, errors.Join(append([]error{err}, errs...)...)
}

func (s *Session) stretch(ctx context.Context, hash [32]byte, k vmk) ([]byte, error) {
	if s.tries--; s.tries < 0 {
		return nil, block.Errorf(format, "protector "+k.id.String(), k.off, block.ErrLimit, "%d keys were tried on this volume", s.v.tries)
	}
	return stretch(ctx, hash, k.stretch.body[4:])
}

// unwrap unwraps the VMK, and the FVEK by it. A nil error and no Device mean
// that the key does not fit.
func (v *Volume) unwrap(k vmk, key []byte) (*Device, error) {
	d := k.wrapped.unwrap(key)
	if d == nil {
		return nil, nil
	}
	defer clear(d.body)
	_, master := d.key()
	wrapped := first(v.meta.data, roleFVEK, typeWrapped)
	if wrapped == nil {
		return nil, block.Errorf(format, "FVEK", v.meta.off, block.ErrCorrupt, "there is none")
	}
	f := wrapped.unwrap(master)
	if f == nil {
		return nil, block.Errorf(format, "FVEK", wrapped.off, block.ErrCorrupt, "the VMK of protector %s does not unwrap it", k.id)
	}
	defer clear(f.body)
	v.checkIntegrity(master)
	typ, fvek := f.key()
	c, err := newCipher(typ, fvek, int(v.sector))
	if err != nil {
		return nil, err
	}
	base := &mixed{
		plain:     v.r,
		encrypted: crypt.NewDevice(v.r, c, int(v.sector), 1, []crypt.Segment{{Len: v.size}}),
		maps:      v.maps,
		watermark: v.size,
	}
	if o := int64(v.meta.stateOffset); v.maps == nil && o != 0 {
		base.watermark = o
	}
	switch v.meta.currentState {
	case stateDecrypted:
		base.watermark = 0
	case stateDirty:
		base.log = span{int64(v.meta.stateOffset), int64(v.meta.stateSize)}
	}
	out := &Device{Device: v.layout(base)}
	for _, p := range v.info.Protectors {
		if p.ID == k.id.String() {
			out.protector = p
		}
	}
	return out, nil
}

// checkIntegrity compares the hash of the metadata that the VMK wraps.
func (v *Volume) checkIntegrity(master []byte) {
	if v.meta.integrity == nil {
		return
	}
	sum := sha256.Sum256(v.meta.raw)
	_, want := v.meta.integrity.unwrap(master).key()
	if subtle.ConstantTimeCompare(sum[:], want) != 1 {
		v.problems.Add(block.Errorf(format, "FVE metadata", v.meta.off, block.ErrCorrupt, "it is not what Windows wrote: its hash under the VMK differs"))
	}
}
