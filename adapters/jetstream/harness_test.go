package jetstream_test

import (
	"regexp"
	"testing"
)

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// queueName is a queue of the test's own.
func queueName(t *testing.T) string { return notInNames.ReplaceAllString(t.Name(), ".") }
