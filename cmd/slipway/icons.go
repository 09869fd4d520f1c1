package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"slipway/api/icons"
	"slipway/service"
	"slipway/wire"
	"slipway/work"
)

const (
	iconsPath   = wire.OwnPrefix + "icons/"
	iconKeyFile = "icons.key" // in the data directory
	iconKeySize = 32
)

// newIcons reads the key that signs the addresses of icons, making it at the
// first start. The address in front is known once the server listens.
func newIcons(dataDir string) (*service.Icons, error) {
	path := filepath.Join(dataDir, iconKeyFile)
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key = make([]byte, iconKeySize)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		err = writeFileAtomic(path, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of icon addresses: %w", err)
	}
	if len(key) != iconKeySize {
		return nil, fmt.Errorf("%s is damaged: remove it, a new one is made at the next start", path)
	}
	return &service.Icons{Key: key, Now: time.Now}, nil
}

func pictureHandler(dataDir string, sign *service.Icons) http.Handler {
	return icons.Handler(work.IconsDir(dataDir), sign)
}
