// Package docs serves the contract, as YAML and as JSON, and Swagger UI on it. Everything comes
// from the binary, so the pages work offline, under a Content-Security-Policy that lets
// nothing else in. It knows the contract's text but not what it says.
package docs

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/swaggest/swgui/v5/static"
	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/asset"
)

// policy allows what Swagger UI needs: its own scripts, styles it sets on elements, the icons it
// has as data, and requests to this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page loads Swagger UI. Every reference is relative, so that it works behind a prefix that a proxy takes
// away: to the folder of the page at /docs, and to the page's own at /docs/.
func page(folder string) []byte {
	return []byte(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hashd API</title>
<link rel="icon" type="image/png" href="` + folder + `favicon-32x32.png">
<link rel="stylesheet" href="` + folder + `swagger-ui.css">
<link rel="stylesheet" href="` + folder + `narrow.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="` + folder + `swagger-ui-bundle.js"></script>
<script src="` + folder + `init.js"></script>
</body>
</html>
`)
}

// initScript starts Swagger UI. It stands in a file of its own so that the policy need not allow scripts
// in the page. The contract lies beside the folder that the script came from. The online validator is
// off: it would be a request to a stranger.
const initScript = `window.ui = SwaggerUIBundle({
  url: new URL("../openapi.yaml", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
`

// narrow keeps the page within the window of a telephone: cells of tables stand one below the other, and
// what is too long wraps.
const narrow = `body { margin: 0; }
@media (max-width: 640px) {
  .swagger-ui { overflow-wrap: anywhere; }
  .swagger-ui .wrapper, .swagger-ui .opblock-body { padding-inline: 8px; }
  .swagger-ui .responses-table, .swagger-ui .responses-table > *, .swagger-ui .responses-table > * > tr,
  .swagger-ui .responses-table > * > tr > td, .swagger-ui table.parameters, .swagger-ui table.parameters > *,
  .swagger-ui table.parameters > * > tr, .swagger-ui table.parameters > * > tr > td { display: block; width: auto; max-width: 100%; }
  .swagger-ui .responses-table > thead, .swagger-ui table.parameters > thead { display: none; }
  .swagger-ui pre { white-space: pre-wrap; }
  .swagger-ui .scheme-container label { margin-right: 0; max-width: 100%; }
  .swagger-ui select, .swagger-ui input, .swagger-ui textarea { max-width: 100%; min-width: 0; }
}
`

// Pages returns a handler for each path, for the method GET.
func Pages(contract string) (map[string]http.Handler, error) {
	asJSON, err := toJSON(contract)
	if err != nil {
		return nil, err
	}
	pages := map[string]http.Handler{
		"/openapi.yaml":    file("application/yaml", []byte(contract)),
		"/openapi.json":    file("application/json", asJSON),
		"/docs":            file("text/html; charset=utf-8", page("docs/")),
		"/docs/":           file("text/html; charset=utf-8", page("")),
		"/docs/init.js":    file("text/javascript; charset=utf-8", []byte(initScript)),
		"/docs/narrow.css": file("text/css; charset=utf-8", []byte(narrow)),
	}
	for name, contentType := range map[string]string{
		"swagger-ui.css.gz":       "text/css; charset=utf-8",
		"swagger-ui-bundle.js.gz": "text/javascript; charset=utf-8",
		"favicon-32x32.png":       "image/png",
	} {
		content, err := fs.ReadFile(static.FS, name)
		if err != nil {
			return nil, fmt.Errorf("docs: %w", err)
		}
		path, zipped := strings.CutSuffix("/docs/"+name, ".gz")
		if !zipped {
			pages[path] = file(contentType, content)
			continue
		}
		plain, err := asset.Unzip(content)
		if err != nil {
			return nil, fmt.Errorf("docs: %s: %w", name, err)
		}
		pages[path] = file(contentType, plain).Zipped(content)
	}
	return pages, nil
}

func file(contentType string, content []byte) *asset.File {
	return asset.New(contentType, policy, content)
}

// toJSON returns a YAML document as JSON.
func toJSON(text string) ([]byte, error) {
	var document map[string]any
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, fmt.Errorf("docs: contract: %w", err)
	}
	b, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("docs: contract: %w", err)
	}
	return b, nil
}
