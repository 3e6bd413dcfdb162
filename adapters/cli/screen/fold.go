package screen

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Fold writes many names shortly: those that differ in their last number only become one, with ranges in brackets, so
// that web01 to web14 are web[01-14]. The names come back sorted, numbers by their value, each once.
func Fold(names []string) string {
	families := map[family][]number{}
	for _, name := range names {
		f, n := split(Line(name))
		families[f] = append(families[f], n)
	}
	all := slices.SortedFunc(maps.Keys(families), func(a, b family) int {
		return cmp.Or(cmp.Compare(a.before, b.before), cmp.Compare(a.after, b.after))
	})
	folded := make([]string, len(all))
	for i, f := range all {
		folded[i] = f.before
		if f.numbered {
			folded[i] += ranges(families[f]) + f.after
		}
	}
	return strings.Join(folded, ",")
}

// family is what names have in common that differ in their last number only.
type family struct {
	before, after string
	numbered      bool
}

// number is a number as it stands in a name.
type number struct {
	value uint64
	width int // with leading zeros
}

// maxDigits is how long a number may be that is still one.
const maxDigits = 18

func split(name string) (family, number) {
	end := strings.LastIndexFunc(name, func(r rune) bool { return r >= '0' && r <= '9' }) + 1
	start := end
	for start > 0 && name[start-1] >= '0' && name[start-1] <= '9' {
		start--
	}
	digits := name[start:end]
	value, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(digits) > maxDigits {
		return family{before: name}, number{}
	}
	return family{name[:start], name[end:], true}, number{value, len(digits)}
}

// ranges writes the numbers of a family. Those of one width with leading zeros count by themselves: 9 and 10 follow each
// other, 09 and 10 do, 9 and 010 do not.
func ranges(numbers []number) string {
	padded := map[int]bool{}
	for _, n := range numbers {
		if n.width > len(strconv.FormatUint(n.value, 10)) {
			padded[n.width] = true
		}
	}
	for i, n := range numbers {
		if !padded[n.width] {
			numbers[i].width = 0
		}
	}
	slices.SortFunc(numbers, func(a, b number) int { return cmp.Or(cmp.Compare(a.width, b.width), cmp.Compare(a.value, b.value)) })
	numbers = slices.Compact(numbers)
	var parts []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] == (number{numbers[last].value + 1, numbers[i].width}) {
			last++
		}
		part := fmt.Sprintf("%0*d", numbers[i].width, numbers[i].value)
		if last > i {
			part += "-" + fmt.Sprintf("%0*d", numbers[last].width, numbers[last].value)
		}
		parts = append(parts, part)
		i = last + 1
	}
	if len(numbers) == 1 {
		return parts[0]
	}
	return "[" + strings.Join(parts, ",") + "]"
}
