package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/retry"
)

// TestSignature signs the request that the reference of the API of Amazon S3 signs
// ("Authenticating Requests: Using the Authorization Header", example GET Object).
func TestSignature(t *testing.T) {
	req, err := http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=0-9")
	s := &S3{Region: "us-east-1", KeyID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	s.sign(req, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), emptySum)
	const want = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
	if got := req.Header.Get("Authorization"); got != want {
		t.Errorf("%s\nis not\n%s", got, want)
	}
	// The example GET Bucket Lifecycle, which has a query.
	req, _ = http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", nil)
	s.sign(req, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), emptySum)
	if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543") {
		t.Error(got)
	}
}

// TestPutSignature signs the example PUT Object of the same reference.
func TestPutSignature(t *testing.T) {
	req, err := http.NewRequest("PUT", "https://examplebucket.s3.amazonaws.com/test%24file.text", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Date", "Fri, 24 May 2013 00:00:00 GMT")
	req.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
	s := &S3{Region: "us-east-1", KeyID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	s.sign(req, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
	if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd") {
		t.Error(got)
	}
}

// TestPut writes an object, through failures that pass and some that do not.
func TestPut(t *testing.T) {
	var body []byte
	var code, seen int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen++
		if code != 0 && (seen == 1 || code < 500) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			return
		}
		body, _ = io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		if r.Method != "PUT" || r.URL.Path != "/bucket/out/rows.jsonl" || r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) || r.ContentLength != int64(len(body)) {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	for _, c := range []struct {
		code int
		err  error
		seen int
	}{{0, nil, 1}, {500, nil, 2}, {503, nil, 2}, {403, fs.ErrPermission, 1}, {404, fs.ErrNotExist, 1}, {307, errServer, 1}, {400, errServer, 1}} {
		code, seen, body = c.code, 0, nil
		o := &Options{S3: &S3{Endpoint: srv.URL, KeyID: "id", Secret: "secret"}, Retry: retry.Policy{Attempts: 3, First: time.Microsecond, Longest: time.Microsecond}}
		err := o.Put(t.Context(), "s3://bucket/out/rows.jsonl", []byte("{}\n"), "application/jsonl")
		if !errors.Is(err, c.err) || c.err == nil && string(body) != "{}\n" || seen != c.seen {
			t.Errorf("%d: %v, %d requests, %q", c.code, err, seen, body)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	for _, bad := range []string{"https://example.org/x", "s3://bucket", "out"} {
		if err := (&Options{S3: &S3{}}).Put(t.Context(), bad, nil, ""); !errors.Is(err, block.ErrOption) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestS3Server reads an object by its key, signed and not.
func TestS3Server(t *testing.T) {
	var seen []*http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Clone(r.Context()))
		if r.URL.Path != "/bucket/a b+c=d/ü.raw" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"x"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("content ", 1000)))
	}))
	defer srv.Close()
	o := &Options{S3: &S3{Endpoint: srv.URL, KeyID: "id", Secret: "secret", Token: "token"}}
	src, err := o.Open("s3://bucket/a b+c=d/ü.raw")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if src.Size() != 8000 {
		t.Errorf("%d bytes", src.Size())
	}
	r := seen[0]
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=id/") || r.Header.Get("X-Amz-Security-Token") != "token" || r.URL.EscapedPath() != "/bucket/a%20b%2Bc%3Dd/%C3%BC.raw" {
		t.Errorf("%s %v", r.URL.EscapedPath(), r.Header)
	}
	seen = nil
	o.S3 = &S3{Endpoint: srv.URL}
	if src, err := o.Open("s3://bucket/a b+c=d/ü.raw"); err != nil || seen[0].Header.Get("Authorization") != "" {
		t.Errorf("without a key: %v", err)
	} else {
		src.Close()
	}
	for _, bad := range []string{"s3://", "s3://bucket", "s3:///key", "s3://bucket/", "s3://a@b/key"} {
		if _, err := o.Open(bad); err == nil || !strings.Contains(err.Error(), block.ErrOption.Error()) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := (&Options{}).Open("s3://bucket/key"); err == nil {
		t.Error("it opens without a word on S3")
	}
}

// TestS3Environment takes credentials as the programs of Amazon do.
func TestS3Environment(t *testing.T) {
	home := t.TempDir()
	os.Mkdir(filepath.Join(home, ".aws"), 0o700)
	os.WriteFile(filepath.Join(home, ".aws", "credentials"), []byte("[default]\naws_access_key_id = A\naws_secret_access_key = B\n\n# else\n[other]\naws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E\n[half]\naws_access_key_id=C\n"), 0o600)
	os.WriteFile(filepath.Join(home, ".aws", "config"), []byte("[default]\nregion = eu-central-1\n[profile other]\nregion=us-west-2\nendpoint_url=http://localhost:9000\n"), 0o600)
	for _, x := range []struct {
		env  map[string]string
		want S3
		bad  bool
	}{
		{nil, S3{Region: "eu-central-1", KeyID: "A", Secret: "B"}, false},
		{map[string]string{"AWS_PROFILE": "other"}, S3{Endpoint: "http://localhost:9000", Region: "us-west-2", KeyID: "C", Secret: "D", Token: "E"}, false},
		{map[string]string{"AWS_ACCESS_KEY_ID": "X", "AWS_SECRET_ACCESS_KEY": "Y", "AWS_REGION": "r"}, S3{Region: "r", KeyID: "X", Secret: "Y"}, false},
		{map[string]string{"AWS_PROFILE": "none"}, S3{}, true},
		{map[string]string{"AWS_PROFILE": "half"}, S3{}, true},
		{map[string]string{"AWS_ACCESS_KEY_ID": "X"}, S3{}, true},
		{map[string]string{"AWS_CONFIG_FILE": filepath.Join(home, "nowhere")}, S3{}, true},
	} {
		s, err := S3FromEnvironment(func(k string) string { return x.env[k] }, home)
		switch {
		case x.bad != (err != nil):
			t.Errorf("%v: %v", x.env, err)
		case err == nil && (s.Endpoint != x.want.Endpoint || s.Region != x.want.Region || s.KeyID != x.want.KeyID || s.Secret != x.want.Secret || s.Token != x.want.Token):
			t.Errorf("%v: %+v", x.env, s)
		}
	}
	if s, err := S3FromEnvironment(func(string) string { return "" }, t.TempDir()); err != nil || s.KeyID != "" {
		t.Errorf("nothing: %+v, %v", s, err)
	}
}
