# cookie files, links of fd 1 and 2, and stat lines come in; the attempt's living processes go out, as pid:start. Who was
# one at an earlier look (known) is one still: its parent, by which alone it was found, may have ended since.
BEGIN { k = split(known, a, " "); for (i = 1; i <= k; i++) { split(a[i], q, ":"); was[q[1]] = q[2] } }
/^\/proc\// { split($0, a, "/"); m[a[3]] = 1; next }
/^l/ { i = index($0, " -> "); to = substr($0, i + 4); if (to == o "/out" || to == o "/err") { split(substr($0, index($0, "/proc/")), a, "/"); m[a[3]] = 1 }; next }
/^[0-9]+ \(/ { pid = $1; sub(/^.*\) /, ""); if ($1 == "Z" || $1 == "X") next; up[pid] = $2; born[pid] = $20; if (s > 0 && ($3 == s || $4 == s) || (pid in was) && was[pid] == $20) m[pid] = 1 }
END { for (p = me; p in up && (p in not) == 0; p = up[p]) not[p] = 1
not[sup] = 1
do { n = 0; for (p in up) if ((p in m) == 0 && up[p] in m && up[p] in up && (p in not) == 0) { m[p] = 1; n = 1 } } while (n)
for (p in m) if (p in up && (p in not) == 0) print p ":" born[p] }
