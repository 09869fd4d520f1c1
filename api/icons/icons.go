// Package icons serves the pictures of applications at addresses that the
// service signed. Who has the address may look: it names one picture, and it
// expires. Nothing else is served from here.
package icons

import (
	"net/http"
	"os"
	"path/filepath"
	"time"

	"slipway/fault"
	"slipway/service"
)

// Handler serves files of dir, named by digest, to GET requests whose path
// value "token" is of sign.
func Handler(dir string, sign *service.Icons) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest, err := sign.Digest(r.PathValue("token"))
		if err != nil {
			http.Error(w, fault.Public(err), http.StatusForbidden)
			return
		}
		f, err := os.Open(filepath.Join(dir, digest+".png"))
		if err != nil {
			http.Error(w, "The icon is not here any more.", http.StatusNotFound)
			return
		}
		defer f.Close()
		h := w.Header()
		h.Set("Content-Type", "image/png")
		h.Set("Content-Security-Policy", "default-src 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "private, max-age=3600")
		http.ServeContent(w, r, "", time.Time{}, f)
	})
}
