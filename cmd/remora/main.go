// Command remora is the one program: everything in one process, each service alone, and the client commands.
package main

import (
	"os"

	"github.com/heysubinoy/remora/bootstrap"
)

func main() { os.Exit(bootstrap.Main("remora", os.Args[1:])) }
