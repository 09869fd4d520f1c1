package ebs

import (
	"testing"

	aws "slipway/wire/ebs"
	"slipway/wire/shape"
)

// Every broken constraint has a reason that the model knows, and the plain ones
// have their own.
func TestBrokenConstraintsHaveAReason(t *testing.T) {
	known := aws.Service.Shape("ValidationExceptionReason").Enum
	for _, c := range []struct {
		op   string
		tree map[string]any
		want string
	}{
		{"ListSnapshotBlocks", map[string]any{"SnapshotId": "vol-1"}, "INVALID_SNAPSHOT_ID"},
		{"GetSnapshotBlock", map[string]any{"SnapshotId": "snap-1", "BlockIndex": int64(1)}, "INVALID_BLOCK_TOKEN"},
		{"StartSnapshot", map[string]any{"VolumeSize": int64(0)}, "INVALID_VOLUME_SIZE"},
		{"StartSnapshot", map[string]any{"VolumeSize": int64(1), "Timeout": int64(1)}, "INVALID_PARAMETER_VALUE"},
		{"StartSnapshot", map[string]any{"VolumeSize": int64(1), "Tags": []any{map[string]any{"Key": ""}}}, "INVALID_TAG"},
	} {
		op := aws.Service.Op(c.op)
		err := shape.Validate(c.tree, op.Input)
		if err == nil {
			t.Errorf("%s %v breaks nothing", c.op, c.tree)
			continue
		}
		ex := Errors.Explain(op, err)
		if ex == nil || ex.Code != "ValidationException" || ex.Fields["Reason"] != c.want || ex.Message != err.Error() {
			t.Errorf("%s %v: %+v", c.op, c.tree, ex)
		}
		if sh := (&shape.Shape{Name: "Reason", Kind: shape.Structure, Members: []shape.Member{{Name: "Reason", Wire: "Reason", Shape: aws.Service.Shape("ValidationExceptionReason")}}}); ex != nil && shape.Validate(ex.Fields, sh) != nil {
			t.Errorf("%v is not one of %v", ex.Fields, known)
		}
	}
}
