package storetest

import (
	"context"
	"errors"
	"fmt"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// readings are all ways to read, one by one: an answer that is remembered hangs
// on nothing but its own.
func readings() map[string]func(store.Tx) (string, error) {
	list := func(q store.Query) func(store.Tx) (string, error) {
		return func(tx store.Tx) (string, error) {
			l, err := store.List[domain.Image](tx, q)
			out := ""
			for _, n := range l {
				out += fmt.Sprintf(" %s %s v%d %q", n.Key, n.State, n.Version, n.Description)
			}
			return out, err
		}
	}
	count := func(q store.Query) func(store.Tx) (string, error) {
		return func(tx store.Tx) (string, error) {
			n, err := tx.Count(q)
			return fmt.Sprint(n), err
		}
	}
	get := func(k domain.Key) func(store.Tx) (string, error) {
		return func(tx store.Tx) (string, error) {
			n := &domain.Image{}
			if err := tx.Get(k, n); fault.Is(err, fault.NotFound) {
				return "none", nil
			} else if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s v%d %q", n.State, n.Version, n.Description), nil
		}
	}
	return map[string]func(store.Tx) (string, error){
		"scope":    list(store.Query{Kind: domain.KindImage, Account: "111", Region: "eu"}),
		"page":     list(store.Query{Kind: domain.KindImage, Account: "111", Region: "eu", After: "a", Limit: 1}),
		"all":      list(store.Query{Kind: domain.KindImage}),
		"region":   list(store.Query{Kind: domain.KindImage, Region: "eu"}),
		"accounts": count(store.Query{Kind: domain.KindImage, Account: "111"}),
		"ready":    count(store.Query{Kind: domain.KindImage, States: []domain.State{domain.ImageImporting}}),
		"a":        get(imageKey("a")), "z": get(imageKey("z")),
		"uses":      func(tx store.Tx) (string, error) { k, err := tx.References(imageKey("a")); return fmt.Sprint(k), err },
		"used by":   func(tx store.Tx) (string, error) { k, err := tx.Referrers(imageKey("a")); return fmt.Sprint(k), err },
		"b used by": func(tx store.Tx) (string, error) { k, err := tx.Referrers(imageKey("b")); return fmt.Sprint(k), err },
		// What nobody keeps: the log, jobs and the time.
		"log":  func(tx store.Tx) (string, error) { l, err := tx.Events(nil, 0, 0); return fmt.Sprint(len(l)), err },
		"jobs": func(tx store.Tx) (string, error) { l, err := tx.Jobs(store.JobQuery{}); return fmt.Sprint(len(l)), err },
		"now":  func(tx store.Tx) (string, error) { return tx.Now().String(), nil },
	}
}

// remembered asks for a reading by way of Remember; truly asks past it.
func (s *suite) remembered(name string, f func(store.Tx) (string, error)) string {
	s.Helper()
	out, err := s.st.Remember(s.Context(), "reading "+name, func(ctx context.Context) (any, int, error) {
		text := ""
		err := s.st.View(ctx, func(tx store.Tx) (err error) { text, err = f(tx); return err })
		return text, 100, err
	})
	if err != nil {
		s.Fatal(err)
	}
	return out.(string)
}

func (s *suite) truly(f func(store.Tx) (string, error)) (out string) {
	s.Helper()
	s.update(func(tx store.Tx) (err error) { out, err = f(tx); return err })
	return out
}

func testRemember(s *suite) {
	s.insert("a", "b", "c")
	account := domain.Key{Kind: domain.KindAccount, Name: "222"}
	for i, write := range []func(store.Tx) error{
		func(store.Tx) error { return nil },
		func(tx store.Tx) error { return tx.Insert(image(imageKey("z"))) },
		func(tx store.Tx) error {
			_, err := tx.Move(imageKey("a"), domain.ImageImportBegun, "", nil)
			return err
		},
		func(tx store.Tx) error { return tx.Refer(account, imageKey("a")) },
		func(tx store.Tx) error { return tx.Refer(imageKey("a"), imageKey("b")) },
		func(tx store.Tx) error {
			return tx.PutJob(&domain.Job{ID: "j", Workflow: "w", Status: domain.JobRunning})
		},
		func(tx store.Tx) error { return tx.Delete(imageKey("a")) },
		func(tx store.Tx) error { return tx.Insert(image(key(domain.KindImage, "222", "us", "a"))) },
		func(tx store.Tx) error { return tx.Insert(image(imageKey("a"))) },
	} {
		s.update(write)
		s.clock.now = s.clock.now.Add(1e9)
		for name, f := range readings() {
			for range 2 {
				if got, want := s.remembered(name, f), s.truly(f); got != want {
					s.Errorf("write %d: %s: remembered %s; it is %s", i, name, got, want)
				}
			}
		}
	}

	// A change while an answer is made, and one while a view of it runs.
	scope := readings()["scope"]
	for i, during := range []func(){
		func() { s.update(func(tx store.Tx) error { return tx.Delete(imageKey("b")) }) },
		func() { s.update(func(tx store.Tx) error { return tx.Delete(imageKey("c")) }) },
	} {
		name, ran := fmt.Sprintf("scope, change %d", i), false
		if _, err := s.st.Remember(s.Context(), "reading "+name, func(ctx context.Context) (any, int, error) {
			text := ""
			ran = true
			err := s.st.View(ctx, func(tx store.Tx) (err error) {
				text, err = scope(tx)
				if i == 1 {
					during()
				}
				return err
			})
			if i == 0 {
				during()
			}
			return text, 100, err
		}); err != nil {
			s.Fatal(err)
		}
		if got, want := s.remembered(name, scope), s.truly(scope); !ran || got != want {
			s.Errorf("change %d (%v): remembered %s; it is %s", i, ran, got, want)
		}
	}

	// Errors are told and not kept; what costs nothing is not kept either.
	wrong, n := errors.New("wrong"), 0
	for _, c := range []struct {
		bytes int
		err   error
	}{{100, wrong}, {100, wrong}, {0, nil}, {0, nil}} {
		n++
		got, err := s.st.Remember(s.Context(), "errors", func(context.Context) (any, int, error) { return n, c.bytes, c.err })
		if !errors.Is(err, c.err) || err == nil && got != any(n) {
			s.Errorf("Remember: %v, %v; want %v, %v", got, err, n, c.err)
		}
	}
}
