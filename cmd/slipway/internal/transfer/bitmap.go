package transfer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/bits"
	"sync"
)

// bitmap remembers which blocks are done. It is safe for use by several
// goroutines and marshals to one base64 string.
type bitmap struct {
	mu   sync.Mutex
	bits []byte
}

func newBitmap(blocks int) *bitmap { return &bitmap{bits: make([]byte, (blocks+7)/8)} }

func (b *bitmap) set(i int) {
	b.mu.Lock()
	b.bits[i/8] |= 1 << (i % 8)
	b.mu.Unlock()
}

func (b *bitmap) has(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bits[i/8]&(1<<(i%8)) != 0
}

func (b *bitmap) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, v := range b.bits {
		n += bits.OnesCount8(v)
	}
	return n
}

// fits tells whether the bitmap is one of that many blocks: a damaged state
// file must not be believed.
func (b *bitmap) fits(blocks int) bool { return b != nil && len(b.bits) == (blocks+7)/8 }

func (b *bitmap) MarshalJSON() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return json.Marshal(base64.StdEncoding.EncodeToString(b.bits))
}

func (b *bitmap) UnmarshalJSON(p []byte) error {
	var s string
	if err := json.Unmarshal(p, &s); err != nil {
		return err
	}
	v, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("bitmap: %w", err)
	}
	b.bits = v
	return nil
}
