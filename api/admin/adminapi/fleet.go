package adminapi

import "time"

// Fleets answers GET /fleets, in order of name.
type Fleets struct {
	Fleets []Fleet `json:"fleets"`
}

// Fleet is a fleet with what it has. It answers GET /fleets/{name}, with its
// instances.
type Fleet struct {
	Name         string          `json:"name"`
	ARN          string          `json:"arn"`
	State        string          `json:"state"`
	Type         string          `json:"type"`
	Image        string          `json:"image,omitempty"`
	InstanceType string          `json:"instance_type"`
	Desired      int             `json:"desired"`
	Running      int             `json:"running"` // guests that can be streamed
	InUse        int             `json:"in_use"`
	Available    int             `json:"available"`
	Sessions     *FleetSessions  `json:"sessions,omitempty"` // of a fleet with several on an instance
	Errors       []Reason        `json:"errors,omitempty"`
	Failures     int             `json:"failures,omitempty"` // instances in a row that did not come up
	RetryAt      time.Time       `json:"retry_at,omitzero"`
	Instances    []FleetInstance `json:"instances,omitempty"`
	Created      time.Time       `json:"created,omitzero"`
}

// FleetSessions are how many users a fleet has room for, and has.
type FleetSessions struct {
	Desired   int `json:"desired"`
	Active    int `json:"active"`
	Available int `json:"available"`
}

// FleetInstance is one machine of a fleet; its id is that of GET /machines.
type FleetInstance struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Generation int64     `json:"generation"`
	Zone       string    `json:"zone,omitempty"`
	MemoryMB   int64     `json:"memory_mb"`
	Why        string    `json:"why,omitempty"` // it is being taken away
	Created    time.Time `json:"created,omitzero"`
}

// Sessions answers GET /sessions and GET /sessions?fleet=NAME, in order of id.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

// Session is a user on an instance.
type Session struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Connected bool      `json:"connected"`
	User      string    `json:"user"`
	Stack     string    `json:"stack"`
	Fleet     string    `json:"fleet"`
	Instance  string    `json:"instance"`
	Started   time.Time `json:"started"`
	Ends      time.Time `json:"ends"` // at the latest
	Why       string    `json:"why,omitempty"`
}
