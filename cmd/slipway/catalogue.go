package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"slipway/domain"
	"slipway/service"
	"slipway/work"
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

// installers is the software that --software provides, a directory or a bucket
// of objects; nil without the flag.
func installers(ctx context.Context, c ServeConfig, objects work.Objects) (*domain.Installers, error) {
	if c.Software == "" {
		return nil, nil
	}
	at, err := domain.InstallersAt(c.Software)
	if err != nil {
		return nil, fmt.Errorf("--software: %w", err)
	}
	var manifest io.ReadCloser
	switch {
	case at.Bucket == "":
		manifest, err = os.Open(filepath.Join(at.Dir, domain.Manifest))
	case objects == nil:
		return nil, &usageError{msg: "--software names a bucket, and --s3-endpoint and --s3-key do not say where it is"}
	default:
		manifest, err = objects.Get(ctx, at.Bucket, at.Prefix+domain.Manifest, "", 0)
	}
	if err != nil {
		return nil, fmt.Errorf("read --software: %w", err)
	}
	defer manifest.Close()
	out, err := domain.Instances().ReadInstallers(io.LimitReader(manifest, maxManifest), c.Software)
	if err != nil {
		return nil, fmt.Errorf("--software: %s/%s: %w", strings.TrimSuffix(c.Software, "/"), domain.Manifest, err)
	}
	return out, nil
}

const maxManifest = 1 << 20 // bytes

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
