//go:build echo5

package things_test

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/hashd-project/hashd/v2/api/templates/testdata/things"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// handler serves the service; what it refuses goes to failed.
func handler(service things.StrictServerInterface, guard strict.Guard, failed func(http.ResponseWriter, error)) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(c *echo.Context, err error) { failed(c.Response(), err) }
	read := func(c *echo.Context, body strict.Body) error {
		return strict.Decode(c.Request().Body, c.Request().ContentLength, 1<<20, body)
	}
	things.RegisterHandlers(e, things.NewStrictHandler(service, read, guard))
	return e
}
