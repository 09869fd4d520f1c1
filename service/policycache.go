package service

import (
	"sync"

	"slipway/fault"
	"slipway/iam"
)

// policyCache keeps policies parsed, by their text: a document means the same
// for ever, so nothing in it can go stale.
type policyCache struct {
	mu     sync.Mutex
	parsed map[string]*iam.Policy
}

// cachedPolicies bounds the cache; beyond it everything is forgotten at once,
// which costs one parse each.
const cachedPolicies = 4096

func (c *policyCache) identity(document string) (*iam.Policy, error) {
	c.mu.Lock()
	p := c.parsed[document]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := iam.ParseIdentity([]byte(document))
	if err != nil {
		// It was understood when it was accepted.
		return nil, fault.Wrap(fault.Internal, err, "A stored policy is not understood.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil || len(c.parsed) >= cachedPolicies {
		c.parsed = map[string]*iam.Policy{}
	}
	c.parsed[document] = p
	return p, nil
}
