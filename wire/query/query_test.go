package query_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/ec2"
	"slipway/wire/iam"
	"slipway/wire/query"
	"slipway/wire/shape"
	"slipway/wire/sts"
)

type tree = map[string]any
type list = []any

// call makes the request of an operation with a form.
func call(t testing.TB, s *wire.Service, op, form string) *wire.Request {
	t.Helper()
	v, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	o := s.Op(op)
	if o == nil {
		t.Fatalf("no operation %s in %s", op, s.Name)
	}
	return &wire.Request{Service: s, Op: o, Form: v, RequestID: "req-1"}
}

func TestDecode(t *testing.T) {
	ec2c, awsc := query.EC2(), query.AWS()
	for _, c := range []struct {
		name  string
		codec query.Codec
		s     *wire.Service
		op    string
		form  string
		want  tree
		code  string
	}{
		{"ec2 lists in lists", ec2c, ec2.Service, "DescribeImages",
			"Action=DescribeImages&Version=2016-11-15&Filter.1.Name=state&Filter.1.Value.1=available&Filter.1.Value.2=pending&Filter.2.Name=name&ImageId.1=ami-1&Owner.1=self&DryRun=true&MaxResults=10",
			tree{"Filters": list{tree{"Name": "state", "Values": list{"available", "pending"}}, tree{"Name": "name"}},
				"ImageIds": list{"ami-1"}, "Owners": list{"self"}, "DryRun": true, "MaxResults": int64(10)}, ""},
		{"ec2 capitalises", ec2c, ec2.Service, "RegisterImage",
			"Name=n&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsda1&BlockDeviceMapping.1.Ebs.SnapshotId=snap-1&BlockDeviceMapping.1.Ebs.VolumeSize=8&BlockDeviceMapping.1.Ebs.DeleteOnTermination=true&BootMode=uefi",
			tree{"Name": "n", "BootMode": "uefi", "BlockDeviceMappings": list{tree{"DeviceName": "/dev/sda1",
				"Ebs": tree{"SnapshotId": "snap-1", "VolumeSize": int64(8), "DeleteOnTermination": true}}}}, ""},
		{"ec2 numeric order and gaps", ec2c, ec2.Service, "DescribeImages",
			"ImageId.10=c&ImageId.2=b&ImageId.1=a&ImageId.999999999=d", tree{"ImageIds": list{"a", "b", "c", "d"}}, ""},
		{"ec2 not an index", ec2c, ec2.Service, "DescribeImages", "ImageId.01=a&ImageId.x=b&ImageId.-1=c&ImageId.9999999999=d&ImageId.=e", tree{}, ""},
		{"ec2 tags", ec2c, ec2.Service, "CreateTags", "ResourceId.1=ami-1&Tag.1.Key=k&Tag.1.Value=", tree{"Resources": list{"ami-1"},
			"Tags": list{tree{"Key": "k", "Value": ""}}}, ""},
		{"ec2 tag specification", ec2c, ec2.Service, "CreateSnapshot", "VolumeId=v&TagSpecification.1.ResourceType=snapshot&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v",
			tree{"VolumeId": "v", "TagSpecifications": list{tree{"ResourceType": "snapshot", "Tags": list{tree{"Key": "k", "Value": "v"}}}}}, ""},
		{"ec2 launch permission", ec2c, ec2.Service, "ModifyImageAttribute", "ImageId=i&LaunchPermission.Add.1.UserId=123456789012&LaunchPermission.Remove.1.Group=all",
			tree{"ImageId": "i", "LaunchPermission": tree{"Add": list{tree{"UserId": "123456789012"}}, "Remove": list{tree{"Group": "all"}}}}, ""},
		{"ec2 bad number", ec2c, ec2.Service, "DescribeImages", "MaxResults=ten", nil, "InvalidParameterValue"},
		{"ec2 32 bits", ec2c, ec2.Service, "DescribeImages", "MaxResults=4294967296", nil, "InvalidParameterValue"},
		{"ec2 bad boolean", ec2c, ec2.Service, "DescribeImages", "DryRun=1", nil, "InvalidParameterValue"},
		{"ec2 twice", ec2c, ec2.Service, "DescribeImages", "MaxResults=1&MaxResults=2", nil, "InvalidParameterCombination"},
		{"ec2 deep", ec2c, ec2.Service, "DescribeImages", strings.Repeat("a.", 200) + "=1", nil, "MalformedQueryString"},
		{"iam members", awsc, iam.Service, "CreateRole", "RoleName=r&AssumeRolePolicyDocument=%7B%7D&Tags.member.1.Key=a&Tags.member.1.Value=b&MaxSessionDuration=3600",
			tree{"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": list{tree{"Key": "a", "Value": "b"}}, "MaxSessionDuration": int64(3600)}, ""},
		{"iam empty list", awsc, iam.Service, "CreateRole", "RoleName=r&Tags=", tree{"RoleName": "r", "Tags": list{}}, ""},
		{"iam nested scalars list", awsc, iam.Service, "SimulatePrincipalPolicy",
			"PolicySourceArn=a&ActionNames.member.1=ec2:X&ContextEntries.member.1.ContextKeyName=k&ContextEntries.member.1.ContextKeyValues.member.1=v",
			tree{"PolicySourceArn": "a", "ActionNames": list{"ec2:X"},
				"ContextEntries": list{tree{"ContextKeyName": "k", "ContextKeyValues": list{"v"}}}}, ""},
		{"sts lower-case member", awsc, sts.Service, "AssumeRole", "RoleArn=r&RoleSessionName=s&PolicyArns.member.1.arn=p&DurationSeconds=900",
			tree{"RoleArn": "r", "RoleSessionName": "s", "PolicyArns": list{tree{"arn": "p"}}, "DurationSeconds": int64(900)}, ""},
		{"sts bad number", awsc, sts.Service, "AssumeRole", "DurationSeconds=1.5", nil, "SerializationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.codec.Decode(call(t, c.s, c.op, c.form))
			var ex *wire.Exception
			if c.code != "" {
				if !errors.As(err, &ex) || ex.Code != c.code {
					t.Fatalf("got %v, %v; want %s", got, err, c.code)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %v (%v)\nwant %v", got, err, c.want)
			}
		})
	}
}

func TestTooManyParameters(t *testing.T) {
	r := call(t, ec2.Service, "DescribeImages", "")
	for i := range 10_001 {
		r.Form.Set(fmt.Sprint("ImageId.", i), "x")
	}
	if _, err := query.EC2().Decode(r); err == nil {
		t.Error("accepted")
	}
}

func TestEncodeEC2(t *testing.T) {
	r := call(t, ec2.Service, "DescribeImages", "")
	got, err := query.EC2().Encode(r, tree{"Images": list{
		tree{"ImageId": "ami-1", "Public": false, "Name": "a<b&\x01", "Tags": list{tree{"Key": "k", "Value": "v"}},
			"BlockDeviceMappings": list{tree{"DeviceName": "/dev/sda1", "Ebs": tree{"VolumeSize": int64(8)}}}, "ProductCodes": list{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := xml.Header + `<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>req-1</requestId><imagesSet><item>`
	body := string(got.Body)
	if !strings.HasPrefix(body, want) {
		t.Errorf("got %s", body)
	}
	for _, part := range []string{"<imageId>ami-1</imageId>", "<isPublic>false</isPublic>", "<name>a&lt;b&amp;\uFFFD</name>",
		"<tagSet><item><key>k</key><value>v</value></item></tagSet>", "<productCodes></productCodes>",
		"<blockDeviceMapping><item><ebs><volumeSize>8</volumeSize></ebs><deviceName>/dev/sda1</deviceName></item></blockDeviceMapping>"} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	got, err = query.EC2().Encode(call(t, ec2.Service, "CreateTags", ""), nil)
	if err != nil || !strings.Contains(string(got.Body), "<requestId>req-1</requestId><return>true</return></CreateTagsResponse>") {
		t.Errorf("%s %v", got.Body, err)
	}
	if _, err := query.EC2().Encode(r, tree{"Images": "no list"}); err == nil {
		t.Error("a wrong tree went out")
	}
}

func TestEncodeAWS(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_700_000, time.FixedZone("x", 3600))
	got, err := query.AWS().Encode(call(t, sts.Service, "AssumeRole", ""), tree{"Credentials": tree{"AccessKeyId": "A", "SecretAccessKey": "S",
		"SessionToken": "T", "Expiration": at}})
	want := xml.Header + `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>` +
		`<SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2026-01-02T02:04:05.006Z</Expiration></Credentials></AssumeRoleResult>` +
		`<ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></AssumeRoleResponse>`
	if err != nil || string(got.Body) != want || got.Status != 200 || got.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("got  %s %v\nwant %s", got.Body, err, want)
	}
	got, err = query.AWS().Encode(call(t, iam.Service, "DeleteRole", ""), nil)
	if err != nil || !strings.HasSuffix(string(got.Body), `/"><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></DeleteRoleResponse>`) {
		t.Errorf("%s %v", got.Body, err)
	}
	got, err = query.AWS().Encode(call(t, iam.Service, "SimulatePrincipalPolicy", ""), tree{"EvaluationResults": list{
		tree{"EvalActionName": "a", "EvalDecisionDetails": tree{"z": "allowed", "b": "explicitDeny"}}}})
	if err != nil || !strings.Contains(string(got.Body), "<EvalDecisionDetails><entry><key>b</key><value>explicitDeny</value></entry><entry><key>z</key>") {
		t.Errorf("%s %v", got.Body, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		codec  query.Codec
		s      *wire.Service
		ex     *wire.Exception
		status int
		body   string
	}{
		{query.EC2(), ec2.Service, wire.Exceptionf("InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist"), 400,
			`<Response><Errors><Error><Code>InvalidAMIID.NotFound</Code><Message>The image id &#39;[ami-1]&#39; does not exist</Message></Error></Errors><RequestID>req-1</RequestID></Response>`},
		{query.EC2(), nil, &wire.Exception{Code: "DryRunOperation", Message: "m", Status: 412}, 412, "<Code>DryRunOperation</Code>"},
		{query.EC2(), ec2.Service, wire.Exceptionf("UnrecognizedClientException", "m"), 401, "<Code>AuthFailure</Code>"},
		{query.EC2(), ec2.Service, wire.Exceptionf("AccessDeniedException", "m"), 403, "<Code>UnauthorizedOperation</Code>"},
		{query.EC2(), ec2.Service, wire.Exceptionf("ValidationException", "Value at 'x' failed to satisfy constraint: Member must not be null"), 400, "<Code>MissingParameter</Code>"},
		{query.EC2(), ec2.Service, wire.Exceptionf("NotImplementedException", "m"), 501, "<Code>NotImplementedException</Code>"},
		{query.AWS(), iam.Service, wire.Exceptionf("NoSuchEntityException", "no role"), 404,
			`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
		{query.AWS(), iam.Service, wire.Exceptionf("InvalidSignatureException", "m"), 403, "<Code>SignatureDoesNotMatch</Code>"},
		{query.AWS(), sts.Service, wire.Exceptionf("UnrecognizedClientException", "m"), 403, "<Code>InvalidClientTokenId</Code>"},
		{query.AWS(), sts.Service, wire.Exceptionf("ExpiredTokenException", "m"), 403, "<Code>ExpiredToken</Code>"},
		{query.AWS(), nil, wire.Exceptionf("InternalFailure", "m"), 500, "<ErrorResponse><Error><Type>Receiver</Type>"},
	} {
		got := c.codec.EncodeError(&wire.Request{Service: c.s, RequestID: "req-1"}, c.ex)
		if got.Status != c.status || !strings.Contains(string(got.Body), c.body) {
			t.Errorf("%s: %d %s", c.ex.Code, got.Status, got.Body)
		}
	}
}

// Whatever the form, decoding ends in a tree that fits the shape, or in an
// *Exception with status 400.
func FuzzDecode(f *testing.F) {
	f.Add("Filter.1.Name=a&Filter.1.Value.1=b&Filter.1=x&Filter=")
	f.Add("BlockDeviceMapping.1.Ebs.VolumeSize=8&BlockDeviceMapping.2=&Tag.999999999.Key=x&.=&..1=")
	f.Add("Tags.member.1.Key=a&Tags.member.=b&Tags.entry.1.key=c&ContextEntries.member.1.ContextKeyValues.member.2=d")
	ops := []*wire.Op{ec2.Service.Op("RegisterImage"), ec2.Service.Op("DescribeImages"), iam.Service.Op("CreateRole"), iam.Service.Op("SimulatePrincipalPolicy")}
	f.Fuzz(func(t *testing.T, form string) {
		v, err := url.ParseQuery(form)
		if err != nil {
			t.Skip()
		}
		for i, op := range ops {
			codec := query.EC2()
			if i > 1 {
				codec = query.AWS()
			}
			got, err := codec.Decode(&wire.Request{Service: op.Service, Op: op, Form: v})
			var ex *wire.Exception
			if err != nil {
				if !errors.As(err, &ex) || ex.HTTPStatus(nil) != 400 {
					t.Fatal(err)
				}
				continue
			}
			fits(t, op.Input, got)
		}
	})
}

func fits(t *testing.T, s *shape.Shape, v any) {
	switch v := v.(type) {
	case tree:
		for k, x := range v {
			m := s.Member(k)
			if m == nil {
				t.Fatalf("%s has no member %q", s.Name, k)
			}
			fits(t, m.Shape, x)
		}
	case list:
		for _, x := range v {
			fits(t, s.Elem, x)
		}
	case string:
		if s.Kind != shape.String {
			t.Fatalf("a string for %s", s.Name)
		}
	case nil:
		t.Fatalf("nil for %s", s.Name)
	}
}
