package domain

import "testing"

// A resource has one name that policies know: others must not reach it.
func TestTagTarget(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:appstream:us-east-1:1:image/red":      "image:1/us-east-1/red",
		"arn:aws:ec2:us-east-1::image/ami-1":           "ami:1/us-east-1/ami-1",
		"arn:aws:ec2:us-east-1:1:image/ami-1":          "ami:1/us-east-1/ami-1",
		"arn:aws-cn:appstream:us-east-1:1:image/red":   "",
		"arn::appstream:us-east-1:1:image/red":         "",
		"arn:aws:appstream:us-east-1::image/red":       "",
		"arn:aws:appstream:us-east-1:2:image/red":      "",
		"arn:aws:appstream::1:image/red":               "",
		"arn:aws:appstream:us-east-1:1:image/":         "",
		"arn:aws:appstream:us-east-1:1:image":          "",
		"arn:aws:appstream:us-east-1:1:spaceship/red":  "",
		"aws:appstream:us-east-1:1:image/red":          "",
		"arn:aws:ec2:us-east-1::security-group/sg-1":   "",
		"arn:aws:ec2:us-east-1:2:snapshot/snap-1":      "",
		"arn:aws:ec2:us-east-1:1:security-group/sg-1":  "security-group:1/us-east-1/sg-1",
		"arn:aws:appstream:us-east-1:1:image/red:blue": "image:1/us-east-1/red:blue",
	} {
		got := ""
		if _, key, ok := TagTarget("1", arn); ok {
			got = key.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", arn, got, want)
		}
	}
}
