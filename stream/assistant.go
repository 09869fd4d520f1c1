package stream

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Assistant are the use cases behind the Image Assistant's panel, which does what
// the command line in the guest does; see service.
type Assistant interface {
	PageBuilder(ctx context.Context, page string) (domain.Caller, string, error)
	Applications(ctx context.Context, c domain.Caller, builder string) ([]domain.Application, error)
	AddApplication(ctx context.Context, c domain.Caller, builder string, app domain.Application) error
	RemoveApplication(ctx context.Context, c domain.Caller, builder, name string) error
	CreateImageFromBuilder(ctx context.Context, c domain.Caller, in service.NewImage) (*domain.Image, error)
	ImageProgress(ctx context.Context, c domain.Caller, name string) (*domain.Image, *domain.Job, error)
}

// maxAsk bounds the body of a request of the panel's, in bytes.
const maxAsk = 64 << 10

// application is one of the catalogue, as the panel knows it.
type application struct {
	Name             string `json:"name"`
	DisplayName      string `json:"displayName,omitempty"`
	Path             string `json:"path"`
	IconPath         string `json:"iconPath,omitempty"`
	WorkingDirectory string `json:"workingDirectory,omitempty"`
	Parameters       string `json:"parameters,omitempty"`
	ManifestPath     string `json:"manifestPath,omitempty"`
}

// newImage is what the panel asks for.
type newImage struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
	LatestAgent bool   `json:"latestAgent"`
	DryRun      bool   `json:"dryRun"`
}

// making is how far an image is.
type making struct {
	Name   string  `json:"name"`
	State  string  `json:"state"`
	Reason string  `json:"reason,omitempty"`
	Step   string  `json:"step,omitempty"`
	Part   float64 `json:"part,omitempty"` // of the step, from 0 to 1; 0 also when unknown
}

// assist makes a handler of the panel's from a function on the page's builder.
func assist[I any](s *Server, f func(ctx context.Context, c domain.Caller, builder string, r *http.Request, in I) (any, error)) http.HandlerFunc {
	return asked(s, "the Image Assistant's panel", func(r *http.Request, token string, in I) (any, error) {
		c, builder, err := s.c.Assistant.PageBuilder(r.Context(), token)
		if err != nil {
			return nil, err
		}
		return f(r.Context(), c, builder, r, in)
	})
}

// asked makes a handler from a function on the token of a page and the body of a
// request, both as JSON. What changes something must come from our page.
func asked[I any](s *Server, what string, f func(r *http.Request, token string, in I) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := func() (any, error) {
			if r.Method != http.MethodGet && !s.sameOrigin(r) {
				return nil, fault.New(fault.Denied, "This is for the streaming page of this server alone.")
			}
			token, err := tokenOf(r)
			if err != nil {
				return nil, err
			}
			var in I
			if r.Method == http.MethodPost {
				if err := s.read(w, r, &in); err != nil {
					return nil, fault.Wrap(fault.BadValue, err, "The request cannot be read.")
				}
			}
			return f(r, token, in)
		}()
		if err != nil {
			s.refuse(w, what, err)
			return
		}
		s.answer(w, http.StatusOK, out)
	}
}

// read reads the JSON of a request to its end.
func (s *Server) read(w http.ResponseWriter, r *http.Request, in any) error {
	done := comes(w, s.c.Body)
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsk))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows")
	}
	done()
	return nil
}

// refuse answers with why something could not be done.
func (s *Server) refuse(w http.ResponseWriter, what string, err error) {
	if statusOf(err) == http.StatusInternalServerError {
		s.c.Log.Error(what, "err", err)
	}
	s.answer(w, statusOf(err), Status{Error: fault.Public(err), Final: final(err)})
}

// assistant hangs the panel's handlers below the pages.
func (s *Server) assistant() {
	at, a := s.c.Path+"p/{page}/assistant/", s.c.Assistant
	type none struct{}
	s.mux.HandleFunc("GET "+at+"applications", assist(s, func(ctx context.Context, c domain.Caller, b string, _ *http.Request, _ none) (any, error) {
		list, err := a.Applications(ctx, c, b)
		out := []application{}
		for _, x := range list {
			out = append(out, application{x.Name, x.DisplayName, x.Path, x.IconPath, x.WorkingDirectory, x.Parameters, x.ManifestPath})
		}
		return out, err
	}))
	s.mux.HandleFunc("POST "+at+"applications", assist(s, func(ctx context.Context, c domain.Caller, b string, _ *http.Request, in application) (any, error) {
		return none{}, a.AddApplication(ctx, c, b, domain.Application{Name: in.Name, DisplayName: in.DisplayName, Path: in.Path,
			IconPath: in.IconPath, WorkingDirectory: in.WorkingDirectory, Parameters: in.Parameters, ManifestPath: in.ManifestPath})
	}))
	s.mux.HandleFunc("DELETE "+at+"applications/{name}", assist(s, func(ctx context.Context, c domain.Caller, b string, r *http.Request, _ none) (any, error) {
		return none{}, a.RemoveApplication(ctx, c, b, r.PathValue("name"))
	}))
	s.mux.HandleFunc("POST "+at+"image", assist(s, func(ctx context.Context, c domain.Caller, b string, _ *http.Request, in newImage) (any, error) {
		img, err := a.CreateImageFromBuilder(ctx, c, service.NewImage{Builder: b, Name: in.Name, DisplayName: in.DisplayName,
			Description: in.Description, LatestAgent: in.LatestAgent, DryRun: in.DryRun})
		if err != nil {
			return nil, err
		}
		return making{Name: img.Key.Name, State: string(img.State)}, nil
	}))
	s.mux.HandleFunc("GET "+at+"image/{name}", assist(s, func(ctx context.Context, c domain.Caller, b string, r *http.Request, _ none) (any, error) {
		img, job, err := a.ImageProgress(ctx, c, r.PathValue("name"))
		if err != nil {
			return nil, err
		}
		if img.Builder != b { // a page tells of its own builder's images alone
			return nil, fault.New(fault.NotFound, "The image builder %s has made no such image.", b)
		}
		out := making{Name: img.Key.Name, State: string(img.State)}
		if img.Reason != nil {
			out.Reason = img.Reason.Message
		}
		if job != nil && !job.Status.Ended() {
			out.Step = job.StepName
			if p := job.Progress; p.Total > 0 {
				out.Part = float64(p.Done) / float64(p.Total)
			}
		}
		return out, nil
	}))
}
