package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/cmd/slipway/internal/transfer"
)

// amiRow is one machine image as ami ls prints it.
type amiRow struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	State    string            `json:"state"`
	BootMode string            `json:"boot_mode"`
	TPM      string            `json:"tpm,omitempty"`
	Platform string            `json:"platform"`
	SizeGiB  int32             `json:"size_gib"`
	Snapshot string            `json:"snapshot"`
	Created  string            `json:"created"`
	Tags     map[string]string `json:"tags,omitempty"`
}

func amiLs() *command {
	return &command{
		name: "ls", summary: "List your machine images",
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				t, err := resolve(ctx, *dir)
				if err != nil {
					return err
				}
				rows, err := listAMIs(ctx, ec2.NewFromConfig(t.Config))
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, map[string]any{"amis": rows})
				}
				if len(rows) == 0 {
					fmt.Fprintf(io.err, "You have no machine images at %s.\n", t)
					return nil
				}
				var lines [][]string
				for _, r := range rows {
					lines = append(lines, []string{r.ID, r.Name, r.State, orDash(r.BootMode), orDash(r.Platform), fmt.Sprintf("%d GiB", r.SizeGiB), r.Created})
				}
				return table(io.out, "ID NAME STATE BOOT PLATFORM SIZE CREATED", lines)
			}
		},
	}
}

func listAMIs(ctx context.Context, c *ec2.Client) ([]amiRow, error) {
	rows := []amiRow{}
	p := ec2.NewDescribeImagesPaginator(c, &ec2.DescribeImagesInput{Owners: []string{"self"}})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for i := range out.Images {
			rows = append(rows, rowOf(&out.Images[i]))
		}
	}
	slices.SortFunc(rows, func(a, b amiRow) int { return strings.Compare(a.Created+a.ID, b.Created+b.ID) })
	return rows, nil
}

func rowOf(i *types.Image) amiRow {
	r := amiRow{
		ID: aws.ToString(i.ImageId), Name: aws.ToString(i.Name), State: string(i.State),
		BootMode: string(i.BootMode), TPM: string(i.TpmSupport), Platform: aws.ToString(i.PlatformDetails),
		Created: aws.ToString(i.CreationDate), Tags: map[string]string{},
	}
	if m := transfer.RootMapping(i); m != nil {
		r.Snapshot, r.SizeGiB = aws.ToString(m.Ebs.SnapshotId), aws.ToInt32(m.Ebs.VolumeSize)
	}
	for _, t := range i.Tags {
		r.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return r
}
