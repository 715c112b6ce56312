package contracttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Contract holds answers to the contract. It is safe for concurrent use.
type Contract struct {
	doc    *openapi3.T
	router routers.Router
}

// New loads the contract.
func New() (*Contract, error) {
	doc, router, err := Load()
	return &Contract{doc, router}, err
}

// answer is what a server has answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// Check holds an answer to the contract, also one to a request that is not in it.
func (c *Contract) Check(req *http.Request, status int, header http.Header, body []byte) error {
	a := answer{status, header, body}
	if a.header.Get("X-Request-Id") == "" {
		return errors.New("no X-Request-Id")
	}
	route, params, err := c.router.FindRoute(req)
	switch {
	case errors.Is(err, routers.ErrPathNotFound):
		return c.checkProblem(a, http.StatusNotFound, "unknown-path")
	case errors.Is(err, routers.ErrMethodNotAllowed):
		if a.header.Get("Allow") == "" {
			return errors.New("no Allow")
		}
		return c.checkProblem(a, http.StatusMethodNotAllowed, "method-not-allowed")
	case err != nil:
		return err
	}
	if a.status >= 400 {
		if err := c.checkProblem(a, a.status, ""); err != nil {
			return err
		}
	}
	inLines := a.header.Get("Content-Type") == ndjson
	if inLines {
		if err := checkLines(route.Operation.Responses.Status(a.status), a.body); err != nil {
			return err
		}
	}
	return openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(bytes.NewReader(a.body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: inLines},
	})
}

const ndjson = "application/x-ndjson"

// checkLines checks each line of an answer in lines, the last of which ends too.
func checkLines(response *openapi3.ResponseRef, body []byte) error {
	if response == nil || response.Value.Content[ndjson] == nil {
		return errors.New("an answer in lines is not declared")
	}
	schema := response.Value.Content[ndjson].Schema.Value
	for line := range bytes.Lines(body) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		if err := schema.VisitJSON(v, openapi3.VisitAsResponse()); err != nil {
			return err
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			return errors.New("the last line does not end")
		}
	}
	return nil
}

// checkProblem checks that the answer is a problem document of that status and kind; "" is any.
func (c *Contract) checkProblem(a answer, status int, kind string) error {
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		return err
	}
	if err := c.doc.Components.Schemas["Problem"].Value.VisitJSON(v); err != nil {
		return err
	}
	contentType, problemType := a.header.Get("Content-Type"), fmt.Sprint(v["type"])
	got := []any{a.status, v["status"], contentType}
	if want := []any{status, float64(status), "application/problem+json"}; !slices.Equal(got, want) {
		return fmt.Errorf("problem is %v, want %v", got, want)
	}
	if !strings.HasPrefix(problemType, "urn:hashd:problem:"+kind) {
		return fmt.Errorf("problem type is %s, want kind %q", problemType, kind)
	}
	if want := "urn:hashd:request:" + a.header.Get("X-Request-Id"); v["instance"] != want {
		return fmt.Errorf("instance is %v, want %s", v["instance"], want)
	}
	return nil
}
