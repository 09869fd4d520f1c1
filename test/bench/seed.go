package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway/domain"
	"slipway/store"
	"slipway/store/sqlite"
)

// What the reads are made of. It is written into the store before the server
// starts: importing 100,000 images would measure something else.
const (
	seedAccount = "123456789012"
	seedRegion  = "us-east-1"
	seedAMI     = "ami-00000000000000001"
	seedAMIs    = 25
)

// reader is the user who sends the requests: not the root, so that its policies
// are asked each time.
type reader struct{ id, secret string }

func seedKey(kind domain.Kind, name string) domain.Key {
	return domain.Key{Scope: domain.Scope{Account: seedAccount, Region: seedRegion}, Kind: kind, Name: name}
}

func seedName(i int) string { return fmt.Sprintf("image-%06d", i) }

// seed fills a new data directory with images and everything else the requests
// touch.
func seed(ctx context.Context, dir string, images int) (r reader, err error) {
	st, err := sqlite.Open(dir, sqlite.Options{CacheBytes: -1})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if r, err = seedPeople(ctx, st); err != nil {
		return r, err
	}
	if err := st.Update(ctx, seedSource); err != nil {
		return r, err
	}
	const batch = 5000
	for from := 0; from < images; from += batch {
		err := st.Update(ctx, func(tx store.Tx) error {
			for i := from; i < min(from+batch, images); i++ {
				if err := seedImage(tx, seedName(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

func seedImage(tx store.Tx, name string) error {
	n := &domain.Image{
		Meta: domain.Meta{Key: seedKey(domain.KindImage, name)}, DisplayName: "Image number " + name,
		Description: "A desktop for the \"accounting\" department, made from " + name, Type: "CUSTOM", Visibility: domain.VisibilityPrivate,
		Platform: "WINDOWS_SERVER_2022", Disk: "sha256:" + strings.Repeat("ab", 32), DiskBytes: 30 << 30, SourceAMI: seedAMI,
		RoleARN: "arn:aws:iam::" + seedAccount + ":role/import", AgentPolicy: "CURRENT_LATEST", Families: domain.Instances().Families("CUSTOM"),
		Catalog: []domain.Application{
			{Name: "notepad", DisplayName: "Notepad", Path: `C:\Windows\notepad.exe`},
			{Name: "calc", DisplayName: "Calculator", Path: `C:\Windows\calc.exe`},
		},
		Tags: domain.Tags{"team": "accounting", "stage": "prod"},
	}
	if err := tx.Insert(n); err != nil {
		return err
	}
	for _, e := range []domain.Event{domain.ImageImportBegun, domain.ImageReady} {
		if _, err := tx.Move(n.Key, e, "", nil); err != nil {
			return err
		}
	}
	return nil
}

// seedPeople makes the reader, and the role that imports want.
func seedPeople(ctx context.Context, st store.Store) (r reader, err error) {
	r = reader{domain.RandomIDs.AccessKey(), domain.RandomIDs.Secret()}
	iam := func(k domain.Kind, name string) domain.Meta {
		return domain.Meta{Key: domain.Key{Scope: domain.Scope{Account: seedAccount}, Kind: k, Name: name}}
	}
	allow := func(actions string) domain.Grants {
		return domain.Grants{Inline: map[string]string{"bench": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":"*"}]}`}}
	}
	key := &domain.AccessKey{Meta: domain.Meta{Key: domain.Key{Kind: domain.KindAccessKey, Name: r.id}}, Secret: r.secret, Account: seedAccount, User: "reader"}
	return r, st.Update(ctx, func(tx store.Tx) error {
		return errors.Join(
			tx.Insert(&domain.User{Meta: iam(domain.KindUser, "reader"), ID: "AIDABENCH", Path: "/",
				Grants: allow(`["appstream:Describe*","appstream:Create*","ec2:Describe*","iam:PassRole"]`)}),
			tx.Insert(key),
			tx.Insert(&domain.Role{Meta: iam(domain.KindRole, "import"), ID: "AROABENCH", Path: "/", Grants: allow(`"ec2:*"`),
				Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}),
			tx.Insert(&domain.QuotaValue{Meta: domain.Meta{Key: seedKey(domain.KindQuota, domain.QuotaImages)}, Value: 1_000_000}),
		)
	})
}

// seedSource makes what images are imported from.
func seedSource(tx store.Tx) error {
	snap := &domain.Snapshot{Meta: domain.Meta{Key: seedKey(domain.KindSnapshot, "snap-00000000000000001")}, SizeGiB: 30, Disk: "sha256:" + strings.Repeat("ab", 32)}
	disk := &domain.Disk{Meta: domain.Meta{Key: domain.DiskKey(snap.Disk)}, SizeBytes: 30 << 30, Inspector: 1}
	if err := errors.Join(tx.Insert(snap), tx.Insert(disk)); err != nil {
		return err
	}
	for _, e := range []domain.Event{domain.SnapshotAskComplete, domain.SnapshotSealed} {
		if _, err := tx.Move(snap.Key, e, "", nil); err != nil {
			return err
		}
	}
	for i := range seedAMIs {
		ami := &domain.AMI{
			Meta: domain.Meta{Key: seedKey(domain.KindAMI, fmt.Sprintf("ami-%017d", i+1))}, Label: fmt.Sprintf("base %d", i), Description: "made for the bench",
			Architecture: "x86_64", VirtType: "hvm", BootMode: "uefi", TPM: "v2.0", ENA: true, RootDevice: "/dev/sda1", Platform: "windows", Details: "Windows",
			Mappings: []domain.Mapping{{Device: "/dev/sda1", SnapshotID: snap.Key.Name, SizeGiB: 30, VolumeType: "gp3"}},
		}
		if err := errors.Join(tx.Insert(ami), tx.Refer(ami.Key, snap.Key)); err != nil {
			return err
		}
	}
	return tx.Refer(snap.Key, disk.Key)
}
