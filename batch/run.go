package batch

import (
	"context"
	"iter"
	"runtime"
	"sync"
)

// Run calls work for each image, for at most jobs of them at a time (0: as many as
// there are processors), and gives what it returns to done, one after the other, in
// the order in which they come. What is not yet done with keeps no further image
// from being worked on, but jobs of them: memory does not grow with their number.
//
// An error of done, and the end of ctx, end the run; what is under way is waited
// for. The error is that one.
func Run[T any](ctx context.Context, images iter.Seq[Image], jobs int, work func(context.Context, Image) T, done func(Image, T) error) error {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	type result struct {
		image Image
		value T
	}
	queue, results := make(chan Image), make(chan result)
	go func() {
		defer close(queue)
		for img := range images {
			select {
			case queue <- img:
			case <-ctx.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for img := range queue {
				if ctx.Err() != nil {
					return
				}
				r := result{img, work(ctx, img)}
				select {
				case results <- r:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		if ctx.Err() != nil {
			continue
		}
		if err := done(r.image, r.value); err != nil {
			end(err)
		}
	}
	return context.Cause(ctx)
}
