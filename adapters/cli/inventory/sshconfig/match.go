package sshconfig

import (
	"fmt"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// criterion is a condition of a Match line.
type criterion struct {
	name    string // in lower case
	negated bool
	arg     string
}

// untold are the criteria that only a running ssh could answer, or that depend on how it was called.
var untold = map[string]string{
	"exec":         "it runs a command to find out",
	"localnetwork": "it depends on the network of the machine that ssh runs on",
	"tagged":       "it depends on the tag that ssh was called with",
	"command":      "it depends on the command that ssh was called with",
	"sessiontype":  "it depends on how ssh was called",
	"version":      "it depends on the version of ssh",
}

// criteria reads the conditions of a Match line.
func criteria(text string) (all []criterion, err error) {
	for text != "" {
		var c criterion
		var word string
		var ok bool
		if word, text, ok = keyword(text); !ok {
			return nil, fmt.Errorf("a quote is not closed")
		}
		if strings.HasPrefix(word, "#") {
			break
		}
		word, c.negated = strings.CutPrefix(word, "!")
		c.name = strings.ToLower(word)
		_, cannotTell := untold[c.name]
		switch c.name {
		case "all", "canonical", "final":
		case "host", "originalhost", "user", "localuser":
			cannotTell = true
			fallthrough
		default:
			if !cannotTell {
				return nil, fmt.Errorf("Match does not know the condition %q", word)
			}
			if c.arg, text, ok = keyword(text); !ok || c.arg == "" || c.arg[0] == '#' {
				return nil, fmt.Errorf("Match %s has no value", word)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

func checkMatch(d *directive) error {
	all, err := criteria(d.rest)
	if err != nil {
		return inventory.Refuse(d.at, "%v", err)
	}
	if len(all) == 0 {
		return inventory.Refuse(d.at, "Match has no condition")
	}
	for i, c := range all {
		// ssh lets canonical and final stand before all.
		if c.name == "all" && (i != len(all)-1 || i > 1 || i == 1 && all[0].name != "canonical" && all[0].name != "final") {
			return inventory.Refuse(d.at, "Match all stands with other conditions")
		}
	}
	return nil
}

// match reports whether a Match line fits. why is not empty where that cannot be told: then it counts as not fitting.
func (r *reading) match(d *directive) (fits bool, why string) {
	all, err := criteria(d.rest)
	if err != nil {
		return false, err.Error()
	}
	fits = true
	for _, c := range all {
		var holds bool
		switch c.name {
		case "all":
			holds = true
		case "canonical":
			holds = r.final
		case "final":
			r.wantFinal = true
			holds = r.final
		case "host":
			holds = matchList(strings.ToLower(r.resolved()), strings.ToLower(c.arg))
		case "originalhost":
			holds = matchList(strings.ToLower(r.alias), strings.ToLower(c.arg))
		case "user":
			holds = matchList(first(r.got.user, r.env.User), c.arg)
		case "localuser":
			holds = matchList(r.env.User, c.arg)
		default:
			if fits {
				return false, "whether Match " + c.name + " fits cannot be told: " + untold[c.name]
			}
			continue
		}
		if holds == c.negated {
			fits = false
		}
	}
	return fits, ""
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
