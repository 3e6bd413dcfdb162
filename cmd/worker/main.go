// Command remora-worker carries jobs to their servers.
package main

import (
	"os"

	"github.com/heysubinoy/remora/bootstrap"
)

func main() { os.Exit(bootstrap.Main("remora-worker", os.Args[1:])) }
