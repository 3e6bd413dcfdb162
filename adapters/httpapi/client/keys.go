package client

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Keys is ports.Keys over HTTP.
type Keys struct{ *conn }

var _ ports.Keys = (*Keys)(nil)

// Add implements ports.Keys.
func (c *Keys) Add(ctx context.Context, n ports.NewKey) (domain.Key, error) {
	if err := domain.CheckKeyName("name", n.Name); err != nil {
		return domain.Key{}, err // an empty one would be taken from the file
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	write := func(field, value string) {
		_ = form.WriteField(field, value) // a buffer takes everything
	}
	write(wire.FormName, n.Name)
	if !n.Passphrase.Empty() {
		write(wire.FormPassphrase, n.Passphrase.Reveal())
	}
	file, err := form.CreateFormFile(wire.FormKey, n.Name)
	if err == nil {
		_, err = file.Write([]byte(n.Text.Reveal()))
	}
	if err != nil {
		return domain.Key{}, domain.Internal("a request could not be written", err)
	}
	_ = form.Close()
	var k wire.UploadedKey
	err = c.do(ctx, call{method: http.MethodPost, path: "upload/pem", raw: body.Bytes(), media: form.FormDataContentType()}, &k)
	return k.Domain(), err
}

// List implements ports.Keys.
func (c *Keys) List(ctx context.Context) ([]domain.Key, error) {
	var list wire.KeyList
	err := c.do(ctx, call{method: http.MethodGet, path: "files/pem"}, &list)
	return list.Domain(), err
}

// Delete implements ports.Keys.
func (c *Keys) Delete(ctx context.Context, name string) error {
	if domain.CheckKeyName("filename", name) != nil {
		return domain.ErrKeyNotFound.Withf("there is no stored key named %q", name)
	}
	var answer wire.DeletedKey
	return c.do(ctx, call{method: http.MethodDelete, path: "files/pem/" + name}, &answer)
}

// Check implements ports.ServerAccess.
func (c *Access) Check(ctx context.Context, id domain.ServerID) (ports.ServerStatus, error) {
	if !wire.IsID(string(id)) {
		return ports.ServerStatus{}, unknownServer(id)
	}
	var s wire.ServerStatus
	if err := c.do(ctx, call{method: http.MethodPost, path: "servers/" + string(id) + "/status"}, &s); err != nil {
		return ports.ServerStatus{}, err
	}
	return s.Domain(), nil
}

// CheckAll implements ports.ServerAccess.
func (c *Access) CheckAll(ctx context.Context, q ports.ServerQuery) ([]ports.ServerStatus, error) {
	v := url.Values{}
	if q.Tag != "" {
		v.Set("tag", q.Tag)
	}
	if q.Active != nil {
		v.Set("active", strconv.FormatBool(*q.Active))
	}
	var list wire.ServerStatuses
	err := c.do(ctx, call{method: http.MethodPost, path: "servers/bulk/status", query: v}, &list)
	return list.Domain(), err
}
