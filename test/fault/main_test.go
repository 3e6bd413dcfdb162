package fault

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/heysubinoy/remora/test/harness/natstest"
)

// together is how many parallel stories run at once however few cores there are: what they wait for is leases of 20 s and
// jobs that sleep, not computing.
const together = 8

func TestMain(m *testing.M) {
	natstest.Main()
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := flag.Set("test.parallel", strconv.Itoa(together)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
