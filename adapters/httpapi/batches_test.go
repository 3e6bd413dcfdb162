package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// fleet stores n servers with tags: all have "all", the even ones "even".
func (b *bench) fleet(t *testing.T, n int) (ids []string) {
	t.Helper()
	for i := range n {
		good, _ := b.Ends()
		good.Name, good.Tags = fmt.Sprintf("web-%d", i), []string{"all"}
		if i%2 == 0 {
			good.Tags = append(good.Tags, "even")
		}
		s, err := b.Servers().Create(t.Context(), good)
		require.NoError(t, err)
		ids = append(ids, string(s.ID))
	}
	return ids
}

// TestGolden_Batches walks through the life of some batches.
func TestGolden_Batches(t *testing.T) {
	b := open(t)
	rid := []string{"X-Request-ID", "golden"}
	check := func(name string, status int, r reply) reply {
		t.Helper()
		require.Equal(t, status, r.status, r.body)
		golden(t, name, r.body)
		return r
	}
	check("batches-empty.json", 200, b.do(t, "GET", "batches", ""))
	ids := b.fleet(t, 3)
	check("batch-empty.json", 422, b.do(t, "POST", "jobs/bulk", `{"command":"true","tags":["all","odd"]}`, rid...))
	made := check("batch-created.json", 201, b.do(t, "POST", "jobs/bulk",
		`{"command":"apt-get","args":"-y upgrade","server_ids":["`+ids[1]+`"],"tags":["even"],"max_parallel":2,"stop_after_failures":1,
		"timeout":600,"priority":7,"retry":{"mode":"never"}}`, "Idempotency-Key", "k-1"))
	id := made.json(t)["batch"].(map[string]any)["id"].(string)
	require.Equal(t, "/api/v1/batches/"+id, made.header.Get("Location"))
	again := b.do(t, "POST", "jobs/bulk",
		`{"tags":["even"],"command":"apt-get","args":"-y upgrade","server_ids":["`+ids[1]+`"],"max_parallel":2,"stop_after_failures":1,
		"timeout":600,"priority":7,"retry":{"mode":"never"}}`, "Idempotency-Key", "k-1")
	require.Equal(t, 201, again.status)
	require.Equal(t, made.body, again.body)

	for i, code := range []int{0, 0} {
		run := b.Begin(t)
		run.Print(t, domain.Stdout, []byte("done\n"))
		if i == 0 {
			check("batch-running.json", 200, b.do(t, "GET", "batches/"+id+"?limit=2&sort_order=asc", ""))
			check("batch-active.json", 409, b.do(t, "POST", "batches/"+id+"/rerun", "", rid...))
		}
		run.Exit(t, domain.Exit{Code: code})
	}
	check("batch-groups-unfinished.json", 200, b.do(t, "GET", "batches/"+id+"/groups", ""))
	b.Begin(t).Exit(t, domain.Exit{Code: 137, Signal: "KILL"})
	r := check("batch-groups.json", 200, b.do(t, "GET", "batches/"+id+"/groups", ""))
	require.Equal(t, 304, b.do(t, "GET", "batches/"+id+"/groups", "", "If-None-Match", r.header.Get("ETag")).status)
	check("batch-finished.json", 200, b.do(t, "GET", "batches/"+id+"?status=failed", ""))
	check("batch-finished-cancel.json", 409, b.do(t, "POST", "batches/"+id+"/cancel", "", rid...))
	rerun := check("batch-rerun.json", 201, b.do(t, "POST", "batches/"+id+"/rerun?only=failed", "")).json(t)["batch"].(map[string]any)["id"].(string)
	check("batch-canceled.json", 200, b.do(t, "POST", "batches/"+rerun+"/cancel", ""))
	whole := b.do(t, "POST", "batches/"+id+"/rerun", `{"only":"failed"}`).json(t)["batch"].(map[string]any)["id"].(string)
	b.Begin(t)
	check("batch-canceling.json", 202, b.do(t, "POST", "batches/"+whole+"/cancel", "{}"))
	page := check("batches.json", 200, b.do(t, "GET", "batches?limit=2", ""))
	next := page.json(t)["pagination"].(map[string]any)["next_cursor"].(string)
	require.Contains(t, b.do(t, "GET", "batches?limit=2&cursor="+next, "").body, id)
	check("batch-script-created.json", 201, b.do(t, "POST", "jobs/bulk", `{"script":"uptime\n","shell":"/bin/sh","all":true}`))
	check("batch-unknown.json", 404, b.do(t, "GET", "batches/"+nobody, "", rid...))
}

// TestBadInput_Batches sends what is wrong with a batch, field by field.
func TestBadInput_Batches(t *testing.T) {
	b := open(t)
	ids := b.fleet(t, 1)
	server := `"server_ids":["` + ids[0] + `"]`
	long := strings.Repeat(`"`+ids[0]+`",`, domain.MaxBatchServers) + `"` + ids[0] + `"`
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"Empty":           {`{}`, 400, "command_invalid"},
		"NoServers":       {`{"command":"w"}`, 400, "server_ids_invalid"},
		"NoServersAtAll":  {`{"command":"w","server_ids":[]}`, 400, "server_ids_invalid"},
		"NotAll":          {`{"command":"w","all":false}`, 400, "server_ids_invalid"},
		"AllAndTags":      {`{"command":"w","all":true,"tags":["all"]}`, 400, "all_invalid"},
		"NoID":            {`{"command":"w","server_ids":["web-1"]}`, 400, "server_ids_invalid"},
		"NumberID":        {`{"command":"w","server_ids":[7]}`, 400, "server_ids_invalid"},
		"NullID":          {`{"command":"w","server_ids":[null]}`, 400, "server_ids_invalid"},
		"IDsAreAList":     {`{"command":"w","server_ids":"` + ids[0] + `"}`, 400, "server_ids_invalid"},
		"Unknown":         {`{"command":"w","server_ids":["` + nobody + `"]}`, 404, "server_not_found"},
		"EmptyTag":        {`{"command":"w","tags":[""]}`, 400, "tags_invalid"},
		"OneServerID":     {`{"command":"w","server_id":"` + ids[0] + `"}`, 400, "field_unknown"},
		"CommandAndArgv":  {`{"command":"w","argv":["w"],` + server + `}`, 400, "command_invalid"},
		"CommandAndText":  {`{"command":"w","script":"w",` + server + `}`, 400, "command_invalid"},
		"EmptyScript":     {`{"script":"",` + server + `}`, 400, "script_invalid"},
		"EmptyShell":      {`{"script":"w","shell":"",` + server + `}`, 400, "shell_invalid"},
		"EmptyArgv":       {`{"argv":[],` + server + `}`, 400, "argv_invalid"},
		"ArgvAndArgs":     {`{"argv":["w"],"args":"x",` + server + `}`, 400, "args_invalid"},
		"NoParallel":      {`{"command":"w","max_parallel":0,` + server + `}`, 400, "max_parallel_invalid"},
		"ManyParallel":    {`{"command":"w","max_parallel":10001,` + server + `}`, 400, "max_parallel_invalid"},
		"HalfParallel":    {`{"command":"w","max_parallel":1.5,` + server + `}`, 400, "max_parallel_invalid"},
		"StopAfterNone":   {`{"command":"w","stop_after_failures":0,` + server + `}`, 400, "stop_after_failures_invalid"},
		"StopAfterText":   {`{"command":"w","stop_after_failures":"1",` + server + `}`, 400, "stop_after_failures_invalid"},
		"ZeroPriority":    {`{"command":"w","priority":0,` + server + `}`, 400, "priority_invalid"},
		"ZeroTimeout":     {`{"command":"w","timeout":0,` + server + `}`, 400, "timeout_invalid"},
		"Duplicate":       {`{"command":"w","command":"w",` + server + `}`, 400, "field_duplicate"},
		"TooManyServers":  {`{"command":"w","server_ids":[` + long + `]}`, 413, "batch_too_large"},
		"TooManyBytes":    {`{"command":"` + strings.Repeat("x", maxBatchBody) + `",` + server + `}`, 413, "body_too_large"},
		"NoObject":        {`[]`, 400, "body_invalid"},
		"BrokenCharacter": {"{\"command\":\"\xff\"," + server + "}", 400, "body_invalid"},
	} {
		t.Run(name, func(t *testing.T) { b.do(t, "POST", "jobs/bulk", c.body).isError(t, c.status, c.code) })
	}
	for path, code := range map[string]string{
		"batches?limit=0": "limit_invalid", "batches?limit=101": "limit_invalid", "batches?page=0": "page_invalid", "batches?cursor=x": "cursor_invalid",
		"batches?page=1&cursor=x": "page_invalid", "batches?status=failed": "parameter_unknown", "batches/7": "batch_id_invalid",
		"batches/" + nobody + "?limit=x": "limit_invalid", "batches/" + nobody + "/groups?x=1": "parameter_unknown",
	} {
		b.do(t, "GET", path, "").isError(t, 400, code)
	}
	id := b.do(t, "POST", "jobs/bulk", `{"command":"w",`+server+`}`).json(t)["batch"].(map[string]any)["id"].(string)
	for path, code := range map[string]string{
		"/rerun?only=all": "only_invalid", "/rerun?only=": "only_invalid", "/rerun?only=failed&only=failed": "only_invalid", "/cancel?x=1": "parameter_unknown",
	} {
		b.do(t, "POST", "batches/"+id+path, "").isError(t, 400, code)
	}
	b.do(t, "POST", "batches/"+id+"/rerun", `{"only":"all"}`).isError(t, 400, "only_invalid")
	b.do(t, "GET", "batches/"+id+"?status=odd", "").isError(t, 400, "status_invalid")
	require.Contains(t, b.do(t, "GET", "jobs", "").body, `"total":1`, "of all that was refused nothing was stored")
}

// maxBatchBody is one byte more than a body may have, whatever the command.
const maxBatchBody = 6*domain.MaxScriptBytes + 1<<20 + 64*domain.MaxBatchServers
