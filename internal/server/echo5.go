//go:build echo5

package server

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

// See echo4.go.

type (
	echoContext  = *echo.Context
	echoHandler  = echo.HandlerFunc
	echoResponse = echo.Response
)

// What Echo's router returns for a path that does not exist, and for one that has other methods.
var (
	errNotFound         error = echo.ErrNotFound
	errMethodNotAllowed error = echo.ErrMethodNotAllowed
)

// router is Echo. It registers each operation of GET for HEAD too, which answers the same without its body
// (RFC 9110, section 9.3.2): net/http leaves it out.
type router struct{ *echo.Echo }

func newRouter() router { return router{echo.New()} }

// GET implements the generated EchoRouter.
func (r router) GET(path string, handler echo.HandlerFunc, more ...echo.MiddlewareFunc) echo.RouteInfo {
	r.HEAD(path, handler, more...)
	return r.Echo.GET(path, handler, more...)
}

// page registers what answers to GET.
func (r router) page(path string, page http.Handler) { r.GET(path, echo.WrapHandler(page)) }

// routes returns what was registered.
func (r router) routes() (list []route) {
	for _, added := range r.Router().Routes() {
		list = append(list, route{added.Method, added.Path})
	}
	return list
}

// responseOf returns what Echo knows of the answer.
func responseOf(c echoContext) *echoResponse {
	response, err := echo.UnwrapResponse(c.Response())
	if err != nil {
		panic(err) // nothing else wraps it
	}
	return response
}
