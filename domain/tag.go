package domain

// Tagged is a resource that has tags.
type Tagged interface {
	Noun
	// TagSet is where the resource keeps them.
	TagSet() *Tags
}

func (i *Image) TagSet() *Tags    { return &i.Tags }
func (a *AMI) TagSet() *Tags      { return &a.Tags }
func (s *Snapshot) TagSet() *Tags { return &s.Tags }
func (r *Role) TagSet() *Tags     { return &r.Tags }
func (u *User) TagSet() *Tags     { return &u.Tags }
func (p *Policy) TagSet() *Tags   { return &p.Tags }
