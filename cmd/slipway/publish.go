package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"

	"slipway/api/admin/adminapi"
)

func imagePublish() *command {
	return &command{
		name: "publish", args: "NAME",
		summary: "Make an image or AMI of yours a public base image",
		long: `
Every account sees it under NAME, in every Region, with an ARN without account.
It shares the disk of the image or AMI, which may be deleted afterwards. Only the
operator may publish. To list names without disks, so that scripts that name
AWS's base images find them, use  slipway serve --public-images FILE.`,
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			var in adminapi.PublishRequest
			fs.StringVar(&in.Image, "from-image", "", "publish this AppStream `image` of yours")
			fs.StringVar(&in.AMI, "from-ami", "", "publish the disk of this `ami` of yours")
			fs.StringVar(&in.DisplayName, "display-name", "", "the `name` people see")
			fs.StringVar(&in.Description, "description", "", "say in this `text` what it is")
			return func(args []string) (request, error) {
				in.Name = args[0]
				return request{method: "POST", path: "/public-images", body: in}, nil
			}
		}, func(io streams, i *adminapi.Image) error {
			_, err := fmt.Fprintln(io.out, i.ARN)
			return err
		}, "NAME"),
	}
}

func imageWithdraw() *command {
	return &command{
		name: "withdraw", args: "NAME",
		summary: "Take a published image back; refused while it is used",
		setup: func(fs *flag.FlagSet) action {
			dir := targetFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "NAME"); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				return c.call(ctx, "DELETE", "/public-images/"+url.PathEscape(args[0]), nil, &struct{}{})
			}
		},
	}
}
