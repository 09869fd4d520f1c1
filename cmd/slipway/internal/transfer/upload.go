package transfer

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// saveEvery is how much work a killed push or pull repeats.
const saveEvery = 2 * time.Second

// upload sends every block that holds data and is not there yet.
func (p *pusher) upload(ctx context.Context) error {
	spans, err := p.src.spans()
	if err != nil {
		return err
	}
	total, had := int64(0), int64(p.state.Done.count())*BlockSize
	for _, s := range spans {
		total += int64(s.end-s.first) * BlockSize
	}
	p.report.Start("upload", had, total)
	defer p.report.End()

	var sent atomic.Int64
	todo := func(give func(int) bool) {
		for _, s := range spans {
			for i := s.first; i < s.end; i++ {
				if !p.state.Done.has(i) && !give(i) {
					return
				}
			}
		}
	}
	buffers := sync.Pool{New: func() any { b := make([]byte, BlockSize); return &b }}
	err = inParallel(ctx, p.o.Parallel, todo, p.state.save, func(ctx context.Context, i int) error {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		if err := p.src.readBlock(i, *buf); err != nil {
			return err
		}
		// What is never written reads as zeros.
		if !bytes.Equal(*buf, zeros[:]) {
			if err := p.send(ctx, i, *buf, checksum(*buf)); err != nil {
				return err
			}
			sent.Add(BlockSize)
			p.state.Done.set(i)
		}
		p.report.Add(BlockSize)
		return nil
	})
	p.result.SentBytes = sent.Load()
	if err != nil {
		return err
	}
	return p.state.save()
}

// inParallel has n goroutines work on what todo gives, calls save now and then
// and before it returns the first error. todo stops when give says
// false.
func inParallel[T any](ctx context.Context, n int, todo func(give func(T) bool), save func() error, work func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	items := make(chan T, n)
	go func() {
		defer close(items)
		todo(func(v T) bool {
			select {
			case items <- v:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	saved := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(saved)
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := save(); err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for v := range items {
				if ctx.Err() != nil {
					continue // drain, so that the producer ends
				}
				if err := work(ctx, v); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	<-saved
	if err := context.Cause(ctx); err != nil {
		return errors.Join(err, save())
	}
	return nil
}
