package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const (
	defaultUpload = 64 << 10
	maxFormField  = 4 << 10  // of a form's fields beside the file
	maxFormRest   = 64 << 10 // of a form beside its file: fields, headers, boundaries
)

func (s *Server) uploadKey(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	n, err := s.keyForm(c)
	if err != nil {
		return err
	}
	k, err := s.cfg.Keys.Add(c.Request().Context(), n)
	if err != nil {
		return err
	}
	return s.json(c, http.StatusCreated, wire.UploadedKeyOf(k))
}

func (s *Server) listKeys(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	list, err := s.cfg.Keys.List(c.Request().Context())
	if err != nil {
		return err
	}
	return s.resource(c, wire.KeyListOf(list))
}

func (s *Server) deleteKey(c echo.Context) error {
	name := c.Param("filename")
	if err := domain.CheckKeyName("filename", name); err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	if err := s.cfg.Keys.Delete(c.Request().Context(), name); err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.DeletedKey{Message: "the key is deleted", Filename: name})
}

// keyForm reads the form of an upload part by part; nothing of it touches a disk.
func (s *Server) keyForm(c echo.Context) (ports.NewKey, error) {
	r := c.Request()
	media, options, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || options["boundary"] == "" {
		return ports.NewKey{}, unsupportedType("Content-Type", r.Header.Get("Content-Type"), "multipart/form-data with the key as "+wire.FormKey)
	}
	limit := s.cfg.MaxUpload + maxFormRest
	if r.ContentLength > limit {
		return ports.NewKey{}, s.keyTooLarge()
	}
	control := http.NewResponseController(c.Response())
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	f := keyForm{limit: s.cfg.MaxUpload, parts: multipart.NewReader(http.MaxBytesReader(c.Response(), r.Body, limit), options["boundary"])}
	err = f.read()
	_, over := errors.AsType[*http.MaxBytesError](err)
	_, told := errors.AsType[*domain.Error](err)
	switch {
	case err == nil:
		return f.key()
	case over, errors.Is(err, errFileTooLarge):
		return ports.NewKey{}, s.keyTooLarge()
	case told:
		return ports.NewKey{}, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ports.NewKey{}, domain.ErrTimeout.Withf("the body did not come within %s", bodyTimeout).Because(err)
	case r.Context().Err() != nil:
		return ports.NewKey{}, domain.ErrCanceled.Because(err)
	}
	return ports.NewKey{}, domain.Invalid("body", "the body is not a whole multipart form").Because(err)
}

func (s *Server) keyTooLarge() error {
	return &domain.Error{
		Kind: domain.KindTooLarge, Code: "key_too_large", Details: map[string]any{"limit": s.cfg.MaxUpload},
		Message: fmt.Sprintf("the file is larger than the %d bytes that a key may have here (MAX_UPLOAD_SIZE)", s.cfg.MaxUpload),
	}
}

// keyForm is a form as it is read.
type keyForm struct {
	parts  *multipart.Reader
	limit  int64
	fields map[string]string
	file   string // the file's name
}

var errFileTooLarge = errors.New("the file is too large")

func (f *keyForm) read() error {
	f.fields = map[string]string{}
	for {
		part, err := f.parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.take(part); err != nil {
			return err
		}
	}
}

func (f *keyForm) take(part *multipart.Part) error {
	name := part.FormName()
	limit := int64(maxFormField)
	switch name {
	case wire.FormKey, wire.FormFile:
		name, limit = wire.FormKey, f.limit
		_, options, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		f.file = options["filename"]
	case wire.FormName, wire.FormPassphrase:
	default:
		return &domain.Error{
			Kind: domain.KindInvalid, Code: "field_unknown", Details: map[string]any{"field": short(name)},
			Message: fmt.Sprintf("there is no field %q in this form; the fields are %s (also %s), %s and %s",
				short(name), wire.FormKey, wire.FormFile, wire.FormName, wire.FormPassphrase),
		}
	}
	if _, twice := f.fields[name]; twice {
		return &domain.Error{
			Kind: domain.KindInvalid, Code: "field_duplicate", Details: map[string]any{"field": name}, Message: name + " is given twice",
		}
	}
	value, err := io.ReadAll(io.LimitReader(part, limit+1))
	switch {
	case err != nil:
		return err
	case int64(len(value)) > limit && name == wire.FormKey:
		return errFileTooLarge
	case int64(len(value)) > limit:
		return domain.Invalid(name, "%s is longer than %d bytes", name, limit)
	case name == wire.FormName && !utf8.Valid(value):
		return domain.Invalid(name, "%s is not valid UTF-8", name)
	}
	f.fields[name] = string(value)
	return nil
}

// key returns the key that the form asks for. Without a name it takes the file's.
func (f *keyForm) key() (ports.NewKey, error) {
	text, given := f.fields[wire.FormKey]
	if !given {
		return ports.NewKey{}, domain.Invalid(wire.FormKey, "the form has no %s; send the key's file under that name", wire.FormKey)
	}
	n := ports.NewKey{Text: domain.NewSecret(text), Passphrase: domain.NewSecret(f.fields[wire.FormPassphrase])}
	if name, named := f.fields[wire.FormName]; named && name != "" {
		n.Name = name
		return n, nil
	}
	n.Name = domain.KeyNameOf(f.file)
	if err := domain.CheckKeyName(wire.FormName, n.Name); err != nil {
		e, _ := errors.AsType[*domain.Error](err)
		return n, e.Withf("the file's own name cannot be taken: %s; or give another as %s", e.Message, wire.FormName)
	}
	return n, nil
}
