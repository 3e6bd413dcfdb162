package wire

import (
	"time"

	"github.com/heysubinoy/remora/domain"
)

// The parts of the form of POST /upload/pem.
const (
	FormKey        = "pem_file"
	FormFile       = "file" // another name of FormKey
	FormName       = "name"
	FormPassphrase = "passphrase"
)

// Key is a stored key as answers show it: never its text, only what may be told about it.
type Key struct {
	Filename    string    `json:"filename"`
	Fingerprint string    `json:"fingerprint"`
	KeyType     string    `json:"key_type"`
	Size        int       `json:"size"`
	CreatedAt   time.Time `json:"created_at"`
	UsedBy      []string  `json:"used_by"` // the names of servers
}

// UploadedKey is the answer of POST /upload/pem.
type UploadedKey struct {
	Message     string    `json:"message"`
	Filename    string    `json:"filename"`
	Fingerprint string    `json:"fingerprint"`
	KeyType     string    `json:"key_type"`
	Size        int       `json:"size"`
	CreatedAt   time.Time `json:"created_at"`
}

// KeyList is the answer of GET /files/pem.
type KeyList struct {
	Files []Key `json:"files"`
}

// DeletedKey is the answer of DELETE /files/pem/:filename.
type DeletedKey struct {
	Message  string `json:"message"`
	Filename string `json:"filename"`
}

// UploadedKeyOf returns the answer to an upload.
func UploadedKeyOf(k domain.Key) UploadedKey {
	return UploadedKey{
		Message: "the key is stored; servers name it as pem_file", Filename: k.Name, Fingerprint: k.Fingerprint, KeyType: k.Type,
		Size: k.Size, CreatedAt: k.CreatedAt.UTC(),
	}
}

// Domain returns the key that UploadedKeyOf was given.
func (w UploadedKey) Domain() domain.Key {
	return domain.Key{
		Name: w.Filename, KeyInfo: domain.KeyInfo{Fingerprint: w.Fingerprint, Type: w.KeyType}, Size: w.Size, CreatedAt: w.CreatedAt.UTC(),
	}
}

// KeyListOf returns the shape of a list of keys.
func KeyListOf(list []domain.Key) KeyList {
	l := KeyList{Files: make([]Key, len(list))}
	for i, k := range list {
		l.Files[i] = Key{
			Filename: k.Name, Fingerprint: k.Fingerprint, KeyType: k.Type, Size: k.Size, CreatedAt: k.CreatedAt.UTC(),
			UsedBy: append([]string{}, k.UsedBy...),
		}
	}
	return l
}

// Domain returns the list that KeyListOf was given.
func (l KeyList) Domain() []domain.Key {
	var list []domain.Key
	for _, w := range l.Files {
		k := domain.Key{
			Name: w.Filename, KeyInfo: domain.KeyInfo{Fingerprint: w.Fingerprint, Type: w.KeyType}, Size: w.Size, CreatedAt: w.CreatedAt.UTC(),
		}
		if len(w.UsedBy) > 0 {
			k.UsedBy = w.UsedBy
		}
		list = append(list, k)
	}
	return list
}
