package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
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
	sums := newAggregate()
	todo := func(give func(piece) bool) {
		n := 0
		for _, s := range spans {
			for i := s.first; i < s.end; i++ {
				if !give(piece{n, i, p.state.Done.has(i)}) {
					return
				}
				n++
			}
		}
	}
	buffers := sync.Pool{New: func() any { b := make([]byte, BlockSize); return &b }}
	err = inParallel(ctx, p.o.Parallel, todo, p.state.save, func(ctx context.Context, b piece) error {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		if err := p.src.readBlock(b.index, *buf); err != nil {
			return err
		}
		// What is never written reads as zeros.
		if bytes.Equal(*buf, zeros[:]) {
			sums.add(b.order, nil)
			p.report.Add(BlockSize)
			return nil
		}
		sum := sha256.Sum256(*buf)
		sums.add(b.order, sum[:])
		if b.there { // sent by an earlier run
			return nil
		}
		if err := p.send(ctx, b.index, *buf, base64.StdEncoding.EncodeToString(sum[:])); err != nil {
			return err
		}
		sent.Add(BlockSize)
		p.state.Done.set(b.index)
		p.report.Add(BlockSize)
		return nil
	})
	p.result.SentBytes = sent.Load()
	if err != nil {
		return err
	}
	if sums.count == p.state.Done.count() {
		p.checksum = sums.total()
	}
	return p.state.save()
}

// piece is a block to read, the how-manyth it is, and whether it was sent.
type piece struct {
	order, index int
	there        bool
}

// aggregate is the checksum of a whole upload: SHA-256 over the checksums of its
// blocks, in order (EBS direct APIs, CompleteSnapshot, LINEAR). Blocks are read
// out of order; few wait for one before them.
type aggregate struct {
	mu    sync.Mutex
	early map[int][]byte // by order; nil for a block of zeros
	next  int
	count int // of blocks that count
	hash  hash.Hash
}

func newAggregate() *aggregate { return &aggregate{early: map[int][]byte{}, hash: sha256.New()} }

func (a *aggregate) add(order int, sum []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.early[order] = sum; ; a.next++ {
		sum, ok := a.early[a.next]
		if !ok {
			return
		}
		delete(a.early, a.next)
		if sum != nil {
			a.hash.Write(sum)
			a.count++
		}
	}
}

// total is the checksum when everything was added.
func (a *aggregate) total() string { return base64.StdEncoding.EncodeToString(a.hash.Sum(nil)) }

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
