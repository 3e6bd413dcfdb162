package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// json answers with v.
func (s *Server) json(c echo.Context, status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return s.blob(c, status, "application/json; charset=utf-8", body)
}

// resource answers a GET with v under an entity tag, or with 304 to who has it already.
func (s *Server) resource(c echo.Context, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	c.Response().Header().Add("Vary", "Authorization")
	c.Response().Header().Add("Vary", "Cookie")
	return s.tagged(c, "application/json; charset=utf-8", body)
}

// tagged answers a GET with body under a tag made of it: weak, because it may be sent packed or as it is.
func (s *Server) tagged(c echo.Context, contentType string, body []byte) error {
	sum := sha256.Sum256(body)
	tag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	h := c.Response().Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	if matches(c.Request().Header.Values("If-None-Match"), tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return s.blob(c, http.StatusOK, contentType, body)
}

// blob answers with a body, packed where that pays. A reader who takes nothing for WriteTimeout is cut off.
func (s *Server) blob(c echo.Context, status int, contentType string, body []byte) error {
	h := c.Response().Header()
	h.Set("Content-Type", contentType)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	if len(body) >= minPacked {
		h.Add("Vary", "Accept-Encoding")
		if takesGzip(c.Request().Header.Values("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = pack(body)
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(body)
	return gone(err)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // served as JSON, never sniffed; output stays readable
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// matches reports whether If-None-Match names tag, by the weak comparison that RFC 9110 asks for.
func matches(headers []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, h := range headers {
		for one := range strings.SplitSeq(h, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

func boundKey(name, key string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + key))
	return hex.EncodeToString(sum[:])
}
