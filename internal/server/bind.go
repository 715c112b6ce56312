package server

import (
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/hashd-project/hashd/internal/strict"
)

// Why a body is refused before its content is looked at.
var (
	errMediaType = errors.New("unsupported media type") // not plain JSON in UTF-8
	errBodyRead  = errors.New("body could not be read")
)

// binder reads request bodies in the one way there is, in place of Echo's, which is lax.
type binder struct{ limit int }

// Bind implements echo.Binder for the generated bodies.
func (b binder) Bind(into any, c echo.Context) error {
	body, ok := into.(strict.Body)
	if !ok {
		return fmt.Errorf("no strict decoder was generated for %T", into)
	}
	r := c.Request()
	if !isJSON(headerValue(r.Header, echo.HeaderContentType)) || headerValue(r.Header, echo.HeaderContentEncoding) != "" {
		return errMediaType
	}
	err := strict.Decode(r.Body, r.ContentLength, b.limit, body)
	if err == nil {
		return nil
	}
	if _, invalid := errors.AsType[*strict.Error](err); invalid || errors.Is(err, strict.ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: %w", errBodyRead, err)
}

// isJSON says whether the content type is JSON in UTF-8, which is JSON's only encoding between
// systems (RFC 8259, section 8.1).
func isJSON(contentType string) bool {
	if contentType == echo.MIMEApplicationJSON {
		return true // nearly always, and parsing is slow
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	charset, named := params["charset"]
	return err == nil && mediaType == echo.MIMEApplicationJSON && (!named || strings.EqualFold(charset, "utf-8"))
}
