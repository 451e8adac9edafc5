package format

import (
	"fmt"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// A chain opens one image of a chain of images, and through its opener the
// files that this one names.
type chain struct {
	opts  *Options
	src   Source
	above []Source // the images that led here
}

// newChain prepares to open the first image of a chain.
func newChain(src Source, o *Options) *chain {
	if o == nil {
		o = &Options{}
	}
	return &chain{opts: o, src: src}
}

// options are what the image is opened by: with an Opener for what it names.
func (c *chain) options() *Options {
	o := *c.opts
	o.name = baseName(c.src.Name())
	o.depth = len(c.above)
	if o.Opener == nil {
		o.Opener = func(ref block.Ref) (block.Device, error) {
			d, err := c.follow(ref)
			if err != nil {
				return nil, err
			}
			return d, nil
		}
	}
	return &o
}

// open opens the image, which has no hold on the Source.
func (c *chain) open() (*image, error) {
	images, err := c.openAll(false)
	if err != nil {
		return nil, err
	}
	return images[0], nil
}

// openAll is open for all disks of a package, where all are wanted.
func (c *chain) openAll(all bool) ([]*image, error) {
	o := c.options()
	var behind []Image
	var parts []string // of the disk itself: extents, a data file
	var below []*Info
	if c.opts.Opener == nil {
		o.Opener = func(ref block.Ref) (block.Device, error) {
			d, err := c.follow(ref)
			if err != nil {
				return nil, err
			}
			behind = append(behind, d)
			switch info := d.Info(); ref.Kind {
			case "extent", "data file":
				parts = append(parts, info.Name)
			default:
				below = append(below, info)
			}
			return d, nil
		}
	}
	var out []*image
	err := openEach(c.src, o, c.src.Name(), all, func(im *image) {
		for _, b := range below {
			b := *b
			im.info.Chain = append(im.info.Chain, &b)
			im.info.Chain = append(im.info.Chain, b.Chain...)
			b.Chain = nil
		}
		im.src, im.behind, im.info.Files = c.src, behind, parts
		behind, parts, below = nil, nil, nil // the next one is told what is opened from here on
		out = append(out, im)
	})
	if err == nil && len(out) == 0 {
		err = &DisksError{}
	}
	if err != nil {
		for _, im := range out {
			im.Close()
		}
		return nil, err
	}
	return out, nil
}

// own has images close the Source that they were opened from: the last of them.
func own(src Source, images []*image) {
	users := &atomic.Int64{}
	users.Store(int64(len(images)))
	for _, im := range images {
		var closed atomic.Bool
		im.release = func() error {
			if !closed.Swap(true) && users.Add(-1) == 0 {
				return src.Close()
			}
			return nil
		}
	}
}

// follow opens a file that this image names.
func (c *chain) follow(ref block.Ref) (Image, error) {
	most := c.opts.MaxDepth
	if most == 0 {
		most = DefaultMaxDepth
	}
	if len(c.above) >= most {
		return nil, refError(ref, block.ErrLimit, "the backing chain is longer than %d images", most)
	}
	ref, err := plainRef(ref)
	if err != nil {
		return nil, err
	}
	src, err := c.openRef(ref)
	if err != nil {
		return nil, err
	}
	var odd error
	if ref.Format == "" {
		if odd, err = unstated(ref, src); err != nil {
			src.Close()
			return nil, err
		}
		ref.Format = "raw"
	}
	above := append(c.above[:len(c.above):len(c.above)], c.src)
	for _, a := range above {
		if src.Same(a) {
			src.Close()
			return nil, refError(ref, block.ErrLoop, "the image names itself, or one that it lies behind")
		}
	}
	o := *c.opts
	o.Format, o.Snapshot, o.Unwrap = ref.Format, "", false
	im, err := (&chain{opts: &o, src: src, above: above}).open()
	if err != nil {
		src.Close()
		return nil, err
	}
	own(src, []*image{im})
	if odd != nil {
		im.odd = append(im.odd, odd)
	}
	return im, nil
}

// unstated looks at a file whose format nothing states. Where nothing in it tells
// one either, there is but one way to read it; odd says so. Any other is refused.
func unstated(ref block.Ref, src Source) (odd, err error) {
	found, err := Probe(src)
	if err != nil || !isContent(found.Format) {
		return nil, refError(ref, block.ErrRefused, "the image does not state its format, and its content is not trusted to tell it; Options.BackingFormat states it%s", looks(found))
	}
	return block.Errorf("", ref.Kind, -1, block.ErrUnsupported, "%q: the image does not state its format; it is read as raw, since nothing in it tells another", ref.Name), nil
}

func looks(d Detection) string {
	if d.Format == "" {
		return ""
	}
	return "; it looks like " + d.Format
}

func refError(ref block.Ref, class error, detail string, args ...any) error {
	detail = fmt.Sprintf(detail, args...)
	return block.Errorf("", ref.Kind, -1, class, "%q: %s", ref.Name, detail)
}
