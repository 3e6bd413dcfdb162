package screen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	for want, names := range map[string][]string{
		"":                            nil,
		"web":                         {"web"},
		"web1":                        {"web1"},
		"db,web":                      {"web", "db", "web"},
		"web[1-3]":                    {"web3", "web1", "web2"},
		"web[01-14]":                  {"web01", "web02", "web03", "web04", "web05", "web06", "web07", "web08", "web09", "web10", "web11", "web12", "web13", "web14"},
		"web[9-11]":                   {"web10", "web9", "web11"},
		"web[9,010]":                  {"web010", "web9"},
		"web[1-2,5,7-8]":              {"web8", "web7", "web5", "web2", "web1"},
		"10.0.0.[4-5]":                {"10.0.0.5", "10.0.0.4"},
		"db2.[1-2].example,web[1-2]x": {"web2x", "db2.1.example", "web1x", "db2.2.example"},
		"n18446744073709551616":       {"n18446744073709551616"},
		"a b":                         {"a\nb"},
	} {
		require.Equal(t, want, Fold(names))
	}
}

// unfold is what a reader does with a folded list.
func unfold(text string) []string {
	var names []string
	for text != "" {
		comma := strings.IndexByte(text, ',')
		if open := strings.IndexByte(text, '['); open >= 0 && (comma < 0 || open < comma) {
			end := strings.IndexByte(text, ']')
			after, _, _ := strings.Cut(text[end+1:], ",")
			for part := range strings.SplitSeq(text[open+1:end], ",") {
				from, to, many := strings.Cut(part, "-")
				if !many {
					to = from
				}
				a, _ := strconv.Atoi(from)
				b, _ := strconv.Atoi(to)
				for n := a; n <= b; n++ {
					width := 0
					if from[0] == '0' {
						width = len(from)
					}
					names = append(names, text[:open]+fmt.Sprintf("%0*d", width, n)+after)
				}
			}
			text = strings.TrimPrefix(text[end+1+len(after):], ",")
			continue
		}
		name, rest, _ := strings.Cut(text, ",")
		names, text = append(names, name), rest
	}
	return names
}

func TestFold_LosesNoName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-c]{0,2}[0-9]{0,3}(\.x)?`).Filter(func(s string) bool { return s != "" }), 1, 40).Draw(t, "names")
		got := unfold(Fold(names))
		slices.Sort(names)
		slices.Sort(got)
		require.Equal(t, slices.Compact(names), got)
	})
}
