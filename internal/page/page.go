// Package page serves the live page: a form, the jobs of a visit and the figures of a server, for people.
// It is static files alone, which call the API as any other client does; this package knows nothing of jobs.
package page

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"

	"github.com/hashd-project/hashd/v2/internal/asset"
)

// policy allows the page's own scripts, styles, icon and requests, and no text that becomes a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Declarations of types stand beside the scripts for who checks them, and are not served.
//
//go:embed static/*.html static/*.css static/*.svg static/*.js static/client/*.js static/uplot/*.js static/uplot/*.css
var static embed.FS

var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Pages returns a handler for each path, for the method GET: the page at /, and what it loads below /page/.
// Every reference is relative, so that the page works behind a prefix that a proxy takes away.
func Pages() (map[string]http.Handler, error) {
	pages := make(map[string]http.Handler)
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		at := "/page/" + name
		if name == "index.html" {
			at = "/"
		}
		pages[at] = asset.New(types[path.Ext(name)], policy, content).Zipped(nil)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return pages, nil
}
