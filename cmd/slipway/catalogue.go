package main

import (
	"context"
	"fmt"
	"os"

	"slipway/service"
)

// syncCatalogue reads --public-images. Without the flag the catalogue stays as
// the last start left it.
func syncCatalogue(ctx context.Context, c ServeConfig, svc *service.Service) error {
	if c.PublicImages == "" {
		return nil
	}
	f, err := os.Open(c.PublicImages)
	if err != nil {
		return fmt.Errorf("read --public-images: %w", err)
	}
	defer f.Close()
	images, err := service.ReadCatalogue(f)
	if err != nil {
		return fmt.Errorf("%s: %w", c.PublicImages, err)
	}
	return svc.SyncCatalogue(ctx, images)
}
