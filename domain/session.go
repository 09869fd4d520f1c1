package domain

import "time"

// KindSession is the kind of users' sessions.
const KindSession Kind = "session"

// Session is one user on one instance of a fleet, through a stack. Key.Name is
// its id. What holds for it was fixed when it began: changes of stack and fleet
// are for later ones.
type Session struct {
	Meta `json:"-"`

	Stack       string
	Fleet       string
	User        string
	Auth        string // API, SAML, USERPOOL, AWS_AD
	Instance    string // its instance, from the beginning to the end
	Application string `json:",omitempty"` // to begin with; "" leaves it to the user
	Context     string `json:",omitempty"` // for the guest's environment
	View        string // APP or DESKTOP
	Launched    string `json:",omitempty"` // the application that was started in it last

	Started time.Time
	Ends    time.Time // at the latest
	// Disconnect is how long the session waits for a user who has gone, Idle how
	// long one may do nothing, 0 for ever.
	Disconnect time.Duration
	Idle       time.Duration

	// Link is the gateway's connection that has the session now, "" for none, and
	// Epoch the server's life in which it was made: with the server it ends.
	Link  string `json:",omitempty"`
	Epoch int64  `json:",omitempty"`
	// Left is when the last connection ended, or the session began.
	Left time.Time
	// Active is when keyboard or mouse were last used, not to the second.
	Active time.Time

	Ended time.Time `json:",omitzero"`
	Why   string    `json:",omitempty"` // it ended
}

// Alias finds the sessions of a fleet.
func (s *Session) Alias() string { return s.Fleet }
func (*Session) Schema() int     { return 1 }

// FleetKey, StackKey and InstanceKey are the keys of what it uses.
func (s *Session) FleetKey() Key { return Key{Scope: s.Key.Scope, Kind: KindFleet, Name: s.Fleet} }
func (s *Session) StackKey() Key { return Key{Scope: s.Key.Scope, Kind: KindStack, Name: s.Stack} }
func (s *Session) InstanceKey() Key {
	return Key{Scope: s.Key.Scope, Kind: KindFleetInstance, Name: s.Instance}
}

// Connected tells whether a user is there, in the server's life epoch.
func (s *Session) Connected(epoch int64) bool { return s.Link != "" && s.Epoch == epoch }

const (
	SessionPending State = "PENDING" // its guest is not up yet
	SessionActive  State = "ACTIVE"
	SessionExpired State = "EXPIRED"
)

const (
	SessionUp     Event = "guest-ready"
	SessionExpire Event = "expire"
)

// SessionMachine is the life of a session.
var SessionMachine = &Machine{
	Kind:    KindSession,
	Initial: SessionPending,
	States:  []State{SessionPending, SessionActive, SessionExpired},
	Final:   []State{SessionExpired},
	Events:  []Event{SessionUp, SessionExpire},
	Rules: []Rule{
		{SessionPending, SessionUp, Accept, SessionActive},
		{SessionPending, SessionExpire, Accept, SessionExpired},
		{SessionActive, SessionUp, Ignore, ""},
		{SessionActive, SessionExpire, Accept, SessionExpired},
		{SessionExpired, SessionExpire, Ignore, ""},
	},
}

// Reasons why a session ended.
const (
	EndedByUser       = "user"
	EndedByAPI        = "expired"
	EndedDisconnected = "disconnected"
	EndedDuration     = "maximum-duration"
	EndedMachine      = "machine-ended"
	EndedFleetStopped = "fleet-stopped"
)

// End writes down when and why a session ends.
func (s *Session) End(now time.Time, why string) {
	if s.State != SessionExpired {
		s.Ended, s.Why, s.Link = now, why, ""
	}
}

// AuthAPI is how users of CreateStreamingURL are known.
const AuthAPI = "API"

// SessionsPage is the most sessions that DescribeSessions answers at once, and
// SessionsPageDefault what it does when nobody says (API reference).
const (
	SessionsPage        = 50
	SessionsPageDefault = 20
)

// Whether an instance gets new sessions.
const (
	DrainActive   = "ACTIVE"
	DrainDraining = "DRAINING"
	DrainNone     = "NOT_APPLICABLE" // it has one session and never another
)

// SessionWish is what the ticket of an address says about the session that its
// holder is to have.
type SessionWish struct {
	Stack string
	// When stack and fleet were made: later ones of their names are others.
	StackMade, FleetMade time.Time
	Auth                 string
	Application          string `json:",omitempty"`
	Context              string `json:",omitempty"`
}

// Times around the end of a session. Users are told five minutes before the
// maximum (developer guide); the other two are ours.
const (
	SessionWarning     = 5 * time.Minute
	SessionIdleWarning = time.Minute
	// SessionKept is how long an ended session can still be asked for.
	SessionKept = 15 * time.Minute
)

// Deadline is when the session ends by itself, and why, in the server's life
// epoch. Until its guest is up nobody is late.
func (s *Session) Deadline(epoch int64) (time.Time, string) {
	at, why := s.Ends, EndedDuration
	if s.State == SessionActive && !s.Connected(epoch) {
		if gone := s.Left.Add(s.Disconnect); gone.Before(at) {
			at, why = gone, EndedDisconnected
		}
	}
	return at, why
}

// IdleAt is when a connected user who does nothing is disconnected; the zero
// time for never.
func (s *Session) IdleAt() time.Time {
	if s.Idle == 0 {
		return time.Time{}
	}
	return s.Active.Add(s.Idle)
}
