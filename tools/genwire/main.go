// Command genwire writes the generated packages of the wire room from the
// model files in wire/model: for every <service>.model the files
// wire/<service>/gen_*.go. The output depends on the model files alone, byte
// for byte.
//
// What the shapes mean at run time belongs to wire/shape, not here.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail when a generated file is stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "genwire:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	want, err := generate(filepath.Join(root, "wire", "model"))
	if err != nil {
		return err
	}
	wire := filepath.Join(root, "wire")
	if check {
		return compare(wire, want)
	}
	return write(wire, want)
}

// generate returns the content of every generated file, keyed by its path
// below wire/.
func generate(modelDir string) (map[string][]byte, error) {
	models, err := filepath.Glob(filepath.Join(modelDir, "*.model"))
	if err != nil {
		return nil, err
	}
	if len(models) == 0 {
		return nil, fmt.Errorf("no model files in %s", modelDir)
	}
	files := map[string][]byte{}
	for _, path := range models {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		m, err := parse(filepath.Base(path), string(data))
		if err != nil {
			return nil, err
		}
		if m.Name+".model" != filepath.Base(path) {
			return nil, fmt.Errorf("%s: describes service %q", filepath.Base(path), m.Name)
		}
		out, err := emit(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		for name, content := range out {
			files[m.Name+"/"+name] = content
		}
	}
	return files, nil
}

// stale lists generated files that differ from want, are missing, or have no
// model any more.
func stale(wire string, want map[string][]byte) ([]string, error) {
	var bad []string
	for name, content := range want {
		have, err := os.ReadFile(filepath.Join(wire, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if !bytes.Equal(have, content) {
			bad = append(bad, name)
		}
	}
	have, err := filepath.Glob(filepath.Join(wire, "*", "gen_*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range have {
		rel, err := filepath.Rel(wire, path)
		if err != nil {
			return nil, err
		}
		if rel = filepath.ToSlash(rel); want[rel] == nil {
			bad = append(bad, rel)
		}
	}
	sort.Strings(bad)
	return bad, nil
}

func compare(wire string, want map[string][]byte) error {
	bad, err := stale(wire, want)
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("stale: %s; run go generate ./wire", strings.Join(bad, ", "))
	}
	return nil
}

func write(wire string, want map[string][]byte) error {
	bad, err := stale(wire, want)
	if err != nil {
		return err
	}
	for _, name := range bad {
		path := filepath.Join(wire, filepath.FromSlash(name))
		if want[name] == nil {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, want[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}
