// Package openapi is the REST API's own description: an OpenAPI 3.1 document written in the YAML files beside this one, a page
// and a Markdown text made of it. The files say what is particular to an operation; what follows from a rule (the errors of
// every body and parameter, entity tags, request ids) is added when they are read, so that it cannot be forgotten. The
// package knows no handler: a test compares it with the routes, and every answer in the API's tests is checked against it.
package openapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"

	"gopkg.in/yaml.v3"
)

//go:embed *.yaml
var files embed.FS

// order of the files, which is that of the paths and tags in the document.
var order = []string{"base.yaml", "errors.yaml", "jobs.yaml", "output.yaml", "servers.yaml", "access.yaml", "system.yaml"}

// Document returns the finished document. The caller must not change it.
var Document = sync.OnceValue(func() *Object {
	d, err := load()
	if err != nil {
		panic(fmt.Sprintf("the OpenAPI document that is part of this program cannot be read: %v", err)) // TestDocument reads it
	}
	return d
})

// JSON returns the document as it is served.
var JSON = sync.OnceValue(func() []byte {
	body, err := json.Marshal(Document())
	if err != nil {
		panic(fmt.Sprintf("the OpenAPI document that is part of this program cannot be written: %v", err))
	}
	return body
})

func load() (*Object, error) {
	whole := &Object{}
	for _, name := range order {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		part := &Object{}
		if err := yaml.Unmarshal(raw, part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := whole.merge(part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return whole, complete(whole)
}
