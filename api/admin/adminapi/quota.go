package adminapi

// Quotas answers GET /quotas?account=ID&region=NAME; both are the caller's
// where they are left out.
type Quotas struct {
	Account string  `json:"account"`
	Region  string  `json:"region"`
	Quotas  []Quota `json:"quotas"`
}

// Quota is one limit of an account in a Region.
type Quota struct {
	Code       string `json:"code"`
	Name       string `json:"name"`
	AWSCode    string `json:"aws_code,omitempty"` // in AWS's Service Quotas
	Default    int    `json:"default"`            // AWS's
	Value      int    `json:"value"`
	Adjustable bool   `json:"adjustable"` // whether AWS raises it on request
}

// SetQuotaRequest is the body of POST /quotas.
type SetQuotaRequest struct {
	Code    string `json:"code"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Value   *int   `json:"value,omitempty"` // left out: the default
}
