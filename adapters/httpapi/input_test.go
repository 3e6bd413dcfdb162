package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
)

// wrong is a request that must be refused, and how.
type wrong struct {
	name, method, path, body string
	status                   int
	code, names              string // the error's text must name this
	headers                  []string
}

func TestBadInput(t *testing.T) {
	b := open(t)
	job := string(b.submit(t, "true"))
	server := string(b.addOther(t))
	cases := append(badJobs(server), badQueries(job)...)
	cases = append(cases, badServers(server)...)
	for _, c := range cases {
		t.Run(c.method+"/"+c.path+"/"+c.name, func(t *testing.T) {
			r := b.do(t, c.method, c.path, c.body, c.headers...)
			r.isError(t, c.status, c.code)
			require.Contains(t, r.json(t)["error"], c.names)
		})
	}
}

func (b *bench) addOther(t *testing.T) domain.ServerID {
	t.Helper()
	good, _ := b.Ends()
	good.Name = "other"
	s, err := b.Servers().Create(t.Context(), good)
	require.NoError(t, err)
	return s.ID
}

func badJobs(server string) []wrong {
	var cases []wrong
	job := func(name, body string, status int, code, names string, headers ...string) {
		cases = append(cases, wrong{name, "POST", "jobs", strings.ReplaceAll(body, "$S", `"server_id":"`+server+`"`), status, code, names, headers})
	}
	script := func(name, body string, status int, code, names string, headers ...string) {
		cases = append(cases, wrong{name, "POST", "jobs/script", strings.ReplaceAll(body, "$S", `"server_id":"`+server+`"`), status, code, names, headers})
	}
	job("NoBody", "", 415, "content_type_unsupported", "Content-Type")
	job("EmptyBody", "", 400, "body_invalid", "empty", "Content-Type", "application/json")
	job("OtherType", `{$S}`, 415, "content_type_unsupported", "text/plain", "Content-Type", "text/plain")
	job("OtherCharset", `{$S}`, 415, "content_type_unsupported", "latin1", "Content-Type", "application/json; charset=latin1")
	job("Zipped", `{$S}`, 415, "content_type_unsupported", "gzip", "Content-Encoding", "gzip")
	job("NotJSON", `{"command":`, 400, "body_invalid", "ends")
	job("Garbage", `{command}`, 400, "body_invalid", "JSON")
	job("List", `[]`, 400, "body_invalid", "a list")
	job("Null", `null`, 400, "body_invalid", "null")
	job("Trailing", `{"command":"w",$S} {}`, 400, "body_invalid", "goes on")
	job("TrailingGarbage", `{"command":"w",$S}x`, 400, "body_invalid", "goes on")
	job("Deep", `{"retry":`+strings.Repeat(`[`, 5000), 400, "retry_invalid", "retry")
	job("DeepUnknown", `{"x":`+strings.Repeat(`{"x":`, 5000), 400, "field_unknown", "x")
	job("UTF8", "{\"command\":\"\xff\",$S}", 400, "body_invalid", "UTF-8")
	job("HalfSurrogate", `{"command":"\ud83e",$S}`, 400, "command_invalid", "surrogate")
	job("NUL", `{"command":"a\u0000b",$S}`, 400, "command_invalid", "NUL")
	job("Unknown", `{"comand":"w",$S}`, 400, "field_unknown", "comand")
	job("OtherCase", `{"Command":"w",$S}`, 400, "field_unknown", "Command")
	job("LaterField", `{"command":"w",$S,"batch_id":"x"}`, 400, "field_unknown", "batch_id")
	job("Duplicate", `{"command":"w","command":"x",$S}`, 400, "field_duplicate", "command")
	job("NestedUnknown", `{"command":"w",$S,"retry":{"times":1}}`, 400, "field_unknown", "retry.times")
	job("CommandType", `{"command":5,$S}`, 400, "command_invalid", "command is a number")
	job("CommandList", `{"command":["w"],$S}`, 400, "command_invalid", "command is a list")
	job("NoCommand", `{$S}`, 400, "command_invalid", "command")
	job("BlankCommand", `{"command":"  ",$S}`, 400, "command_invalid", "command")
	job("LongCommand", `{"command":"`+strings.Repeat("x", domain.MaxCommandBytes+1)+`",$S}`, 400, "command_invalid", "bytes")
	job("LongArgs", `{"command":"w","args":"`+strings.Repeat("x", domain.MaxArgsBytes+1)+`",$S}`, 400, "args_invalid", "bytes")
	job("ArgvAndCommand", `{"command":"w","argv":["w"],$S}`, 400, "argv_invalid", "both")
	job("ArgvAndArgs", `{"argv":["w"],"args":"x",$S}`, 400, "args_invalid", "args")
	job("EmptyArgv", `{"argv":[],$S}`, 400, "argv_invalid", "argv")
	job("ArgvElement", `{"argv":["w",1],$S}`, 400, "argv_invalid", "argv[1]")
	job("ArgvNull", `{"argv":["w",null],$S}`, 400, "argv_invalid", "argv[1]")
	job("NoServer", `{"command":"w"}`, 400, "server_id_invalid", "server_id")
	job("ServerForm", `{"command":"w","server_id":"web-1"}`, 400, "server_id_invalid", "server_id")
	job("UnknownServer", `{"command":"w","server_id":"`+nobody+`"}`, 404, "server_not_found", "server")
	for _, n := range []string{"0", "-1", "0.5", "2592001", "1e300", "-1e18", "9223372036854775808"} {
		job("Timeout"+n, `{"command":"w","timeout":`+n+`,$S}`, 400, "timeout_invalid", "timeout")
	}
	job("TimeoutText", `{"command":"w","timeout":"300",$S}`, 400, "timeout_invalid", "timeout is a string")
	for _, n := range []string{"0", "11", "-5", "1.5", "99999999999999999999"} {
		job("Priority"+n, `{"command":"w","priority":`+n+`,$S}`, 400, "priority_invalid", "priority")
	}
	job("RetryMode", `{"command":"w","retry":{"mode":"often"},$S}`, 400, "retry_invalid", "often")
	job("RetryAttempts", `{"command":"w","retry":{"max_attempts":0},$S}`, 400, "retry_invalid", "max_attempts")
	job("RetryType", `{"command":"w","retry":{"max_attempts":"3"},$S}`, 400, "retry_invalid", "retry.max_attempts")
	job("RetryText", `{"command":"w","retry":"never",$S}`, 400, "retry_invalid", "retry is a string")
	job("TooLarge", `{"command":"`+strings.Repeat("x", 1<<20)+`",$S}`, 413, "body_too_large", "1048576")
	for _, key := range []string{strings.Repeat("k", 256), "tab\there", "ü"} {
		job("Key"+key[:1], `{"command":"w",$S}`, 400, "idempotency_key_invalid", "Idempotency-Key", "Idempotency-Key", key)
	}
	script("NoScript", `{$S}`, 400, "script_invalid", "script")
	script("NUL", `{"script":"a\u0000",$S}`, 400, "script_invalid", "NUL")
	script("Long", `{"script":"`+strings.Repeat("x", domain.MaxScriptBytes+1)+`",$S}`, 400, "script_invalid", "1048577")
	script("TooLarge", `{"script":"`+strings.Repeat("x", 8<<20)+`",$S}`, 413, "body_too_large", "bytes")
	script("Command", `{"script":"w","command":"w",$S}`, 400, "field_unknown", "command")
	script("RelativeShell", `{"script":"w","shell":"bash",$S}`, 400, "shell_invalid", "absolute")
	script("EmptyShell", `{"script":"w","shell":"",$S}`, 400, "shell_invalid", "shell")
	script("OtherShell", `{"script":"w","shell":"/usr/bin/fish",$S}`, 400, "shell_not_allowed", "/bin/bash")
	return cases
}

func badQueries(job string) []wrong {
	var cases []wrong
	get := func(name, path string, status int, code, names string, headers ...string) {
		cases = append(cases, wrong{name, "GET", path, "", status, code, names, headers})
	}
	for _, v := range []string{"0", "101", "-1", "x", "1.5", "", "99999999999999999999"} {
		get("Limit"+v, "jobs?limit="+v, 400, "limit_invalid", "limit")
	}
	for _, v := range []string{"0", "-1", "x", "99999999999999999999"} {
		get("Page"+v, "jobs?page="+v, 400, "page_invalid", "page")
	}
	get("PageAndCursor", "jobs?page=2&cursor=abc", 400, "page_invalid", "cursor")
	get("Cursor", "jobs?cursor=abc", 400, "cursor_invalid", "cursor")
	get("Status", "jobs?status=paused", 400, "status_invalid", "paused")
	get("StatusEmpty", "jobs?status=", 400, "status_invalid", "status")
	get("StatusComma", "jobs?status=queued,,failed", 400, "status_invalid", "status")
	get("Server", "jobs?server_id=web", 400, "server_id_invalid", "server_id")
	get("SortBy", "jobs?sort_by=colour", 400, "sort_by_invalid", "colour")
	get("SortByEmpty", "jobs?sort_by=", 400, "sort_by_invalid", "sort_by")
	get("SortOrder", "jobs?sort_order=up", 400, "sort_order_invalid", "sort_order")
	get("SearchNUL", "jobs?search=%00", 400, "search_invalid", "search")
	get("SearchUTF8", "jobs?search=%ff", 400, "search_invalid", "search")
	get("SearchLong", "jobs?search="+strings.Repeat("x", 5000), 400, "search_invalid", "search")
	get("Twice", "jobs?limit=1&limit=2", 400, "limit_invalid", "2 times")
	get("Unknown", "jobs?stauts=failed", 400, "parameter_unknown", "stauts")
	get("Malformed", "jobs?limit=%zz", 400, "query_invalid", "query")
	for _, path := range []string{"", "/logs", "/stdout", "/stderr", "/stream"} {
		get("UnknownID", "jobs/"+nobody+path, 404, "job_not_found", "no job")
		get("MalformedID", "jobs/17"+path, 400, "job_id_invalid", "17")
		get("UpperID", "jobs/"+strings.ToUpper(nobody)+path, 400, "job_id_invalid", "id")
		get("EscapedID", "jobs/%2e%2e%2fservers"+path, 400, "job_id_invalid", "servers")
		get("UnknownParameter", "jobs/"+job+path+"?x=1", 400, "parameter_unknown", "x")
	}
	for _, v := range []string{"-1", "x", "", "1.5"} {
		get("Since"+v, "jobs/"+job+"/logs?since="+v, 400, "since_invalid", "since")
		get("Since"+v, "jobs/"+job+"/stream?since="+v, 400, "since_invalid", "since")
	}
	for _, v := range []string{"-1", "31", "x", "NaN", "Inf", "1e9"} {
		get("Wait"+v, "jobs/"+job+"/logs?since=0&wait="+v, 400, "wait_invalid", "wait")
	}
	get("LogsLimit", "jobs/"+job+"/logs?since=0&limit=1001", 400, "limit_invalid", "1000")
	get("WaitAlone", "jobs/"+job+"/logs?wait=1", 400, "since_invalid", "since")
	get("Tail", "jobs/"+job+"/logs?tail=maybe", 400, "tail_invalid", "tail")
	get("LastEventID", "jobs/"+job+"/stream", 400, "last_event_id_invalid", "Last-Event-ID", "Last-Event-ID", "seven")
	get("Nowhere", "nothing", 404, "route_not_found", "/api/v1")
	get("Below", "jobs/"+job+"/logs/more", 404, "route_not_found", "/api/v1")
	get("Root", "/favicon.ico", 404, "route_not_found", "/api/v1")
	return append(cases,
		wrong{"Method", "DELETE", "jobs/" + job, "", 405, "method_not_allowed", "GET", nil},
		wrong{"Method", "PATCH", "servers", "{}", 405, "method_not_allowed", "POST", nil},
		wrong{"Method", "POST", "/", "", 405, "method_not_allowed", "GET", nil},
		wrong{"UnknownID", "POST", "jobs/" + nobody + "/cancel", "", 404, "job_not_found", "no job", nil},
		wrong{"MalformedID", "POST", "jobs/17/cancel", "", 400, "job_id_invalid", "17", nil},
		wrong{"Body", "POST", "jobs/" + job + "/cancel", `{"force":true}`, 400, "field_unknown", "force", nil},
		wrong{"BodyType", "POST", "jobs/" + job + "/cancel", `x`, 415, "content_type_unsupported", "text", []string{"Content-Type", "text/plain"}},
		wrong{"Parameter", "POST", "jobs?dry=1", `{"command":"w","server_id":"` + nobody + `"}`, 400, "parameter_unknown", "dry", nil},
	)
}

func badServers(server string) []wrong {
	var cases []wrong
	create := func(name, field string, status int, code, names string) {
		fields := map[string]string{"name": `"n"`, "hostname": `"h"`, "user": `"u"`, "auth_type": `"password"`, "password": `"p"`}
		k, v, _ := strings.Cut(field, ":")
		fields[k] = v
		var parts []string
		for k, v := range fields {
			if v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		cases = append(cases, wrong{name, "POST", "servers", "{" + strings.Join(parts, ",") + "}", status, code, names, nil})
	}
	for _, field := range []string{"name", "hostname", "user", "auth_type"} {
		create("No"+field, field+":", 400, field+"_invalid", field)
		create("Number"+field, field+":1", 400, field+"_invalid", field+" is a number")
		create("Blank"+field, field+`:" "`, 400, field+"_invalid", field)
		create("NUL"+field, field+`:"a\u0000"`, 400, field+"_invalid", "NUL")
	}
	create("LongName", `name:"`+strings.Repeat("x", 200)+`"`, 400, "name_invalid", "bytes")
	create("Taken", `name:"other"`, 409, "server_name_taken", "other")
	for _, v := range []string{"0", "-1", "65536", "22.5", `"22"`, "1e99"} {
		create("Port"+v, "port:"+v, 400, "port_invalid", "port")
	}
	for _, v := range []string{"0", "257", `"many"`} {
		create("Sessions"+v, "max_sessions:"+v, 400, "max_sessions_invalid", "max_sessions")
	}
	create("Active", `is_active:"yes"`, 400, "is_active_invalid", "is_active")
	create("Tags", `tags:"web"`, 400, "tags_invalid", "tags")
	create("TagNull", `tags:[null]`, 400, "tags_invalid", "tags[0]")
	create("TagEmpty", `tags:[""]`, 400, "tags_invalid", "tags")
	create("Policy", `host_key_policy:"never"`, 400, "host_key_policy_invalid", "never")
	create("PolicyEmpty", `host_key_policy:""`, 400, "host_key_policy_invalid", "host_key_policy")
	create("HostKey", `host_key:"abc"`, 400, "host_key_invalid", "host_key")
	create("HostKeyEmpty", `host_key:""`, 400, "host_key_invalid", "host_key")
	create("PasswordType", `password:5`, 400, "password_invalid", "password")
	create("PemFile", `pem_file:"id.pem"`, 400, "pem_file_invalid", "pem_file")
	create("ProxyJump", `proxy_jump:"x"`, 400, "proxy_jump_invalid", "proxy_jump")
	create("ID", `id:"x"`, 400, "field_unknown", "id")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"PUT", "", `{"name":"x"}`}, {"DELETE", "", ""}, {"POST", "/test", ""}, {"POST", "/host-key", `{"fingerprint":"x"}`},
	} {
		cases = append(cases, wrong{"MalformedID", c.method, "servers/17" + c.path, c.body, 400, "server_id_invalid", "17", nil})
		if c.path != "/host-key" {
			cases = append(cases, wrong{"UnknownID", c.method, "servers/" + nobody + c.path, c.body, 404, "server_not_found", "no server", nil})
		}
		cases = append(cases, wrong{"Parameter", c.method, "servers/" + server + c.path + "?x=1", c.body, 400, "parameter_unknown", "x", nil})
	}
	return append(cases,
		wrong{"Active", "GET", "servers?active=yes", "", 400, "active_invalid", "active", nil},
		wrong{"Limit", "GET", "servers?limit=0", "", 400, "limit_invalid", "limit", nil},
		wrong{"Cursor", "GET", "servers?cursor=x", "", 400, "cursor_invalid", "cursor", nil},
		wrong{"Force", "DELETE", "servers/" + server + "?force=1", "", 400, "force_invalid", "force", nil},
		wrong{"Port", "PUT", "servers/" + server, `{"port":0}`, 400, "port_invalid", "port", nil},
		wrong{"HostKey", "PUT", "servers/" + server, `{"host_key":"x"}`, 400, "field_unknown", "host_key", nil},
		wrong{"Fingerprint", "POST", "servers/" + server + "/host-key", `{"fingerprint":"MD5:1"}`, 400, "fingerprint_invalid", "MD5:1", nil},
		wrong{"NoFingerprint", "POST", "servers/" + server + "/host-key", `{}`, 400, "fingerprint_invalid", "fingerprint", nil},
		wrong{"Key", "POST", "servers", `{"name":"n","hostname":"h","user":"u","auth_type":"key","private_key":"x"}`, 422, "key_unreadable", "key", nil},
	)
}

func TestBadInput_NullIsAsIfNotThere(t *testing.T) {
	b := open(t)
	server := string(b.addServer(t))
	r := b.do(t, "POST", "jobs", `{"command":"w","argv":null,"args":null,"timeout":null,"priority":null,"retry":null,"server_id":"`+server+`"}`)
	require.Equal(t, http.StatusCreated, r.status, r.body)
}

func TestKindsAndStatusesAreOneToOne(t *testing.T) {
	seen := map[int]domain.Kind{}
	for _, k := range domain.Kinds() {
		status := wire.Status(k)
		require.Empty(t, seen[status], "%d stands for two kinds", status)
		seen[status] = k
		require.Equal(t, k, wire.KindOf(status))
	}
	require.Equal(t, http.StatusInternalServerError, wire.Status("something new"))
	require.Equal(t, domain.KindInternal, wire.KindOf(http.StatusTeapot))
}
