package remote

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// S3 says how objects at s3://bucket/key are reached: those of Amazon, and of what
// speaks its protocol. Requests are signed by version 4 of its signatures, where there
// is a key; without one they are not signed, which public objects allow.
type S3 struct {
	// Endpoint is the address of a server that is not Amazon's; the bucket is a
	// part of the path there.
	Endpoint string
	// Region is that of the bucket, "" for us-east-1.
	Region string
	// KeyID, Secret and Token are the credentials.
	KeyID, Secret, Token string

	now func() time.Time // nil is time.Now
}

// S3FromEnvironment takes what the programs of Amazon take: AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile AWS_PROFILE of the files
// credentials and config in .aws of the home folder; AWS_REGION, AWS_ENDPOINT_URL_S3.
// Files that are not there are none.
func S3FromEnvironment(getenv func(string) string, home string) (*S3, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	s := &S3{Endpoint: first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), Region: first("AWS_REGION", "AWS_DEFAULT_REGION"),
		KeyID: getenv("AWS_ACCESS_KEY_ID"), Secret: getenv("AWS_SECRET_ACCESS_KEY"), Token: getenv("AWS_SESSION_TOKEN")}
	profile := first("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
	stated := profile != ""
	if !stated {
		profile = "default"
	}
	config, err := readProfile(first("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config"), "profile "+profile, profile)
	if err != nil {
		return nil, err
	}
	secrets, err := readProfile(first("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials"), profile)
	if err != nil {
		return nil, err
	}
	if stated && config == nil && secrets == nil {
		return nil, fmt.Errorf("%w: there is no profile %q of AWS", block.ErrOption, profile)
	}
	if s.Region == "" {
		s.Region = config["region"]
	}
	if s.Endpoint == "" {
		s.Endpoint = config["endpoint_url"]
	}
	for _, from := range []map[string]string{secrets, config} {
		if s.KeyID == "" && from["aws_access_key_id"] != "" {
			s.KeyID, s.Secret, s.Token = from["aws_access_key_id"], from["aws_secret_access_key"], from["aws_session_token"]
		}
	}
	if (s.KeyID == "") != (s.Secret == "") {
		return nil, fmt.Errorf("%w: of the credentials of AWS, one of key and secret is missing", block.ErrOption)
	}
	return s, nil
}

// readProfile reads a section of a file, by the first of its names that there is; nil
// if there is none.
func readProfile(stated, usual string, names ...string) (map[string]string, error) {
	file := stated
	if file == "" {
		file = usual
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) && stated == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sections := map[string]map[string]string{}
	var at map[string]string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			at = map[string]string{}
			sections[strings.Join(strings.Fields(line[1:len(line)-1]), " ")] = at
		default:
			if k, v, ok := strings.Cut(line, "="); ok && at != nil {
				at[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
	}
	for _, n := range names {
		if s := sections[n]; s != nil {
			return s, lines.Err()
		}
	}
	return nil, lines.Err()
}

// isS3 reports whether an address is that of an object of S3.
func isS3(address string) bool { return strings.HasPrefix(strings.ToLower(address), "s3://") }

// openS3 opens an object by its address over HTTP.
func (o *Options) openS3(address string) (format.Source, error) {
	u, s, err := o.s3Object(address)
	if err != nil {
		return nil, err
	}
	c := *o
	c.signed = s
	return Open(u.String(), &c)
}

// s3Object is where an object is over HTTP, and what signs requests for it.
func (o *Options) s3Object(address string) (*url.URL, *S3, error) {
	wrong := func(text string) (*url.URL, *S3, error) {
		return nil, nil, &block.Error{What: "s3 address", Off: -1, Err: fmt.Errorf("%w: %s", block.ErrOption, text)}
	}
	if o == nil || o.S3 == nil {
		return wrong("nothing says how S3 is reached")
	}
	bucket, key, _ := strings.Cut(address[len("s3://"):], "/")
	if bucket == "" || key == "" || strings.ContainsAny(bucket, "?#@:") {
		return wrong("it is s3://bucket/key")
	}
	s := *o.S3
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	if strings.ContainsFunc(s.Region, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return wrong("the region is no name")
	}
	var u *url.URL
	switch {
	case s.Endpoint != "":
		var err error
		if u, err = url.Parse(s.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" {
			return wrong("the endpoint is no address of http or https")
		}
		u = u.JoinPath() // a copy
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" + bucket + "/" + key
	case strings.Contains(bucket, "."): // no certificate fits it as a part of a name
		u = &url.URL{Scheme: "https", Host: "s3." + s.Region + ".amazonaws.com", Path: "/" + bucket + "/" + key}
	default:
		u = &url.URL{Scheme: "https", Host: bucket + ".s3." + s.Region + ".amazonaws.com", Path: "/" + key}
	}
	u.RawPath = awsEscape(u.Path, true)
	return u, &s, nil
}

// A signer signs what goes to one host.
type signer struct {
	http.RoundTripper
	s3   *S3
	host string
}

func (s *signer) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.s3.KeyID == "" || req.URL.Host != s.host {
		return s.RoundTripper.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	now := time.Now
	if s.s3.now != nil {
		now = s.s3.now
	}
	s.s3.sign(req, now().UTC(), emptySum)
	return s.RoundTripper.RoundTrip(req)
}

// CloseIdleConnections is what http.Client looks for.
func (s *signer) CloseIdleConnections() {
	if c, ok := s.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// emptySum is the checksum of a body of nothing.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign adds the headers of a signature ("Signature Version 4" in the reference of the
// API of Amazon S3); sum is that of the body.
func (s *S3) sign(req *http.Request, at time.Time, sum string) {
	date := at.Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", date)
	req.Header.Set("X-Amz-Content-Sha256", sum)
	if s.Token != "" {
		req.Header.Set("X-Amz-Security-Token", s.Token)
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	headers := map[string]string{"host": host}
	for name, values := range req.Header {
		if name = strings.ToLower(name); name == "range" || name == "date" || strings.HasPrefix(name, "x-amz-") {
			headers[name] = strings.TrimSpace(strings.Join(values, ","))
		}
	}
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", req.Method, awsEscape(req.URL.Path, true), awsQuery(req.URL.Query()))
	for _, name := range names {
		fmt.Fprintf(&canonical, "%s:%s\n", name, headers[name])
	}
	signed := strings.Join(names, ";")
	fmt.Fprintf(&canonical, "\n%s\n%s", signed, sum)
	request := sha256.Sum256([]byte(canonical.String()))
	scope := date[:8] + "/" + s.Region + "/s3/aws4_request"
	key := []byte("AWS4" + s.Secret)
	for _, part := range []string{date[:8], s.Region, "s3", "aws4_request"} {
		key = hmacOf(key, part)
	}
	signature := hmacOf(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(request[:]))
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%x", s.KeyID, scope, signed, signature))
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// awsEscape writes what is neither a letter, a digit nor one of "-_.~" as %XX.
func awsEscape(s string, slashes bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0, c == '/' && slashes:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func awsQuery(q url.Values) string {
	var parts []string
	for k, values := range q {
		for _, v := range values {
			parts = append(parts, awsEscape(k, false)+"="+awsEscape(v, false))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}
