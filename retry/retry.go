// Package retry runs a function again after failures that may pass: with a pause
// that doubles from one attempt to the next, and is drawn at random between
// nothing and that (full jitter), so that many clients of one server do not come
// back at once.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Policy says how often and how long. The zero value is [Default].
type Policy struct {
	// Attempts is how often the function runs at most; 0 means 6, 1 never again.
	Attempts int
	// First is the longest pause after the first failure, 0 for 200 ms. Each
	// further one may be Factor times as long, 0 for 2, up to Longest, 0 for 10 s.
	First, Longest time.Duration
	Factor         float64
	// Total bounds the time of all attempts and pauses together, 0 for two
	// minutes. A pause that would end later is not begun.
	Total time.Duration
	// Random gives numbers from 0 up to 1, for the jitter; nil is the runtime's.
	Random func() float64
	// Notify is told of each failure after which there is another attempt.
	Notify func(err error, pause time.Duration)
}

// Default is the policy of the zero value, written out.
func Default() Policy {
	return Policy{Attempts: 6, First: 200 * time.Millisecond, Longest: 10 * time.Second, Factor: 2, Total: 2 * time.Minute, Random: rand.Float64}
}

func (p Policy) filled() Policy {
	d := Default()
	if p.Attempts > 0 {
		d.Attempts = p.Attempts
	}
	if p.First > 0 {
		d.First = p.First
	}
	if p.Longest > 0 {
		d.Longest = p.Longest
	}
	if p.Factor > 0 {
		d.Factor = p.Factor
	}
	if p.Total > 0 {
		d.Total = p.Total
	}
	if p.Random != nil {
		d.Random = p.Random
	}
	d.Notify = p.Notify
	return d
}

// jitter implements backoff.BackOff.
type jitter struct {
	p    Policy
	next time.Duration
}

func (j *jitter) Reset() { j.next = j.p.First }

func (j *jitter) NextBackOff() time.Duration {
	pause := time.Duration(j.p.Random() * float64(j.next))
	j.next = time.Duration(min(float64(j.next)*j.p.Factor, float64(j.p.Longest)))
	return pause
}

// Do runs fn until it succeeds, fails for good (see [Permanent]), or the policy or
// ctx ends it. Its error is the last one of fn, joined with that of ctx where that
// ended it.
func Do[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	p = p.filled()
	var last error
	out, err := backoff.Retry(ctx, func() (T, error) {
		v, err := fn(ctx)
		if err != nil {
			last = err
		}
		var a *after
		if errors.As(err, &a) {
			err = errors.Join(&backoff.RetryAfterError{Duration: a.pause}, err)
		}
		return v, err
	}, backoff.WithBackOff(&jitter{p: p}), backoff.WithMaxTries(uint(p.Attempts)), backoff.WithMaxElapsedTime(p.Total), backoff.WithNotify(func(err error, pause time.Duration) {
		if p.Notify != nil {
			p.Notify(plain(last), pause)
		}
	}))
	if err == nil {
		return out, nil
	}
	if cerr := context.Cause(ctx); cerr != nil && !errors.Is(last, cerr) {
		return out, errors.Join(cerr, plain(last))
	}
	return out, plain(last)
}

// plain takes off what only this package understands.
func plain(err error) error {
	var p *backoff.PermanentError
	var a *after
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &a):
		return a.err
	}
	return err
}

// Permanent marks an error after which no further attempt helps.
func Permanent(err error) error { return backoff.Permanent(err) }

// After marks an error after which the next attempt is to wait that long: what a
// server says with Retry-After.
func After(pause time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &after{pause, err}
}

type after struct {
	pause time.Duration
	err   error
}

func (a *after) Error() string { return a.err.Error() }
func (a *after) Unwrap() error { return a.err }
