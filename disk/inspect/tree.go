package inspect

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

const (
	maxLinks   = 16
	maxEntries = 200_000 // of a directory
)

var errDamaged = errors.New("its structure is damaged")

// volume is a file system made of numbered inodes.
type volume interface {
	root() int64
	inode(number int64) (*node, error)
	read(n *node, most int64) ([]byte, error)  // the content of a file or a link, unless it has more bytes
	entries(n *node) (map[string]int64, error) // fs.ErrNotExist when n is no directory
}

// node is an inode; fork is where its data or its block map begins.
type node struct {
	mode   uint16
	size   int64
	flags  uint32
	format byte
	fork   []byte
	extra  []byte
}

func (n *node) isDir() bool  { return n.mode&0xF000 == 0x4000 }
func (n *node) isLink() bool { return n.mode&0xF000 == 0xA000 }
func (n *node) isFile() bool { return n.mode&0xF000 == 0x8000 }

// tree finds paths in a volume.
type tree struct{ volume }

// lookup finds a path, following symbolic links inside the file system.
func (x tree) lookup(name string) (*node, error) {
	at, rest, links := "/", strings.Split(name, "/"), 0
	n, err := x.inode(x.root())
	for err == nil && len(rest) > 0 {
		step := rest[0]
		rest = rest[1:]
		if step == "" || step == "." {
			continue
		}
		es, err := x.entries(n)
		if err != nil {
			return nil, err
		}
		number, ok := es[step]
		if !ok {
			return nil, fs.ErrNotExist
		}
		to, err := x.inode(number)
		if err != nil {
			return nil, err
		}
		if !to.isLink() {
			n, at = to, path.Join(at, step)
			continue
		}
		target, err := x.read(to, maxText)
		if err != nil {
			return nil, err
		}
		if links++; links > maxLinks {
			return nil, errors.New("its symbolic links loop")
		}
		// Start over from the root with the link replaced.
		whole := string(target)
		if !path.IsAbs(whole) {
			whole = path.Join(at, whole)
		}
		rest, at = append(strings.Split(path.Clean("/"+whole), "/"), rest...), "/"
		if n, err = x.inode(x.root()); err != nil {
			return nil, err
		}
	}
	return n, err
}

func (x tree) readFile(name string) ([]byte, error) { return x.readLarge(name, maxText) }

func (x tree) readLarge(name string, most int64) ([]byte, error) {
	n, err := x.lookup(name)
	if err != nil {
		return nil, err
	}
	if !n.isFile() {
		return nil, fs.ErrNotExist
	}
	return x.read(n, most)
}

func (x tree) readDir(name string) ([]string, error) {
	n, err := x.lookup(name)
	if err != nil {
		return nil, err
	}
	es, err := x.entries(n)
	if err != nil {
		return nil, err
	}
	var names []string
	for e := range es {
		if e != "." && e != ".." {
			names = append(names, e)
		}
	}
	return names, nil
}

func (x tree) exists(name string) bool {
	_, err := x.lookup(name)
	return err == nil
}
