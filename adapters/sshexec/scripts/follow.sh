# follow.sh DIR OUT ERR wait|poll: prints both files from the offsets on as they grow, until the job has ended (poll) or
# the supervisor sends TERM (wait). It ends by killing its tails: what they had not printed the client fetches by offset.
# fd 3 is the client: its end of file ends the follower.
d=$1
t=
# KILL, because a child that was forked and not yet changed into tail swallows TERM
bye() { kill -KILL $t 2>/dev/null; exit ${1:-9}; }
# until t names all of them, TERM is only noted
over=
trap over=1 TERM
alive() { [ "${1:-0}" -gt 0 ] && kill -0 "$1" 2>/dev/null || return 1; [ -r "/proc/$1/stat" ] || return 0; read -r born <"/proc/$1/stat"; x=$2; set -- ${born##*) }; [ "$1" != Z ] && [ "${20:-0}" = "$x" ]; }
nap() { sleep $1 2>/dev/null || sleep 1; }
n=0
until [ -s "$d/pid" ] || [ -s "$d/exit" ] || [ $n -ge 100 ]; do nap 0.02; n=$((n+1)); done
boot=- sp=0 sb=0 p=0 pb=0
[ -s "$d/sup" ] && read -r boot sp sb <"$d/sup"
[ -s "$d/pid" ] && read -r p pb <"$d/pid"
echo "$0 run $boot $p"
tail -c +$(($2+1)) -f "$d/out" 2>/dev/null 3<&- & t=$!
tail -c +$(($3+1)) -f "$d/err" >&2 2>/dev/null 3<&- & t="$t $!"
{ while read -r x <&3; do :; done; kill $$; } 2>/dev/null & t="$t $!"
exec 3<&-
trap bye TERM
[ "$over" ] && bye
[ "$4" = poll ] || { wait; bye; }
w=0.02
while [ ! -s "$d/exit" ]; do
alive "$sp" "$sb" || alive "$p" "$pb" || break
nap $w >/dev/null 2>&1 &
wait $!
case $w in 0.02) w=0.05 ;; 0.05) w=0.1 ;; 0.1) w=0.2 ;; esac
done
bye 0
