// Package contracttest loads the contract for tests that hold hashd's answers to it. They are held to
// more than a client may count on: an answer has no members but those that the contract tells, and
// no status that it does not list by number.
package contracttest

import (
	"context"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/hashd-project/hashd/v2/api"
)

// Load returns the contract, which must be valid, and what finds an operation in it. Each call
// returns another one, which the caller may change.
func Load() (*openapi3.T, routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.Contract()))
	if err != nil {
		return nil, nil, fmt.Errorf("contract: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, nil, fmt.Errorf("contract: %w", err)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			op.Responses.Delete("default")
			for _, response := range op.Responses.Map() {
				for _, body := range response.Value.Content {
					closeSchema(body.Schema.Value)
				}
			}
		}
	}
	doc.Servers = nil // the router knows no relative one
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("contract: %w", err)
	}
	return doc, router, nil
}

// closeSchema forbids in the schema's objects all members that it does not tell.
func closeSchema(s *openapi3.Schema) {
	if s.Type.Is("object") {
		closed := false
		s.AdditionalProperties.Has = &closed
	}
	for _, property := range s.Properties {
		closeSchema(property.Value)
	}
	if s.Items != nil {
		closeSchema(s.Items.Value)
	}
}
