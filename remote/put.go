package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/retry"
)

// MaxPut is how large an object can be that is put in one piece, in bytes ("Amazon S3
// multipart upload limits").
const MaxPut = 5 << 30

// Put writes an object at s3://bucket/key, in place of one that is there: a report,
// rows of a table. It is there whole or not at all. Failures that may pass are tried
// again by o.Retry. The errors are those of Open.
func (o *Options) Put(ctx context.Context, address string, content []byte, mediaType string) error {
	wrong := func(text string) error {
		return &block.Error{What: "s3 address", Off: -1, Err: fmt.Errorf("%w: %s", block.ErrOption, text)}
	}
	if !isS3(address) {
		return wrong("objects are written to s3://bucket/key")
	}
	if int64(len(content)) > MaxPut {
		return wrong("an object that is put in one piece has 5 GiB at most")
	}
	u, s3, err := o.s3Object(address)
	if err != nil {
		return err
	}
	o = o.filled()
	s := &source{o: o, ctx: ctx, first: u, at: u}
	client := s.newClient()
	// What a redirect leads to has another signature, and none is made for it.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer client.CloseIdleConnections()
	sum := sha256.Sum256(content)
	_, err = retry.Do(ctx, o.Retry, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, o.Timeout+time.Duration(len(content)>>20)*time.Second) // a MiB a second
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), bytes.NewReader(content))
		if err != nil {
			return struct{}{}, retry.Permanent(s.fail(block.ErrOption, "it is no address"))
		}
		req.Header.Set("User-Agent", "guestkit")
		if mediaType != "" {
			req.Header.Set("Content-Type", mediaType)
		}
		if s3.KeyID != "" {
			now := time.Now
			if s3.now != nil {
				now = s3.now
			}
			s3.sign(req, now().UTC(), hex.EncodeToString(sum[:]))
		}
		o.Count.Requests.Add(1)
		res, err := client.Do(req)
		if err != nil {
			return struct{}{}, plainError(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // the connection is used again
		return struct{}{}, s.put(res)
	})
	return err
}

// put turns the codes that are no success into errors.
func (s *source) put(res *http.Response) error {
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusNotFound:
		return retry.Permanent(s.fail(fs.ErrNotExist, "%s", res.Status))
	case code >= 300 && code < 400:
		return retry.Permanent(s.fail(errServer, "%s: the bucket is elsewhere; state its region", res.Status))
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return retry.Permanent(s.fail(fs.ErrPermission, "%s", res.Status))
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		err := s.fail(errServer, "%s", res.Status)
		if pause, ok := retryAfter(res.Header.Get("Retry-After")); ok {
			return retry.After(pause, err)
		}
		return err
	}
	return retry.Permanent(s.fail(errServer, "%s", res.Status))
}
