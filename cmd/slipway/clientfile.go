package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// clientFileName is the file in a data directory that tells clients on the
// same machine how to reach the server.
const clientFileName = "client.json"

// ClientFile is what a client needs to use a server. The server writes it at
// every start; it holds a secret, so only its owner may read it.
type ClientFile struct {
	Endpoint        string `json:"endpoint"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	Account         string `json:"account"`
	// CABundle is a file with the certificate to trust; empty when the system's
	// authorities do.
	CABundle string `json:"ca_bundle,omitempty"`
}

// WriteClientFile puts c into a data directory, whole or not at all.
func WriteClientFile(dataDir string, c ClientFile) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFileAtomic(filepath.Join(dataDir, clientFileName), append(b, '\n'), 0o600)
}

// ReadClientFile reads what WriteClientFile wrote.
func ReadClientFile(dataDir string) (ClientFile, error) {
	var c ClientFile
	path := filepath.Join(dataDir, clientFileName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("%s holds no server's data yet: start one with `slipway serve --data-dir %s`, or name its directory with --data-dir",
			dataDir, shellQuote(dataDir))
	case errors.Is(err, fs.ErrPermission):
		return c, fmt.Errorf("%s may be read only by the user who runs the server: become that user, or take the credentials from them", path)
	case err != nil:
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s is damaged (%v): restart the server, which writes it anew", path, err)
	}
	if c.Endpoint == "" || c.AccessKeyID == "" || c.SecretAccessKey == "" || c.Region == "" {
		return c, fmt.Errorf("%s is incomplete: restart the server, which writes it anew", path)
	}
	return c, nil
}

// writeFileAtomic replaces a file by one with the given bytes; a reader sees
// the old file or the new one, also after a power cut. What a killed process
// left half written is replaced by the next write of that file.
func writeFileAtomic(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	name := filepath.Join(dir, "."+filepath.Base(path)+".new")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tmp, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer os.Remove(name) // gone already after the rename
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
