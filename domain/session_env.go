package domain

import (
	"strings"
	"time"
)

// What a guest's programs find in their environment (administration guide, "User
// and Instance Metadata for AppStream 2.0 Fleets"; the words of the resource type
// are from there, too).

// Environment is what the user of a session has in the environment.
func (x *Session) Environment() map[string]string {
	mode := map[string]string{AuthAPI: "custom", "SAML": "saml", "USERPOOL": "userpool"}[x.Auth]
	return plainText(map[string]string{
		"AppStream_Stack_Name": x.Stack, "AppStream_User_Access_Mode": mode, "AppStream_UserName": x.User, "AppStream_Session_ID": x.Key.Name,
		"AppStream_Session_Reservation_DateTime": x.Started.UTC().Format(time.RFC3339),
	})
}

// Environment is what everybody on the instance has, with what the session's
// address said for it; x is nil where each of several sessions has its own.
func (i *FleetInstance) Environment(x *Session) map[string]string {
	m := map[string]string{
		"AppStream_Image_Arn": i.ImageARN, "AppStream_Instance_Type": i.InstanceType, "AppStream_Resource_Type": "fleet", "AppStream_Resource_Name": i.Fleet,
	}
	if x != nil {
		m["APPSTREAM_SESSION_CONTEXT"] = x.Context
	}
	return plainText(m)
}

// plainText takes out what no environment can hold.
func plainText(m map[string]string) map[string]string {
	for k, v := range m {
		m[k] = strings.ReplaceAll(v, "\x00", "")
	}
	return m
}
