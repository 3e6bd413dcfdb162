// Command remora-api is the API server.
package main

import (
	"os"

	"github.com/heysubinoy/remora/bootstrap"
)

func main() { os.Exit(bootstrap.Main("remora-api", os.Args[1:])) }
