package recipes

import "testing"

var endpointSteps = []step{
	{"api/openapi.yaml", []edit{{"  /healthz:\n", `  /v/name:
    get:
      operationId: getName
      tags: [operations]
      summary: What answers here
      responses:
        "200":
          description: It is hashd
          headers:
            X-Request-Id:
              $ref: "#/components/headers/RequestID"
          content:
            application/json:
              schema:
                $ref: "#/components/schemas/Health"
              examples:
                default: { value: { status: ok } }
        "405": { $ref: "#/components/responses/MethodNotAllowed" }
        "421": { $ref: "#/components/responses/MisdirectedRequest" }
        "500": { $ref: "#/components/responses/InternalError" }
        default: { $ref: "#/components/responses/OtherProblem" }
  /healthz:
`}}},
	{"gen/", nil}, // make generate writes it
	{"internal/service/service.go", []edit{{"// GetHealth implements", `// GetName implements GET /v/name.
func (s *Service) GetName(context.Context, wire.GetNameRequestObject) (wire.GetNameResponseObject, error) {
	return wire.GetName200JSONResponse{Body: wire.Health{Status: wire.HealthStatusOk}}, nil
}

// GetHealth implements`}}},
	{"docs/api.md", []edit{{"| `GET /healthz` |", "| `GET /v/name` | what answers here |\n| `GET /healthz` |"}}},
}

// Who adds an endpoint is told by the compiler and by tests what is still missing.
func TestAddAnEndpoint(t *testing.T) {
	t.Parallel()
	wantRecipe(t, "Add an endpoint", endpointSteps)
	s := newScratch(t)
	s.do(t, endpointSteps[0])
	s.generate(t)
	s.wantMissing(t, []string{"go", "vet", "./internal/service"}, "missing method GetName")
	s.wantMissing(t, []string{"go", "test", "./test/guides"}, "docs/api.md lacks GET /v/name")
	s.do(t, endpointSteps[2:]...)
	s.wantDone(t, "go", "vet", "./internal/service", "./internal/server")
	s.wantDone(t, "go", "test", "./api", "./client", "./test/guides", "-run", "Operations|Response|Refusals|Contract|PageOfTheAPI")
}
