package restjson_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsebs "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"slipway/wire"
	"slipway/wire/ebs"
	"slipway/wire/protocols"
)

// blocks is the smallest thing that behaves like the service's data side.
type blocks struct {
	data map[int64][]byte
	last *ebs.CompleteSnapshotRequest
}

func (b *blocks) handlers() map[*wire.Op]wire.Handler {
	started := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	return map[*wire.Op]wire.Handler{
		ebs.OpStartSnapshot: wire.Handle(func(_ context.Context, _ *wire.Call, in *ebs.StartSnapshotRequest) (*ebs.StartSnapshotResponse, error) {
			return &ebs.StartSnapshotResponse{SnapshotId: aws.String("snap-0123"), VolumeSize: in.VolumeSize, BlockSize: aws.Int64(524288),
				StartTime: &started, Tags: in.Tags, Status: aws.String("pending")}, nil
		}),
		ebs.OpPutSnapshotBlock: wire.Handle(func(_ context.Context, _ *wire.Call, in *ebs.PutSnapshotBlockRequest) (*ebs.PutSnapshotBlockResponse, error) {
			sum := sha256.Sum256(in.BlockData)
			if base64.StdEncoding.EncodeToString(sum[:]) != *in.Checksum || int64(len(in.BlockData)) != *in.DataLength {
				return nil, &wire.Exception{Code: "ValidationException", Message: "checksum", Fields: map[string]any{"Reason": "INVALID_BLOCK"}}
			}
			b.data[*in.BlockIndex] = in.BlockData
			return &ebs.PutSnapshotBlockResponse{Checksum: in.Checksum, ChecksumAlgorithm: in.ChecksumAlgorithm}, nil
		}),
		ebs.OpCompleteSnapshot: wire.Handle(func(_ context.Context, _ *wire.Call, in *ebs.CompleteSnapshotRequest) (*ebs.CompleteSnapshotResponse, error) {
			b.last = in
			return &ebs.CompleteSnapshotResponse{Status: aws.String("completed")}, nil
		}),
		ebs.OpListSnapshotBlocks: wire.Handle(func(_ context.Context, _ *wire.Call, in *ebs.ListSnapshotBlocksRequest) (*ebs.ListSnapshotBlocksResponse, error) {
			return &ebs.ListSnapshotBlocksResponse{ExpiryTime: &started, NextToken: in.NextToken, VolumeSize: in.MaxResults,
				Blocks: []ebs.Block{{BlockIndex: aws.Int64(3), BlockToken: aws.String("a+/=")}}}, nil
		}),
		ebs.OpGetSnapshotBlock: wire.Handle(func(_ context.Context, _ *wire.Call, in *ebs.GetSnapshotBlockRequest) (*ebs.GetSnapshotBlockResponse, error) {
			data, ok := b.data[*in.BlockIndex]
			if !ok || *in.BlockToken != "a+/=" {
				return nil, &wire.Exception{Code: "ResourceNotFoundException", Message: "no block", Fields: map[string]any{"Reason": "SNAPSHOT_NOT_FOUND"}}
			}
			sum := sha256.Sum256(data)
			return &ebs.GetSnapshotBlockResponse{BlockData: data, DataLength: aws.Int64(int64(len(data))),
				Checksum: aws.String(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: aws.String("SHA256")}, nil
		}),
	}
}

func TestEBSClient(t *testing.T) {
	b := &blocks{data: map[int64][]byte{}}
	services := protocols.Services()
	srv := httptest.NewServer(wire.NewServer(wire.Config{
		Services: services, Handlers: b.handlers(), Codecs: protocols.Codecs(), Verifier: protocols.Verifier(time.Now, services),
		Keys: func(context.Context, string) (wire.Secret, error) { return wire.Secret{Key: "secret"}, nil },
		Now:  time.Now, NewRequestID: func() string { return "req-1" }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}))
	defer srv.Close()
	client := awsebs.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &srv.URL,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"}, nil
		})})
	ctx := context.Background()

	start, err := client.StartSnapshot(ctx, &awsebs.StartSnapshotInput{VolumeSize: aws.Int64(8), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	if err != nil {
		t.Fatal(err)
	}
	if *start.SnapshotId != "snap-0123" || *start.VolumeSize != 8 || start.StartTime.UnixMilli() != 1767323045678 || len(start.Tags) != 1 {
		t.Errorf("%+v", start)
	}
	data := bytes.Repeat([]byte("\x00\xffab"), 131072)
	sum := sha256.Sum256(data)
	put := &awsebs.PutSnapshotBlockInput{SnapshotId: start.SnapshotId, BlockIndex: aws.Int32(3), BlockData: bytes.NewReader(data), DataLength: aws.Int32(524288),
		Checksum: aws.String(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256}
	if out, err := client.PutSnapshotBlock(ctx, put); err != nil || *out.Checksum != *put.Checksum {
		t.Fatal(out, err)
	}
	put.BlockData = bytes.NewReader(data[1:])
	put.DataLength = aws.Int32(524287)
	var invalid *types.ValidationException
	if _, err := client.PutSnapshotBlock(ctx, put); !errors.As(err, &invalid) || invalid.Reason != "INVALID_BLOCK" {
		t.Error(err)
	}
	list, err := client.ListSnapshotBlocks(ctx, &awsebs.ListSnapshotBlocksInput{SnapshotId: start.SnapshotId, MaxResults: aws.Int32(100), NextToken: aws.String("t/=")})
	if err != nil || *list.Blocks[0].BlockToken != "a+/=" || *list.NextToken != "t/=" || *list.VolumeSize != 100 || list.ExpiryTime.IsZero() {
		t.Fatal(list, err)
	}
	got, err := client.GetSnapshotBlock(ctx, &awsebs.GetSnapshotBlockInput{SnapshotId: start.SnapshotId, BlockIndex: aws.Int32(3), BlockToken: list.Blocks[0].BlockToken})
	if err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(got.BlockData)
	if err != nil || !bytes.Equal(back, data) || *got.DataLength != 524288 || *got.Checksum != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Error("another block came back", err)
	}
	var none *types.ResourceNotFoundException
	if _, err := client.GetSnapshotBlock(ctx, &awsebs.GetSnapshotBlockInput{SnapshotId: start.SnapshotId, BlockIndex: aws.Int32(4), BlockToken: list.Blocks[0].BlockToken}); !errors.As(err, &none) || none.Reason != "SNAPSHOT_NOT_FOUND" || none.ErrorMessage() != "no block" {
		t.Error(err)
	}
	if _, err := client.CompleteSnapshot(ctx, &awsebs.CompleteSnapshotInput{SnapshotId: start.SnapshotId, ChangedBlocksCount: aws.Int32(1)}); err != nil || *b.last.ChangedBlocksCount != 1 {
		t.Error(err)
	}
}
