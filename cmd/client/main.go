// Command remora-client is the flag-style client.
package main

import (
	"os"

	"github.com/heysubinoy/remora/bootstrap"
)

func main() { os.Exit(bootstrap.Main("remora-client", os.Args[1:])) }
