package facts

// App is an application to look for: absolute paths as the operating system of
// the disk writes them; "" when none was given.
type App struct {
	Path     string `json:"path"`
	Icon     string `json:"icon,omitempty"`
	Manifest string `json:"manifest,omitempty"`
}

// AppSeen is what was found of an App.
type AppSeen struct {
	Found         bool     `json:"found"`
	Problem       string   `json:"problem,omitempty"` // why the path could not be looked up
	Version       string   `json:"version,omitempty"` // of a Windows program's file
	IconMissing   bool     `json:"iconMissing,omitempty"`
	IconProblem   string   `json:"iconProblem,omitempty"` // why the icon cannot be shown
	IconPNG       []byte   `json:"iconPng,omitempty"`     // at most 256 × 256
	Lines         int      `json:"lines,omitempty"`       // of the manifest
	NoManifest    bool     `json:"noManifest,omitempty"`  // the path is not on the disk
	MissingLines  []string `json:"missingLines,omitempty"`
	MissingNumber int      `json:"missingNumber,omitempty"` // how many lines name nothing; MissingLines are the first of them
}
