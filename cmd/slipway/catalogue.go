package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"slipway/domain"
	"slipway/service"
)

// instances is the catalogue of instance types with what --instance-types
// changes; nil without the flag.
func instances(c ServeConfig) (*domain.Catalogue, error) {
	if c.InstanceTypes == "" {
		return nil, nil
	}
	f, err := os.Open(c.InstanceTypes)
	if err != nil {
		return nil, fmt.Errorf("read --instance-types: %w", err)
	}
	defer f.Close()
	out, err := domain.Instances().Override(f)
	if err != nil {
		return nil, fmt.Errorf("--instance-types %s: %w", c.InstanceTypes, err)
	}
	return out, nil
}

// installers is the software that --software provides; nil without the flag.
func installers(c ServeConfig) (*domain.Installers, error) {
	if c.Software == "" {
		return nil, nil
	}
	path := filepath.Join(c.Software, "manifest.json")
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read --software: %w", err)
	}
	defer f.Close()
	out, err := domain.Instances().ReadInstallers(f, c.Software)
	if err != nil {
		return nil, fmt.Errorf("--software: %s: %w", path, err)
	}
	return out, nil
}

// updaters are the ways to update guests: the operator's before those that are
// known.
func updaters(c ServeConfig) ([]domain.Updater, error) {
	if c.UpdateCommands == "" {
		return nil, nil
	}
	f, err := os.Open(c.UpdateCommands)
	if err != nil {
		return nil, fmt.Errorf("read --update-commands: %w", err)
	}
	defer f.Close()
	own, err := domain.ReadUpdaters(f)
	if err != nil {
		return nil, fmt.Errorf("--update-commands %s: %w", c.UpdateCommands, err)
	}
	return append(own, domain.Updaters()...), nil
}

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
