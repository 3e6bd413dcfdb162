package httpapi

import (
	"maps"
	"slices"

	"github.com/labstack/echo/v4"
)

// Routes lists the routes there are, METHOD path, each once.
func Routes() []string {
	e := echo.New()
	new(Server).route(e)
	all := map[string]bool{}
	for _, r := range e.Routes() {
		all[r.Method+" "+r.Path] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// Declared lists the routes whose rights are declared.
func Declared() []string { return slices.Sorted(maps.Keys(rights)) }
