package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// A store may answer views from memory. The cases here read everything before
// and after each sort of change: nothing read before may be told afterwards.

// picture is what a view shows of the images in one scope, in every way a view
// can ask.
func picture(tx store.Tx) (string, error) {
	out := ""
	add := func(format string, args ...any) { out += fmt.Sprintf(format, args...) + "\n" }
	scoped := store.Query{Kind: domain.KindImage, Account: "111", Region: "eu"}
	for name, q := range map[string]store.Query{
		"scope": scoped, "all": {Kind: domain.KindImage}, "account": {Kind: domain.KindImage, Account: "111"},
		"region": {Kind: domain.KindImage, Region: "eu"}, "page": {Kind: domain.KindImage, Account: "111", Region: "eu", Limit: 2, After: "a"},
		"importing": {Kind: domain.KindImage, States: []domain.State{domain.ImageImporting}},
		"named":     {Kind: domain.KindImage, Names: []string{"a", "z"}},
	} {
		l, err := store.List[domain.Image](tx, q)
		if err != nil {
			return "", err
		}
		lines := ""
		for _, n := range l {
			lines += fmt.Sprintf(" %s %s v%d %q", n.Key, n.State, n.Version, n.Description)
		}
		n, err := tx.Count(q)
		if err != nil {
			return "", err
		}
		add("%s: %d%s", name, n, lines)
	}
	for _, name := range []string{"a", "b", "z"} {
		n := &domain.Image{}
		err := tx.Get(imageKey(name), n)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return "", err
		}
		from, err1 := tx.References(imageKey(name))
		to, err2 := tx.Referrers(imageKey(name), domain.KindAccount)
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		add("%s: %v v%d %q %v %v", name, err == nil, n.Version, n.Description, from, to)
	}
	lines := slices.Sorted(slices.Values(splitLines(out)))
	return fmt.Sprint(lines), nil
}

// testFreshByAlias changes resources and their aliases; what is read by alias,
// and by none, is always as it is.
func testFreshByAlias(s *suite) {
	at := func(name string) domain.Key { return key(domain.KindFleetInstance, "111", "eu", name) }
	read := func(tx store.Tx) (out string, err error) {
		for _, alias := range []string{"", "x", "y"} {
			q := store.Query{Kind: domain.KindFleetInstance, Account: "111", Region: "eu", Alias: alias}
			l, err := store.List[domain.FleetInstance](tx, q)
			if err != nil {
				return "", err
			}
			n, err := tx.Count(q)
			if err != nil {
				return "", err
			}
			by, err := tx.States(q)
			if err != nil {
				return "", err
			}
			for _, i := range l {
				out += fmt.Sprintf("%s: %s of %s is %s v%d\n", alias, i.Key.Name, i.Fleet, i.State, i.Version)
			}
			out += fmt.Sprintf("%s: %d %v\n", alias, n, by)
		}
		return out, nil
	}
	insert := func(name, fleet string) func(store.Tx) error {
		return func(tx store.Tx) error {
			return tx.Insert(&domain.FleetInstance{Meta: domain.Meta{Key: at(name)}, Fleet: fleet})
		}
	}
	change := func(name, fleet string, write func(store.Tx, *domain.FleetInstance) error) func(store.Tx) error {
		return func(tx store.Tx) error {
			n := &domain.FleetInstance{}
			if err := tx.Get(at(name), n); err != nil {
				return err
			}
			n.Fleet = fleet
			return write(tx, n)
		}
	}
	put := func(tx store.Tx, n *domain.FleetInstance) error { return tx.Put(n) }
	move := func(on domain.Event) func(store.Tx, *domain.FleetInstance) error {
		return func(tx store.Tx, n *domain.FleetInstance) error { _, err := tx.Move(n.Key, on, "", n); return err }
	}
	for i, write := range []func(store.Tx) error{
		insert("a", "x"), insert("b", "x"), insert("c", "y"), change("a", "y", put), change("b", "y", move(domain.InstanceUp)),
		func(tx store.Tx) error { _, err := tx.Move(at("b"), domain.InstanceTaken, "", nil); return err },
		change("c", "x", put), func(tx store.Tx) error { return tx.Delete(at("b")) }, func(tx store.Tx) error { return tx.Delete(at("c")) },
		func(tx store.Tx) error { return tx.Delete(at("nobody")) }, insert("c", ""),
	} {
		var seen, truth string
		for range 2 { // from memory, the second time
			s.view(func(tx store.Tx) (err error) { seen, err = read(tx); return err })
		}
		s.update(func(tx store.Tx) (err error) {
			if truth, err = read(tx); err != nil || truth != seen {
				s.Errorf("before write %d: a view shows\n%sand there is\n%s%v", i, seen, truth, err)
			}
			return write(tx)
		})
	}
	var last domain.LogEntry
	for _, e := range s.events(nil) {
		if e.Key == at("b") {
			last = e
		}
	}
	if last.Alias != "y" || last.Event != domain.InstanceTaken {
		s.Errorf("the log says of b: %+v", last)
	}
}

func splitLines(s string) (out []string) {
	for len(s) > 0 {
		i := slices.Index([]byte(s), '\n')
		out, s = append(out, s[:i]), s[i+1:]
	}
	return out
}

func (s *suite) picture() (out string) {
	s.Helper()
	s.view(func(tx store.Tx) (err error) { out, err = picture(tx); return err })
	return out
}

// truth is the same picture from inside an update, where nothing is cached.
func (s *suite) truth() (out string) {
	s.Helper()
	s.update(func(tx store.Tx) (err error) { out, err = picture(tx); return err })
	return out
}

func testFresh(s *suite) {
	s.insert("a", "b", "c")
	put := func(name string, in domain.Key) func(store.Tx) error {
		return func(tx store.Tx) error {
			n := &domain.Image{}
			if err := tx.Get(in, n); err != nil {
				return err
			}
			n.Description = name
			return tx.Put(n)
		}
	}
	account := domain.Key{Kind: domain.KindAccount, Name: "222"}
	for i, write := range []func(store.Tx) error{
		func(tx store.Tx) error { return tx.Insert(image(imageKey("z"))) },
		put("new", imageKey("a")),
		func(tx store.Tx) error {
			_, err := tx.Move(imageKey("b"), domain.ImageImportBegun, "", nil)
			return err
		},
		func(tx store.Tx) error {
			n := &domain.Image{}
			if err := tx.Get(imageKey("a"), n); err != nil {
				return err
			}
			n.Description = "moved"
			_, err := tx.Move(n.Key, domain.ImageImportBegun, "", n)
			return err
		},
		func(tx store.Tx) error { return tx.Refer(account, imageKey("a")) },
		func(tx store.Tx) error { return tx.Refer(imageKey("a"), imageKey("b")) },
		func(tx store.Tx) error { return tx.Delete(imageKey("a")) },
		func(tx store.Tx) error { return tx.Unrefer(account, imageKey("a")) },
		func(tx store.Tx) error { return tx.Insert(image(key(domain.KindImage, "222", "us", "a"))) },
		func(tx store.Tx) error { return tx.Insert(image(imageKey("a"))) },
	} {
		before := s.picture()
		if again := s.picture(); again != before {
			s.Fatalf("write %d: two views differ:\n%s\n%s", i, before, again)
		}
		s.update(write)
		after := s.picture()
		if after == before {
			s.Errorf("write %d changed nothing:\n%s", i, after)
		}
		if truth := s.truth(); after != truth {
			s.Errorf("after write %d a view shows\n%s\nbut there is\n%s", i, after, truth)
		}
	}
}

func testFailedUpdates(s *suite) {
	s.insert("a")
	before := s.picture()
	for range 2 {
		err := s.st.Update(s.Context(), func(tx store.Tx) error {
			return errors.Join(tx.Insert(image(imageKey("b"))), tx.Delete(imageKey("a")), errTest)
		})
		if !errors.Is(err, errTest) {
			s.Fatal(err)
		}
		if now := s.picture(); now != before {
			s.Errorf("an update that failed left\n%s", now)
		}
	}
}

// testViewHoldsStill commits while views run that have read something, or
// nothing, and goes on reading.
func testViewHoldsStill(s *suite) {
	s.insert("a", "b")
	for _, warm := range []bool{true, false} {
		for _, early := range []bool{true, false} {
			write := func() {
				s.Helper()
				s.update(func(tx store.Tx) error {
					for _, name := range []string{"a", "b"} {
						n := &domain.Image{}
						if err := tx.Get(imageKey(name), n); err != nil {
							return err
						}
						n.DiskBytes++
						if err := tx.Put(n); err != nil {
							return err
						}
					}
					return nil
				})
			}
			write() // nothing of them is cached now
			if warm {
				s.get(imageKey("a"))
			}
			s.view(func(tx store.Tx) error {
				a, b := &domain.Image{}, &domain.Image{}
				if early {
					if err := tx.Get(imageKey("a"), a); err != nil {
						return err
					}
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					write()
					write()
					s.get(imageKey("b")) // a later view may cache what is newer
				}()
				<-done
				if err := errors.Join(tx.Get(imageKey("b"), b), tx.Get(imageKey("a"), a)); err != nil {
					return err
				}
				l, err := store.List[domain.Image](tx, store.Query{Kind: domain.KindImage})
				if a.DiskBytes != b.DiskBytes || len(l) != 2 || l[0].DiskBytes != a.DiskBytes || l[1].DiskBytes != a.DiskBytes {
					s.Errorf("warm %v, early %v: a view is torn: %d %d %d", warm, early, a.DiskBytes, b.DiskBytes, len(l))
				}
				return err
			})
			if a, b := s.get(imageKey("a")), s.get(imageKey("b")); a.DiskBytes != b.DiskBytes || a.Version != b.Version {
				s.Errorf("afterwards: %d %d", a.DiskBytes, b.DiskBytes)
			}
		}
	}
}

// testViewsBesideWriters moves an amount between resources, and one of them in
// and out of existence, while views add up; what an update has done is seen by
// every view that begins after it.
func testViewsBesideWriters(s *suite) {
	const resources, writers, each = 5, 3, 25
	s.update(func(tx store.Tx) error {
		for i := range resources {
			n := image(imageKey(strconv.Itoa(i)))
			n.DiskBytes = 100
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		return nil
	})
	var write, read sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		write.Go(func() {
			for i := range each {
				s.transfer(strconv.Itoa((w+i)%resources), strconv.Itoa((w+2*i+1)%resources))
			}
		})
	}
	for r := range 4 {
		read.Go(func() {
			for last := int64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				sum, version := s.total(resources, r%2 == 0)
				if sum != 100*resources {
					s.Errorf("a view adds up to %d", sum)
					return
				}
				if version < last {
					s.Errorf("versions went back from %d to %d", last, version)
					return
				}
				last = version
			}
		})
	}
	write.Wait()
	close(stop)
	read.Wait()
}

func (s *suite) transfer(from, to string) {
	if from == to {
		return
	}
	a, b := &domain.Image{}, &domain.Image{}
	err := s.st.Update(s.Context(), func(tx store.Tx) error {
		if err := errors.Join(tx.Get(imageKey(from), a), tx.Get(imageKey(to), b)); err != nil {
			return err
		}
		a.DiskBytes, b.DiskBytes = a.DiskBytes-1, b.DiskBytes+1
		return errors.Join(tx.Put(a), tx.Put(b))
	})
	if err != nil {
		s.Error(err)
	}
	if now := s.getQuietly(imageKey(from)); now == nil || now.Version < a.Version {
		s.Errorf("a view after an update shows what was before it: %+v", now)
	}
}

// getQuietly may be called beside the test's own goroutine.
func (s *suite) getQuietly(k domain.Key) *domain.Image {
	n := &domain.Image{}
	if err := s.st.View(s.Context(), func(tx store.Tx) error { return tx.Get(k, n) }); err != nil {
		s.Error(err)
		return nil
	}
	return n
}

// total adds the resources up, one by one or as a list.
func (s *suite) total(resources int, listed bool) (sum, version int64) {
	err := s.st.View(s.Context(), func(tx store.Tx) error {
		var l []*domain.Image
		var err error
		if listed {
			l, err = store.List[domain.Image](tx, store.Query{Kind: domain.KindImage, Account: "111"})
		}
		for i := 0; i < resources && !listed && err == nil; i++ {
			n := &domain.Image{}
			err = tx.Get(imageKey(strconv.Itoa(i)), n)
			l = append(l, n)
		}
		for _, n := range l {
			sum, version = sum+n.DiskBytes, version+n.Version
		}
		return err
	})
	if err != nil {
		s.Error(err)
	}
	return sum, version
}

func testReadAgain(s *suite) {
	s.insert("a", "b")
	before := s.picture()
	if err := s.st.Close(); err != nil {
		s.Fatal(err)
	}
	s.st = s.open(s.T, "main", s.clock)
	if after := s.picture(); after != before {
		s.Errorf("after re-open:\n%s\nbefore:\n%s", after, before)
	}
	s.insert("c")
	if now, truth := s.picture(), s.truth(); now != truth {
		s.Errorf("a view shows\n%s\nbut there is\n%s", now, truth)
	}
}
