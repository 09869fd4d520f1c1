package guest

// Names of calls: the operations of the Image Assistant, in its own words.
const (
	CallAddApplication    = "add-application"
	CallRemoveApplication = "remove-application"
	CallListApplications  = "list-applications"
	CallCreateImage       = "create-image"
)

// Exit codes of the Image Assistant (developer guide, "Image Assistant CLI
// operations").
const (
	StatusOK         = 0
	StatusRefused    = 1
	StatusUnexpected = 255
)

// Answer is what the host says to a call, and what the Image Assistant prints.
type Answer struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
	// Applications is the catalogue, of list-applications alone.
	Applications []Application `json:"applications,omitzero"`
	// Next: the list goes on after this name; ask again.
	Next string `json:"next,omitempty"`
}

// OK is the answer to a call that succeeded.
var OK = Answer{Message: "Success"}

// Refused is the answer to a call that cannot be done.
func Refused(message string) Answer { return Answer{Status: StatusRefused, Message: message} }

// Unexpected is the answer to a call that went wrong.
func Unexpected(message string) Answer { return Answer{Status: StatusUnexpected, Message: message} }

// Application is an entry of the catalogue, and the arguments of
// add-application. Paths are the guest's.
type Application struct {
	Name             string `json:"name"`
	DisplayName      string `json:"display-name,omitempty"`
	Path             string `json:"absolute-app-path"`
	IconPath         string `json:"absolute-icon-path,omitempty"`
	WorkingDirectory string `json:"working-directory,omitempty"`
	Parameters       string `json:"launch-parameters,omitempty"`
	ManifestPath     string `json:"absolute-manifest-path,omitempty"`
}

// Named are the arguments of remove-application, and of list-applications, where
// the name is the one to go on after.
type Named struct {
	Name string `json:"name,omitempty"`
}

// NewImage are the arguments of create-image.
type NewImage struct {
	Name           string            `json:"name"`
	Description    string            `json:"description,omitempty"`
	DisplayName    string            `json:"display-name,omitempty"`
	DynamicCatalog bool              `json:"enable-dynamic-app-catalog,omitempty"`
	LatestAgent    bool              `json:"use-latest-agent-version,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	DryRun         bool              `json:"dry-run,omitempty"`
}
