package luks

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
	"github.com/guestkit/guestkit/internal/luks1"
)

const (
	maxKey      = 512
	maxStripes  = 1 << 16
	maxMaterial = 16 << 20
)

// metadata is what the JSON area says.
type metadata struct {
	slots         []keyslot
	tokens        []Token
	segments      []segment
	flags         []string
	keyslotsSize  int64
	payloadDigest *digest // of segment 0

	hdrSize int64
	r       block.Reader
}

// keyslot is a slot of type luks2.
type keyslot struct {
	id       int
	keyLen   int
	priority int
	stripes  int
	afHash   string
	spec     crypt.Spec
	areaKey  int
	off      int64
	size     int64
	kdf      crypt.KDF
	err      error
}

// segment is a part of the payload.
type segment struct {
	id      int
	linear  bool // not encrypted
	off     int64
	size    int64 // -1: to the end of the device
	ivTweak uint64
	sector  int
	spec    crypt.Spec
}

// digest proves volume keys.
type digest struct {
	slots    []int
	segments []int
	kdf      crypt.KDF
	want     []byte
}

// parseMetadata reads the text of a JSON area, which lies at off. An error of
// class block.ErrUnsupported concerns sound metadata.
func parseMetadata(text []byte, hdrSize, off int64) (*metadata, error) {
	m := &metadata{hdrSize: hdrSize}
	if err := m.parse(text); err != nil {
		return m, block.Locate("luks2", "JSON area", off, err)
	}
	return m, nil
}

func (m *metadata) parse(text []byte) error {
	root, err := newNode("", text, named("keyslots", "tokens", "segments", "digests", "config"))
	if err != nil {
		return err
	}
	config := root.object("config", "json_size", "keyslots_size", "flags", "requirements")
	m.keyslotsSize = config.offset("keyslots_size")
	if js := config.offset("json_size"); *root.err == nil && js != m.hdrSize-binarySize {
		config.fail("json_size", "%d, the area has %d bytes", js, m.hdrSize-binarySize)
	}
	if config.has("flags") {
		m.flags = config.strs("flags")
	}
	if err := requirements(config); err != nil {
		return err
	}
	segments, digests, slots, tokens := root.members("segments"), root.members("digests"), root.members("keyslots"), root.members("tokens")
	if *root.err != nil {
		return *root.err
	}
	for _, s := range slots {
		k, err := m.parseSlot(s)
		if err != nil {
			return err
		}
		m.slots = append(m.slots, k)
	}
	m.overlaps()
	for _, t := range tokens {
		n, err := newNode(fmt.Sprintf(".tokens.%d", t.id), t.raw, named("type", "keyslots"))
		if err != nil {
			return err
		}
		m.tokens = append(m.tokens, Token{ID: t.id, Type: n.str("type"), Slots: n.ids("keyslots")})
		if *n.err != nil {
			return *n.err
		}
	}
	if err := m.parseSegments(segments); err != nil {
		return err
	}
	return m.parseDigests(digests)
}

// requirements refuses what the metadata says one must understand: this
// package understands none, all of them being about states that it does not
// read.
func requirements(config node) error {
	if !config.has("requirements") {
		return nil
	}
	req := config.object("requirements", "mandatory")
	if !req.has("mandatory") {
		return nil
	}
	names := req.strs("mandatory")
	if len(names) == 0 {
		return nil
	}
	why := "requirement " + strings.Join(names, ", ")
	for _, n := range names {
		if strings.HasPrefix(n, "online-reencrypt") || strings.HasPrefix(n, "offline-reencrypt") {
			why = "a reencryption is in progress (" + why + "): finish it with \"cryptsetup reencrypt --resume-only\""
			break
		}
	}
	return fmt.Errorf("%w: %.200s", block.ErrUnsupported, why)
}

// parseSlot reads a slot. What keeps it from being tried is in its err.
func (m *metadata) parseSlot(s member) (keyslot, error) {
	k := keyslot{id: s.id, priority: 1}
	n, err := newNode(fmt.Sprintf(".keyslots.%d", s.id), s.raw, named("type", "key_size", "priority", "af", "area", "kdf"))
	if err != nil {
		return k, err
	}
	if t := n.str("type"); t != "luks2" && *n.err == nil {
		class := fmt.Errorf("%w: a key slot of type %.40q", block.ErrUnsupported, t)
		if t == "reencrypt" {
			return k, fmt.Errorf("%w: a reencryption is in progress: finish it with \"cryptsetup reencrypt --resume-only\"", block.ErrUnsupported)
		}
		k.err = class
		return k, nil
	}
	k.keyLen = int(n.number("key_size", maxKey))
	if n.has("priority") {
		k.priority = int(n.number("priority", 2))
	}
	af := n.object("af", "type", "stripes", "hash")
	if t := af.str("type"); t != "luks1" {
		af.fail("type", "%.40q is unknown", t)
	}
	k.stripes, k.afHash = int(af.number("stripes", maxStripes)), af.str("hash")
	area := n.object("area", "type", "encryption", "key_size", "offset", "size")
	if t := area.str("type"); t != "raw" {
		area.fail("type", "%.40q is unknown", t)
	}
	encryption := area.str("encryption")
	k.areaKey, k.off, k.size = int(area.number("key_size", maxKey)), area.offset("offset"), area.offset("size")
	k.kdf = parseKDF(n.object("kdf", "type", "salt", "hash", "iterations", "time", "memory", "cpus"))
	if k.err = *n.err; k.err == nil {
		k.err = k.validate(m, encryption)
	}
	return k, nil
}

func parseKDF(n node) crypt.KDF {
	k := crypt.KDF{Type: n.str("type"), Salt: n.bytes("salt", 4096)}
	if k.Type == "pbkdf2" {
		k.Hash, k.Iterations = n.str("hash"), n.number("iterations", 1<<32-1)
		return k
	}
	k.Iterations, k.Memory, k.Lanes = n.number("time", 1<<32-1), n.number("memory", 1<<32-1)<<10, int(n.number("cpus", 64))
	return k
}

func (k *keyslot) validate(m *metadata, encryption string) error {
	var err error
	if k.spec, err = crypt.ParseSpec(encryption); err != nil {
		return err
	}
	if err := crypt.KnownHash(k.afHash); err != nil {
		return err
	}
	if err := k.kdf.Validate(); err != nil {
		return err
	}
	material := int64(k.keyLen) * int64(k.stripes)
	switch {
	case !k.spec.KeySize(k.areaKey):
		return fmt.Errorf("%w: a key of %d bytes for %s", block.ErrCorrupt, k.areaKey, k.spec)
	case material < 1 || material > maxMaterial || material > k.size:
		return fmt.Errorf("%w: an area of %d bytes for %d stripes of %d", block.ErrCorrupt, k.size, k.stripes, k.keyLen)
	case k.off < 2*m.hdrSize || k.off > 2*m.hdrSize+m.keyslotsSize || k.size > 2*m.hdrSize+m.keyslotsSize-k.off:
		return fmt.Errorf("%w: its area of %d bytes at %#x leaves that of the key slots", block.ErrCorrupt, k.size, k.off)
	}
	return nil
}

// overlaps marks the slots whose areas lie over that of another.
func (m *metadata) overlaps() {
	by := make([]*keyslot, 0, len(m.slots))
	for i := range m.slots {
		if m.slots[i].err == nil {
			by = append(by, &m.slots[i])
		}
	}
	sort.SliceStable(by, func(i, j int) bool { return by[i].off < by[j].off })
	end, last := int64(0), (*keyslot)(nil)
	for _, k := range by {
		if last != nil && k.off < end {
			k.err = fmt.Errorf("%w: its area at %#x lies over that of key slot %d", block.ErrCorrupt, k.off, last.id)
			if last.err == nil {
				last.err = fmt.Errorf("%w: its area at %#x lies over that of key slot %d", block.ErrCorrupt, last.off, k.id)
			}
		}
		if e := k.off + k.size; e > end {
			end, last = e, k
		}
	}
}

func (m *metadata) parseSegments(all []member) error {
	for i, s := range all {
		n, err := newNode(fmt.Sprintf(".segments.%d", s.id), s.raw, named("type", "offset", "size", "iv_tweak", "encryption", "sector_size", "integrity", "flags"))
		if err != nil {
			return err
		}
		g := segment{id: s.id, off: n.offset("offset"), size: -1}
		if n.str("size") != "dynamic" {
			g.size = n.offset("size")
		} else if i != len(all)-1 {
			n.fail("size", "only the last segment may reach to the end")
		}
		if n.has("flags") {
			if f := n.strs("flags"); len(f) > 0 {
				return fmt.Errorf("%w: a reencryption is in progress (segment %d has the flags %.200q): finish it with \"cryptsetup reencrypt --resume-only\"", block.ErrUnsupported, s.id, f)
			}
		}
		switch t := n.str("type"); {
		case *n.err != nil:
		case t == "linear":
			g.linear = true
		case t != "crypt":
			return fmt.Errorf("%w: a segment of type %.40q", block.ErrUnsupported, t)
		case n.has("integrity"):
			in := n.object("integrity", "type")
			return fmt.Errorf("%w: dm-integrity (%.40q)", block.ErrUnsupported, in.str("type"))
		default:
			tweak := n.offset("iv_tweak")
			g.ivTweak = uint64(tweak)
			g.sector = int(n.number("sector_size", 4096))
			encryption := n.str("encryption")
			if *n.err != nil {
				return *n.err
			}
			if g.sector < 512 || g.sector&(g.sector-1) != 0 {
				n.fail("sector_size", "%d", g.sector)
			}
			if g.spec, err = crypt.ParseSpec(encryption); err != nil {
				return err
			}
		}
		if *n.err != nil {
			return *n.err
		}
		m.segments = append(m.segments, g)
	}
	return nil
}

func (m *metadata) parseDigests(all []member) error {
	if len(m.segments) == 0 {
		return fmt.Errorf("%w: no segment: the header has no payload", block.ErrUnsupported)
	}
	for _, d := range all {
		n, err := newNode(fmt.Sprintf(".digests.%d", d.id), d.raw, named("type", "keyslots", "segments", "hash", "iterations", "salt", "digest"))
		if err != nil {
			return err
		}
		out := digest{slots: n.ids("keyslots"), segments: n.ids("segments")}
		if !slices.Contains(out.segments, m.segments[0].id) {
			if *n.err != nil {
				return *n.err
			}
			continue
		}
		if m.payloadDigest != nil {
			return fmt.Errorf("%w: two digests for segment %d", block.ErrCorrupt, m.segments[0].id)
		}
		if t := n.str("type"); t != "pbkdf2" && *n.err == nil {
			return fmt.Errorf("%w: a digest of type %.40q", block.ErrUnsupported, t)
		}
		out.kdf = parseKDF(n)
		out.want = n.bytes("digest", 64)
		if *n.err != nil {
			return *n.err
		}
		if err := out.kdf.Validate(); err != nil {
			return err
		}
		for _, s := range m.segments {
			if !s.linear && !slices.Contains(out.segments, s.id) {
				return fmt.Errorf("%w: segment %d has another key than segment %d", block.ErrUnsupported, s.id, m.segments[0].id)
			}
		}
		m.payloadDigest = &out
	}
	if m.payloadDigest == nil {
		return fmt.Errorf("%w: no digest for segment %d", block.ErrCorrupt, m.segments[0].id)
	}
	return nil
}

func (d *digest) verify(ctx context.Context, b *crypt.Budget, key []byte) (bool, error) {
	sum, err := b.Derive(ctx, &d.kdf, key, len(d.want))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, d.want) == 1, nil
}

// unlock tries a passphrase on the slots that hold the key of the payload, those
// first that are preferred.
func (m *metadata) unlock(ctx context.Context, b *crypt.Budget, passphrase []byte) ([]byte, int, error) {
	var order []*keyslot
	for i := range m.slots {
		if k := &m.slots[i]; slices.Contains(m.payloadDigest.slots, k.id) {
			order = append(order, k)
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].priority > order[j].priority })
	if len(order) == 0 {
		return nil, 0, block.Errorf("luks2", "key slots", -1, block.ErrEncrypted, "none is for the payload, so that no passphrase opens it")
	}
	var skipped []error
	for _, k := range order {
		key, err := m.try(ctx, b, k, passphrase)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if err != nil {
			skipped = append(skipped, block.Locate("luks2", fmt.Sprintf("key slot %d", k.id), k.off, err))
			continue
		}
		if key != nil {
			return key, k.id, nil
		}
	}
	return nil, 0, luks1.NoSlot(len(order), skipped)
}

// try returns nil if the passphrase does not open the slot.
func (m *metadata) try(ctx context.Context, b *crypt.Budget, k *keyslot, passphrase []byte) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	derived, err := b.Derive(ctx, &k.kdf, passphrase, k.areaKey)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	key, err := luks1.Material(m.r, k.off, k.spec, derived, k.keyLen, k.stripes, k.afHash)
	if err != nil {
		return nil, err
	}
	ok, err := m.payloadDigest.verify(ctx, b, key)
	if err != nil || !ok {
		clear(key)
		return nil, err
	}
	return key, nil
}

var priorities = [...]string{"ignore", "normal", "prefer"}

// use checks the metadata against the volume and fills in its Info.
func (v *Volume) use(r block.Reader, h *binaryHeader, m *metadata, detached bool) error {
	m.r = r
	v.v2 = m
	size := v.r.Size()
	fault := func(id int, class error, detail string, args ...any) error {
		return block.Errorf("luks2", fmt.Sprintf("segment %d", id), -1, class, detail, args...)
	}
	head := 2*m.hdrSize + m.keyslotsSize
	for i := range m.segments {
		s := &m.segments[i]
		s.sector = max(s.sector, luks1.Sector)
		switch {
		case s.off%luks1.Sector != 0:
			return fault(s.id, block.ErrCorrupt, "it begins at %#x, which is no sector", s.off)
		case !detached && s.off < head && s.off != 0:
			return fault(s.id, block.ErrCorrupt, "it begins at %#x, in the area of the key slots, which ends at %#x", s.off, head)
		case !detached && s.off == 0:
			return fault(s.id, block.ErrUnsupported, "the header is detached: the payload is in another file, which is to be opened with this header")
		case s.off > size:
			return fault(s.id, block.ErrTruncated, "it begins at %#x, the volume has %#x bytes", s.off, size)
		case s.size > size-s.off:
			return fault(s.id, block.ErrTruncated, "it has %#x bytes at %#x, the volume has %#x", s.size, s.off, size)
		case s.size >= 0 && s.size%int64(s.sector) != 0:
			return fault(s.id, block.ErrCorrupt, "%d bytes are no whole number of sectors", s.size)
		case i > 0 && s.sector != m.segments[0].sector, i > 0 && s.spec != m.segments[0].spec:
			return fault(s.id, block.ErrUnsupported, "segments with different sectors or ciphers")
		}
		if s.size < 0 {
			s.size = (size - s.off) / int64(s.sector) * int64(s.sector)
		}
		v.info.PayloadSize += s.size
	}
	first := m.segments[0]
	v.info.Version, v.info.UUID, v.info.Label, v.info.Subsystem, v.info.SequenceID = 2, h.uuid, h.label, h.subsystem, h.seqID
	v.info.Cipher, v.info.SectorSize, v.info.PayloadOffset = first.spec.String(), first.sector, first.off
	v.info.Tokens, v.info.Flags = m.tokens, m.flags
	for i := range m.slots {
		k := &m.slots[i]
		bound := slices.Contains(m.payloadDigest.slots, k.id)
		if bound && v.info.KeyBits == 0 {
			v.info.KeyBits = k.keyLen * 8
		}
		err := k.err
		if err != nil {
			err = block.Locate("luks2", fmt.Sprintf("key slot %d", k.id), k.off, err)
		}
		v.addSlot(Slot{ID: k.id, Unbound: !bound, Priority: priorities[k.priority], KeyBits: k.keyLen * 8, Cipher: k.spec.String(), Err: err}, &k.kdf, k.areaKey)
	}
	return nil
}
