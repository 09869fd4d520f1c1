package roundtrip

import (
	"fmt"
	"reflect"
	"sort"
	"time"
)

var timeType = reflect.TypeFor[time.Time]()

// unions sorts the types of union members under their interfaces once those
// are met; all of them are pointers.
func (p *proof) unions(list []any) {
	p.members = map[reflect.Type][]reflect.Type{nil: nil}
	p.enums = map[string]bool{}
	for _, m := range list {
		p.members[nil] = append(p.members[nil], reflect.TypeOf(m))
	}
}

// membersOf lists the types of a union's members, by name.
func (p *proof) membersOf(iface reflect.Type) []reflect.Type {
	if l, ok := p.members[iface]; ok {
		return l
	}
	var found []reflect.Type
	for _, t := range p.members[nil] {
		if t.Implements(iface) {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		p.t.Fatalf("no members of the union %s are listed", iface)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Elem().Name() < found[j].Elem().Name() })
	p.members[iface] = found
	return found
}

// filler sets every member of a client's struct to a value of its own; lists
// and maps get two entries.
type filler struct {
	*proof
	n       int64
	variant int
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	if value, ok := f.enum(v.Type()); ok {
		v.SetString(value)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(time.UnixMilli(1_600_000_000_000 + f.n*1001).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Appendf(nil, "\x00\xffbytes %d", f.n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		f.fillMap(v)
	case reflect.Interface:
		members := f.membersOf(v.Type())
		m := reflect.New(members[f.variant%len(members)].Elem())
		f.fill(m.Elem())
		v.Set(m)
	case reflect.String:
		v.SetString(fmt.Sprintf("ü \"%d\"\n<&>", f.n))
	case reflect.Bool:
		v.SetBool(true) // false is not sent where it cannot be told from unset
	case reflect.Int32, reflect.Int64:
		v.SetInt(f.n * 1000)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.n) + 0.25)
	default:
		f.t.Fatalf("%s is a kind no input has had so far", v.Type())
	}
}

func (f *filler) fillMap(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for v.Len() < 2 {
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(k)
		f.fill(e)
		if v.Len() == 1 && v.MapIndex(k).IsValid() {
			return // an enum with a single value
		}
		v.SetMapIndex(k, e)
	}
}

// enum picks one of the values a client has for an enum, a different one every
// time.
func (f *filler) enum(t reflect.Type) (string, bool) {
	values := valuesOf(t)
	if len(values) == 0 {
		return "", false
	}
	return values[int(f.n)%len(values)], true
}

// valuesOf asks an enum type for its values: V.Values() []V.
func valuesOf(t reflect.Type) []string {
	if t.Kind() != reflect.String {
		return nil
	}
	m := reflect.Zero(t).MethodByName("Values")
	if !m.IsValid() {
		return nil
	}
	list := m.Call(nil)[0]
	out := make([]string, list.Len())
	for i := range out {
		out[i] = list.Index(i).String()
	}
	return out
}
