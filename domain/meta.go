// Package domain holds the nouns of Slipway (images, machine images, snapshots,
// disks, roles, export tasks, jobs), the rules about them that need no look-up,
// and the state tables.
//
// It does no I/O, starts no goroutine and imports the standard library only.
// No AWS wire shape lives here; state words are AWS's own where AWS has them.
package domain

import "time"

// Kind names a sort of resource.
type Kind string

const (
	KindAccount    Kind = "account"
	KindAccessKey  Kind = "access-key"
	KindRole       Kind = "role"
	KindUser       Kind = "user"
	KindGroup      Kind = "group"
	KindPolicy     Kind = "policy"
	KindSessionKey Kind = "session-key"
	KindDisk       Kind = "disk"
	KindSnapshot   Kind = "snapshot"
	KindAMI        Kind = "ami"
	KindImage      Kind = "image"
	KindExport     Kind = "export-task"
)

// Scope is where a resource lives. IAM nouns have no region; disks, accounts
// and access keys have neither.
type Scope struct {
	Account string
	Region  string
}

// Key is the identity of a resource: unique, and stable for its life.
type Key struct {
	Scope
	Kind Kind
	Name string
}

func (k Key) String() string {
	return string(k.Kind) + ":" + k.Account + "/" + k.Region + "/" + k.Name
}

// Meta is the part of a resource that the store keeps in columns. The store
// fills it on every read; State is written by the store's Move alone.
type Meta struct {
	Key     Key
	State   State
	Version int64 // grows by one with each write
	Created time.Time
	Updated time.Time
}

// Head returns the resource's Meta; it makes every struct that embeds Meta a Noun.
func (m *Meta) Head() *Meta { return m }

// Noun is a resource the store can keep: a struct with an embedded Meta tagged
// `json:"-"` whose other fields marshal to its document.
type Noun interface {
	Head() *Meta
	// Alias is a second name to look the resource up by (an AMI's name beside
	// its id); "" for none. Not unique to the store.
	Alias() string
	// Schema is the version of the document's form.
	Schema() int
}

// Tags are a resource's tags; a nil value is stored as "".
type Tags map[string]string
