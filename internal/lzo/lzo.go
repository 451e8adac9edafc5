// Package lzo decodes LZO1X, which squashfs and btrfs use. The format is that
// of the Linux kernel's documentation, Documentation/staging/lzo.rst; of its
// extensions, LZO-RLE is not among what filesystems hold and is not read.
package lzo

import "errors"

// What Decode fails with.
var (
	ErrCorrupt = errors.New("what LZO has compressed is damaged")
	ErrSpace   = errors.New("LZO: it holds more than there is room for")
)

// Decode decodes the whole of src, which ends with an end mark, into dst and
// returns how many bytes of dst it has filled. It writes nowhere else and keeps
// nothing.
func Decode(dst, src []byte) (int, error) {
	d := decoder{dst: dst, src: src}
	if err := d.run(); err != nil {
		return 0, err
	}
	return d.out, nil
}

type decoder struct {
	dst, src []byte
	out, in  int
}

// run follows the instructions. What the lowest of them mean depends on how
// many literals came just before: none, 1 to 3, or (as 4) more.
func (d *decoder) run() error {
	state := 0
	if len(d.src) > 0 && d.src[0] > 17 { // literals without an instruction
		n := int(d.src[0]) - 17
		d.in = 1
		if err := d.literals(n); err != nil {
			return err
		}
		state = min(n, 4)
	}
	for {
		c, err := d.next()
		if err != nil {
			return err
		}
		if c < 16 && state == 0 {
			n, err := d.length(c, 15)
			if err != nil {
				return err
			}
			if err := d.literals(n + 3); err != nil {
				return err
			}
			state = 4
			continue
		}
		var n, dist, after int
		switch {
		case c >= 64:
			h, err := d.next()
			if err != nil {
				return err
			}
			n, dist, after = c>>5+1, h<<3+c>>2&7+1, c&3
		case c >= 16:
			mask := 31
			if c < 32 {
				mask = 7
			}
			if n, err = d.length(c&mask, mask); err != nil {
				return err
			}
			if len(d.src)-d.in < 2 {
				return ErrCorrupt
			}
			v := int(d.src[d.in]) | int(d.src[d.in+1])<<8
			d.in += 2
			n, dist, after = n+2, v>>2+1, v&3
			if c < 32 {
				if dist += 16384 + c&8<<11 - 1; dist == 16384 { // the end mark
					if n != 3 || d.in != len(d.src) {
						return ErrCorrupt
					}
					return nil
				}
			}
		default:
			h, err := d.next()
			if err != nil {
				return err
			}
			n, dist, after = 2, h<<2+c>>2+1, c&3
			if state == 4 {
				n, dist = 3, dist+2048
			}
		}
		if err := d.match(dist, n); err != nil {
			return err
		}
		if err := d.literals(after); err != nil {
			return err
		}
		state = after
	}
}

func (d *decoder) next() (int, error) {
	if d.in >= len(d.src) {
		return 0, ErrCorrupt
	}
	d.in++
	return int(d.src[d.in-1]), nil
}

// length returns n, or where that is 0 more than full: 255 for each zero that
// follows, and the byte behind them.
func (d *decoder) length(n, full int) (int, error) {
	if n != 0 {
		return n, nil
	}
	for n = full; ; n += 255 {
		c, err := d.next()
		if err != nil {
			return 0, err
		}
		if c != 0 {
			return n + c, nil
		}
		if n > len(d.dst) {
			return 0, ErrSpace
		}
	}
}

func (d *decoder) literals(n int) error {
	switch {
	case n > len(d.src)-d.in:
		return ErrCorrupt
	case n > len(d.dst)-d.out:
		return ErrSpace
	}
	copy(d.dst[d.out:d.out+n], d.src[d.in:])
	d.in += n
	d.out += n
	return nil
}

// match copies n bytes from dist before. They may overlap.
func (d *decoder) match(dist, n int) error {
	switch {
	case dist > d.out:
		return ErrCorrupt
	case n > len(d.dst)-d.out:
		return ErrSpace
	}
	end := d.out + n
	for from := d.out - dist; d.out < end; {
		d.out += copy(d.dst[d.out:end], d.dst[from:d.out])
	}
	return nil
}
