// Command remora-queue is the NetQueue broker.
package main

import (
	"os"

	"github.com/heysubinoy/remora/bootstrap"
)

func main() { os.Exit(bootstrap.Main("remora-queue", os.Args[1:])) }
