package iam_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"slipway/domain"
	"slipway/store"
)

// What is remembered of DescribeImages is told to nobody who may not ask any
// more, to no other account, and not once it has changed.
func TestRememberedAnswers(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	root, other := r.account("111111111111"), r.account("222222222222")
	ann, _ := r.user(root, "ann", allow("*", "appstream:DescribeImages"))
	image := func(name string) {
		t.Helper()
		key := domain.Key{Scope: domain.Scope{Account: "111111111111", Region: "us-east-1"}, Kind: domain.KindImage, Name: name}
		if err := r.svc.Store.Update(ctx, func(tx store.Tx) error {
			return tx.Insert(&domain.Image{Meta: domain.Meta{Key: key}, Visibility: domain.VisibilityPrivate, Type: "CUSTOM"})
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(who actor, n int) {
		t.Helper()
		for range 3 {
			out, err := who.app.DescribeImages(ctx, &appstream.DescribeImagesInput{MaxResults: aws.Int32(25)})
			if err != nil {
				t.Error(err)
			} else if len(out.Images) != n {
				t.Errorf("%d images, want %d", len(out.Images), n)
			}
		}
	}
	image("a")
	want(ann, 1)
	want(root, 1)
	want(other, 0)
	image("b")
	want(ann, 2)
	want(root, 2)
	want(other, 0)
	if _, err := root.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("p")}); err != nil {
		t.Fatal(err)
	}
	_, err := ann.app.DescribeImages(ctx, &appstream.DescribeImagesInput{MaxResults: aws.Int32(25)})
	refused(t, "after the permission is gone", err, "AccessDeniedException", "appstream:DescribeImages")
	want(root, 2)
}
