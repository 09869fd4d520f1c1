package adminapi

import "time"

// Account is a tenant of the server.
type Account struct {
	ID       string    `json:"id"`
	Note     string    `json:"note,omitempty"`
	Operator bool      `json:"operator"` // the account that runs the server
	Created  time.Time `json:"created"`
}

// Accounts answers GET /accounts.
type Accounts struct {
	Accounts []Account `json:"accounts"`
}

// CreateAccountRequest is the body of POST /accounts. Without an ID one is
// chosen.
type CreateAccountRequest struct {
	ID   string `json:"id,omitempty"`
	Note string `json:"note,omitempty"`
}

// NewAccount answers POST /accounts: the account and a key of its root.
type NewAccount struct {
	Account Account `json:"account"`
	Key     Key     `json:"key"`
}

// Key is a lasting access key. Secret is told once, by the call that makes it.
type Key struct {
	ID       string    `json:"id"`
	Secret   string    `json:"secret,omitempty"`
	Account  string    `json:"account"`
	User     string    `json:"user,omitempty"` // "" is the account's root
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created"`
}

// Keys answers GET /keys?account=ID; without the account, of all of them.
type Keys struct {
	Keys []Key `json:"keys"`
}

// CreateKeyRequest is the body of POST /keys. POST /keys/ID/rotate and
// /keys/ID/disable have none; all three answer a Key.
type CreateKeyRequest struct {
	Account string `json:"account,omitempty"` // "" is the operator's
	User    string `json:"user,omitempty"`    // "" is the account's root
}
