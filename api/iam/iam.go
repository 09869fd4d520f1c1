// Package iam answers the IAM operations around who may use this server:
// users, access keys, groups, roles, policies, boundaries.
package iam

import (
	"net/url"
	"slices"
	"sort"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	aws "slipway/wire/iam"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	return append([]convert.Row{
		convert.On(aws.OpCreateRole, a.createRole, func(c domain.Caller, in *aws.CreateRoleRequest) []string {
			return pathed(c, "role", in.Path, in.RoleName)
		}),
		convert.On(aws.OpGetRole, a.getRole, nil),
		convert.On(aws.OpListRoles, a.listRoles, nil),
		convert.On(aws.OpUpdateRole, a.updateRole, nil),
		convert.On(aws.OpUpdateAssumeRolePolicy, a.updateAssumeRolePolicy, nil),
		convert.On(aws.OpDeleteRole, a.deleteRole, nil),
		convert.On(aws.OpPutRolePolicy, a.putRolePolicy, nil),
		convert.On(aws.OpGetRolePolicy, a.getRolePolicy, nil),
		convert.On(aws.OpListRolePolicies, a.listRolePolicies, nil),
		convert.On(aws.OpDeleteRolePolicy, a.deleteRolePolicy, nil),
		convert.On(aws.OpAttachRolePolicy, a.attachRolePolicy, nil),
		convert.On(aws.OpDetachRolePolicy, a.detachRolePolicy, nil),
		convert.On(aws.OpListAttachedRolePolicies, a.listAttachedRolePolicies, nil),
		convert.On(aws.OpTagRole, a.tagRole, nil),
		convert.On(aws.OpUntagRole, a.untagRole, nil),
		convert.On(aws.OpListRoleTags, a.listRoleTags, nil),
		convert.On(aws.OpListInstanceProfilesForRole, a.listInstanceProfilesForRole, nil),
		convert.On(aws.OpCreatePolicy, a.createPolicy, func(c domain.Caller, in *aws.CreatePolicyRequest) []string {
			return pathed(c, "policy", in.Path, in.PolicyName)
		}),
		convert.On(aws.OpGetPolicy, a.getPolicy, nil),
		convert.On(aws.OpListPolicies, a.listPolicies, nil),
		convert.On(aws.OpListEntitiesForPolicy, a.listEntitiesForPolicy, nil),
		convert.On(aws.OpDeletePolicy, a.deletePolicy, nil),
		convert.On(aws.OpCreatePolicyVersion, a.createPolicyVersion, nil),
		convert.On(aws.OpGetPolicyVersion, a.getPolicyVersion, nil),
		convert.On(aws.OpListPolicyVersions, a.listPolicyVersions, nil),
		convert.On(aws.OpSetDefaultPolicyVersion, a.setDefaultPolicyVersion, nil),
		convert.On(aws.OpDeletePolicyVersion, a.deletePolicyVersion, nil),
		convert.On(aws.OpTagPolicy, a.tagPolicy, nil),
		convert.On(aws.OpUntagPolicy, a.untagPolicy, nil),
		convert.On(aws.OpListPolicyTags, a.listPolicyTags, nil),
		convert.On(aws.OpSimulatePrincipalPolicy, a.simulatePrincipalPolicy, nil),
	}, slices.Concat(a.userRows(), a.groupRows(), a.boundaryRows())...)
}

func (a api) userRows() []convert.Row {
	return []convert.Row{
		convert.On(aws.OpCreateUser, a.createUser, func(c domain.Caller, in *aws.CreateUserRequest) []string {
			return pathed(c, "user", in.Path, in.UserName)
		}),
		convert.On(aws.OpGetUser, a.getUser, nil),
		convert.On(aws.OpListUsers, a.listUsers, nil),
		convert.On(aws.OpDeleteUser, a.deleteUser, nil),
		convert.On(aws.OpPutUserPolicy, a.putUserPolicy, nil),
		convert.On(aws.OpGetUserPolicy, a.getUserPolicy, nil),
		convert.On(aws.OpListUserPolicies, a.listUserPolicies, nil),
		convert.On(aws.OpDeleteUserPolicy, a.deleteUserPolicy, nil),
		convert.On(aws.OpAttachUserPolicy, a.attachUserPolicy, nil),
		convert.On(aws.OpDetachUserPolicy, a.detachUserPolicy, nil),
		convert.On(aws.OpListAttachedUserPolicies, a.listAttachedUserPolicies, nil),
		convert.On(aws.OpTagUser, a.tagUser, nil),
		convert.On(aws.OpUntagUser, a.untagUser, nil),
		convert.On(aws.OpListUserTags, a.listUserTags, nil),
		convert.On(aws.OpCreateAccessKey, a.createAccessKey, nil),
		convert.On(aws.OpListAccessKeys, a.listAccessKeys, nil),
		convert.On(aws.OpUpdateAccessKey, a.updateAccessKey, nil),
		convert.On(aws.OpDeleteAccessKey, a.deleteAccessKey, nil),
		convert.On(aws.OpGetAccessKeyLastUsed, a.getAccessKeyLastUsed, nil),
	}
}

// Errors maps kinds to the service's exceptions.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue:       "InvalidInputException",
		fault.BadCombination: "ValidationException",
		fault.Unsupported:    "InvalidInputException",
		fault.NotFound:       "NoSuchEntityException",
		fault.Exists:         "EntityAlreadyExistsException",
		fault.InUse:          "DeleteConflictException",
		fault.Quota:          "LimitExceededException",
		fault.Busy:           "ConcurrentModificationException",
		fault.Denied:         "AccessDeniedException",
		fault.Unavailable:    "ThrottlingException",
		fault.WrongState:     "UnmodifiableEntityException",
	},
	Nearest: map[fault.Kind][]fault.Kind{
		fault.BadValue: {fault.BadCombination}, fault.Unsupported: {fault.BadCombination},
		fault.Busy: {fault.Unavailable}, fault.WrongState: {fault.BadCombination}, fault.Quota: {fault.BadCombination},
	},
	Words: map[string]string{"MalformedPolicyDocument": "MalformedPolicyDocumentException"},
}

// pathed is the ARN of something that is made under a path.
func pathed(c domain.Caller, sort string, path, name *string) []string {
	p := convert.Val(path)
	if p == "" {
		p = "/"
	}
	return []string{domain.ARN("iam", "", c.Account, sort+p+convert.Val(name))}
}

func role(name *string) service.Holder {
	return service.Holder{Kind: domain.KindRole, Name: convert.Val(name)}
}

func user(name *string) service.Holder {
	return service.Holder{Kind: domain.KindUser, Name: convert.Val(name)}
}

// done is the answer of an operation that only tells whether it worked.
func done[O any](err error) (*O, error) {
	if err != nil {
		return nil, err
	}
	return new(O), nil
}

// encoded is a policy document as IAM answers it: URL-encoded (RFC 3986), so
// that neither way of decoding it changes anything.
func encoded(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

func tagSet(tags []aws.Tag) domain.Tags {
	if len(tags) == 0 {
		return nil
	}
	out := domain.Tags{}
	for _, t := range tags {
		out[convert.Val(t.Key)] = convert.Val(t.Value)
	}
	return out
}

func tagList(tags domain.Tags) []aws.Tag {
	out := []aws.Tag{}
	for k, v := range tags {
		out = append(out, aws.Tag{Key: new(k), Value: new(v)})
	}
	sort.Slice(out, func(i, j int) bool { return *out[i].Key < *out[j].Key })
	return out
}

// pageSize is what IAM answers without MaxItems.
const pageSize = 100

// page cuts a list, ordered by name, after the marker.
func page[T any](all []T, marker *string, max *int64, name func(T) string) (part []T, truncated *bool, next *string, err error) {
	after, err := convert.Position(marker)
	if err != nil {
		return nil, nil, nil, fault.New(fault.BadValue, "The Marker is not valid.").WithHint("Send the Marker of the previous page unchanged, or none.")
	}
	if marker != nil {
		i := sort.Search(len(all), func(i int) bool { return name(all[i]) > after })
		all = all[i:]
	}
	limit := int(convert.Val(max))
	if limit == 0 {
		limit = pageSize
	}
	if len(all) <= limit {
		return all, new(false), nil, nil
	}
	return all[:limit], new(true), convert.Token(name(all[limit-1])), nil
}

// shapes makes the list of an answer: never absent, at worst empty.
func shapes[T, S any](in []T, shape func(T) S) []S {
	out := make([]S, 0, len(in))
	for _, t := range in {
		out = append(out, shape(t))
	}
	return out
}

func self(s string) string { return s }

func tagName(t aws.Tag) string { return *t.Key }
