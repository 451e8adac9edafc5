//go:build cgo

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
)

// methods are what GuestkitCall knows.
var methods = map[string]func(request []byte) (any, error){
	"open":       with(open),
	"close":      with(closeHandle),
	"inspect":    with(inspectGuest),
	"volumes":    with(volumes),
	"fs":         with(openFS),
	"listdir":    with(listDir),
	"stat":       with(stat),
	"readlink":   with(readLink),
	"open_file":  with(openGuestFile),
	"file_error": with(fileError),
	"detect":     with(detect),
	"info":       with(info),
	"convert":    with(convertImage),
	"cancel":     with(cancel),
	"progress":   with(progress),
}

// with decodes the request of a method.
func with[T any](m func(T) (any, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) {
		var request T
		if err := json.Unmarshal(b, &request); err != nil {
			return nil, &block.Error{What: "request", Off: -1, Err: errors.Join(block.ErrOption, err)}
		}
		return m(request)
	}
}

// An opening says which disks are opened, and how.
type opening struct {
	Paths     []hostPath `json:"paths"`
	Format    string     `json:"format"`
	AllowDirs []hostPath `json:"allow_dirs"`
	Keys      []string   `json:"keys"` // passphrases, each tried on each volume
	// Objects are what the caller reads for us, by what they are called in Paths.
	Objects map[string]object `json:"objects"`
	// Environment is how the caller reaches S3: its own, which may have changed since
	// this library was loaded.
	Environment map[string]string `json:"environment"`
	// Op is the number by which the call is cancelled.
	Op int64 `json:"op"`

	ctx context.Context // of what is fetched, nil if nothing ends it
}

// A hostPath is a path of the host, which is bytes: {"base64": …} where these are no text.
type hostPath string

// UnmarshalJSON implements json.Unmarshaler.
func (p *hostPath) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return json.Unmarshal(b, (*string)(p))
	}
	var raw struct {
		Base64 []byte `json:"base64"`
	}
	err := json.Unmarshal(b, &raw)
	*p = hostPath(raw.Base64)
	return err
}

func texts(paths []hostPath) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		out = append(out, string(p))
	}
	return out
}

func (o *opening) format() *format.Options {
	return &format.Options{Format: o.Format, FollowOwnDir: true, AllowDirs: texts(o.AllowDirs), Unwrap: true, Remote: o.openAddress}
}

func open(o opening) (any, error) {
	if len(o.Paths) == 0 {
		return nil, &block.Error{What: "open", Off: -1, Err: block.ErrOption}
	}
	// What is fetched ends with the call while that runs, and then with the guest.
	call, _, end := begin(o.Op)
	defer end()
	life, kill := context.WithCancel(context.Background())
	stop := context.AfterFunc(call, kill)
	o.ctx = life
	g, err := guestkit.OpenDisks(texts(o.Paths), &guestkit.Options{Format: o.format(), Unlock: unlock(o.Keys)})
	if err == nil && !stop() {
		err = errors.Join(context.Canceled, g.Close())
	}
	if err != nil {
		kill()
		return nil, err
	}
	return put(&guest{Guest: g, kill: kill}), nil
}

type handle struct {
	Handle int64 `json:"handle"`
}

func closeHandle(h handle) (any, error) {
	switch x := drop(h.Handle).(type) {
	case *guest:
		defer x.kill()
		return nil, x.Close()
	case *openFile:
		return nil, x.Close()
	}
	return nil, nil // a tree closes with its guest
}

type look struct {
	handle
	Packages bool  `json:"packages"`
	Op       int64 `json:"op"`
}

// A volumeDoc is a volume, by the names of docs/json.md.
type volumeDoc struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Size    int64  `json:"size"`
	Content string `json:"content"`
	Label   string `json:"label"`
	UUID    string `json:"uuid"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
}

type reportDoc struct {
	Volumes  []volumeDoc       `json:"volumes"`
	Systems  []*inspect.System `json:"systems"`
	Complete bool              `json:"complete"`
	Problems []string          `json:"problems"`
}

func newReport(rep *inspect.Report) *reportDoc {
	d := &reportDoc{Volumes: []volumeDoc{}, Systems: []*inspect.System{}, Problems: []string{}, Complete: len(rep.Unread()) == 0}
	for _, v := range rep.Volumes {
		d.Volumes = append(d.Volumes, volumeDoc{v.Name, string(v.Kind), v.Size, v.Content, vfs.EscapeTarget(v.Label), v.UUID, string(v.Status), v.Reason})
	}
	d.Systems = append(d.Systems, rep.Systems...)
	for _, err := range rep.Problems() {
		d.Problems = append(d.Problems, err.Error())
	}
	return d
}

func inspectGuest(l look) (any, error) {
	g, err := get[*guest](l.Handle)
	if err != nil {
		return nil, err
	}
	ctx, _, end := begin(l.Op)
	defer end()
	rep, err := g.inspected(ctx)
	if err != nil {
		return nil, err
	}
	return newReport(rep), nil
}

func volumes(l look) (any, error) {
	g, err := get[*guest](l.Handle)
	if err != nil {
		return nil, err
	}
	ctx, _, end := begin(l.Op)
	defer end()
	rep, err := g.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	return newReport(rep), nil
}

// tree is what fs makes.
type tree struct{ vfs.FS }

type choice struct {
	look
	Volume string `json:"volume"`
}

// openFS opens the tree of the only system, or of a volume.
func openFS(c choice) (any, error) {
	g, err := get[*guest](c.Handle)
	if err != nil {
		return nil, err
	}
	ctx, _, end := begin(c.Op)
	defer end()
	rep, err := g.inspected(ctx)
	if err != nil {
		return nil, err
	}
	none := func(text string) error { return &block.Error{What: text, Off: -1, Err: fs.ErrNotExist} }
	var fsys vfs.FS
	switch {
	case c.Volume != "":
		v, ok := rep.Volume(c.Volume)
		if !ok {
			return nil, none("volume " + c.Volume)
		}
		fsys, err = v.FS()
	case len(rep.Systems) == 1:
		fsys, err = rep.Systems[0].FS()
	case len(rep.Systems) > 1:
		return nil, &block.Error{What: "system", Off: -1, Err: block.ErrAmbiguous}
	default:
		var only *inspect.Volume
		for _, v := range rep.Volumes {
			if v.Status != inspect.StatusRead {
				continue
			}
			if only != nil {
				return nil, &block.Error{What: "filesystem", Off: -1, Err: block.ErrAmbiguous}
			}
			only = v
		}
		if only == nil {
			return nil, none("filesystem")
		}
		fsys, err = only.FS()
	}
	if err != nil {
		return nil, err
	}
	return put(&tree{fsys}), nil
}

type place struct {
	handle
	Path   string `json:"path"`
	Follow bool   `json:"follow"`
}

type statDoc struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // "file", "directory", "link", "other"
	Size  int64  `json:"size"`
	Mode  uint32 `json:"mode"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Mtime string `json:"mtime"`
}

func newStat(name string, st *vfs.Stat) statDoc {
	d := statDoc{Name: name, Type: "other", Size: st.Size, Mode: uint32(st.Mode.Perm()), UID: st.UID, GID: st.GID}
	switch {
	case st.Mode.IsRegular():
		d.Type = "file"
	case st.Mode.IsDir():
		d.Type = "directory"
	case st.Mode&fs.ModeSymlink != 0:
		d.Type = "link"
	}
	if !st.Mtime.IsZero() {
		d.Mtime = st.Mtime.UTC().Format(time.RFC3339Nano)
	}
	return d
}

func (p *place) node() (*vfs.Node, error) {
	t, err := get[*tree](p.Handle)
	if err != nil {
		return nil, err
	}
	return vfs.Find(t.FS, vfs.Path(p.Path), p.Follow)
}

func listDir(p place) (any, error) {
	p.Follow = true
	n, err := p.node()
	if err != nil {
		return nil, err
	}
	children, err := n.Children()
	if err != nil {
		return nil, err
	}
	out := make([]statDoc, 0, len(children))
	for _, c := range children {
		child, err := c.Node()
		if err != nil {
			return nil, err
		}
		out = append(out, newStat(vfs.Escape(c.Name()), child.Stat()))
	}
	return out, nil
}

func stat(p place) (any, error) {
	n, err := p.node()
	if err != nil {
		return nil, err
	}
	return newStat(vfs.Escape(n.Name()), n.Stat()), nil
}

func readLink(p place) (any, error) {
	n, err := p.node()
	if err != nil {
		return nil, err
	}
	target, err := n.ReadLink()
	return vfs.EscapeTarget(target), err
}

func openGuestFile(p place) (any, error) {
	p.Follow = true
	n, err := p.node()
	if err != nil {
		return nil, err
	}
	f, err := n.Open()
	if err != nil {
		return nil, err
	}
	return map[string]int64{"handle": put(&openFile{File: f}), "size": f.Size()}, nil
}

func fileError(h handle) (any, error) {
	f, err := get[*openFile](h.Handle)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return nil, f.err
}

func detect(o opening) (any, error) {
	ctx, _, end := begin(o.Op)
	defer end()
	o.ctx = ctx
	src, err := format.PathSource(strings.Join(texts(o.Paths), ""), o.format())
	if err != nil {
		return nil, err
	}
	defer src.Close()
	found, err := format.Probe(src)
	return found.Format, err
}

type infoDoc struct {
	Path        string `json:"path"`
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual_size"`
	Allocated   int64  `json:"allocated"`
}

func info(o opening) (any, error) {
	ctx, _, end := begin(o.Op)
	defer end()
	o.ctx = ctx
	path := strings.Join(texts(o.Paths), "")
	i, _, err := format.DescribeFile(path, o.format())
	if err != nil {
		return nil, err
	}
	return infoDoc{path, i.Format, i.VirtualSize, i.Allocated}, nil
}

type conversion struct {
	opening
	Output   hostPath `json:"output"`
	To       string   `json:"to"`
	Compress bool     `json:"compress"`
	Force    bool     `json:"force"`
}

func convertImage(c conversion) (any, error) {
	ctx, op, end := begin(c.Op)
	defer end()
	c.ctx = ctx
	start := time.Now()
	o := &guestkit.ConvertOptions{Format: c.format(), Output: convert.Output{Format: c.To, Verify: true, File: convert.FileOptions{Replace: c.Force}}}
	if c.Compress {
		o.Copy.Compress = true
		if o.Output.Format == "" {
			o.Output.Format = convert.FormatOf(string(c.Output))
		}
		if err := o.Output.SetCompression("", ""); err != nil {
			return nil, err
		}
	}
	o.Copy.Progress = func(p convert.Progress) {
		table.Lock()
		defer table.Unlock()
		op.done, op.total = p.Done, p.Total
	}
	done, err := guestkit.Convert(ctx, strings.Join(texts(c.Paths), ""), string(c.Output), o)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"output_format": done.Output.Format, "seconds": time.Since(start).Seconds()}
	if len(done.Sources) > 0 {
		out["source_format"], out["virtual_size"] = done.Sources[0].Format, done.Sources[0].VirtualSize
	}
	return out, nil
}

type number struct {
	Op int64 `json:"op"`
}

func cancel(n number) (any, error) {
	table.Lock()
	defer table.Unlock()
	if op := table.running[n.Op]; op != nil {
		op.cancel()
	}
	return nil, nil
}

func progress(n number) (any, error) {
	table.Lock()
	defer table.Unlock()
	if op := table.running[n.Op]; op != nil {
		return []int64{op.done, op.total}, nil
	}
	return []int64{0, 0}, nil
}

// unlock tries each passphrase in turn.
func unlock(keys []string) block.Unlock {
	if len(keys) == 0 {
		return nil
	}
	return func(_ context.Context, need block.KeyNeed) ([]byte, error) {
		if need.Attempt >= len(keys) {
			return nil, block.ErrEncrypted
		}
		return []byte(keys[need.Attempt]), nil
	}
}
