package domain

// A resource that is shared is referred to by the key of each account that it
// is shared with: who sees what is found from either end, and what is shared
// is in use. The rows of those accounts need not exist here.

// ImagePermission is what an account may do with an image shared with it.
type ImagePermission struct{ Fleet, Builder bool }

// Visibilities of an AppStream image.
const (
	VisibilityPrivate = "PRIVATE"
	VisibilityShared  = "SHARED"
	VisibilityPublic  = "PUBLIC"
)

// Public base images belong to no account and are in every Region: their ARNs
// have no account, and the Region is that of whoever asks.
const (
	PublicAccount = "public"
	AnyRegion     = "any"
)

// PublicImageKey is the key of a public base image.
func PublicImageKey(name string) Key {
	return Key{Scope: Scope{Account: PublicAccount, Region: AnyRegion}, Kind: KindImage, Name: name}
}

// In tells whether a resource is in a Region.
func (k Key) In(region string) bool { return k.Region == region || k.Region == AnyRegion }

// AccountKey is the key of an account.
func AccountKey(id string) Key { return Key{Kind: KindAccount, Name: id} }

// Everyone stands for all accounts: what is public is referred to by it.
func Everyone() Key { return AccountKey("all") }

// IsAccountID tells whether a word can be the id of an account.
func IsAccountID(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(s) == 12
}
