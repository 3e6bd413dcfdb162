# kill.sh ID GRACE AWK: ends all processes of an attempt; GRACE in hundredths of a second. Prints how many there were at
# first, the way, and what is left.
echo "$0" >&2
exec </dev/null
id=$1 grace=$2 awk=$3
r=$HOME/.remora
d=$r/run/$id
nap() { sleep $1 2>/dev/null || sleep 1; }
if [ ! -d "$d" ] && [ ! -e "$r/gone/$id" ]; then
mkdir -m 700 "$r" 2>/dev/null
mkdir "$r/run" "$r/gone" 2>/dev/null
mkdir -m 700 "$d" 2>/dev/null
fi
[ -d "$d" ] && ln -s void "$d/verdict" 2>/dev/null
boot=- now=- sup=0 s=0 b=0 o=/
[ -r /proc/sys/kernel/random/boot_id ] && read -r now </proc/sys/kernel/random/boot_id
# the command may be about to start: its session is known as soon as pid is there
n=0
if [ -e "$d/verdict" ] && [ ! -h "$d/verdict" ]; then
until [ -s "$d/pid" ] || [ -s "$d/exit" ] || [ $n -ge 20 ]; do nap 0.05; n=$((n+1)); done
fi
[ -s "$d/sup" ] && read -r boot sup x <"$d/sup"
[ -s "$d/pid" ] && read -r s b <"$d/pid"
# numbers of another boot, or of a process that took the leader's number since, are nobody's
[ "$boot" = "$now" ] || { s=0; sup=0; }
if [ -r "/proc/$s/stat" ]; then read -r x <"/proc/$s/stat"; set -- ${x##*) }; [ "${20:-0}" = "$b" ] || s=0; fi
[ -d "$d" ] && o=$(cd "$d" && pwd -P)
proc=
[ -r /proc/self/stat ] && proc=1
way="session+group"
if [ "$proc" ]; then
way="session+group+descent+cookie+output"
if printf "x\0y\0" | grep -qzxF y 2>/dev/null; then
cookie() { grep -lzxF "REMORA_ATTEMPT=$id" /proc/[0-9]*/environ 2>/dev/null; }
else
cookie() { for f in /proc/[0-9]*/environ; do [ -r $f ] && tr "\0" "\n" <$f 2>/dev/null | grep -qxF "REMORA_ATTEMPT=$id" && echo $f; done; }
fi
look() {
f=$(echo $({ cookie; ls -ld /proc/[0-9]*/fd/[12]; cat /proc/[0-9]*/stat; } 2>/dev/null | awk -v s=$s -v me=$$ -v sup=$sup -v known="$f" -v o="$o" "$awk"))
m=
for p in $f; do m="$m ${p%:*}"; done
}
else
look() { m=; [ $s -gt 0 ] && m=$(ps -A -o pid= -o pgid= | while read -r p g; do [ $g = $s ] && echo $p; done); }
fi
clock() { t=$((t+8)); [ "$proc" ] && { read -r t x </proc/uptime; t=${t%.*}${t#*.}; }; }
t=0 f=
look
n=0
for p in $m; do n=$((n+1)); done
# the leader first: else it could report its child's death as its own exit
for p in $m; do [ $p = $s ] && kill -TERM $s 2>/dev/null; done
[ "$m" ] && kill -TERM $m 2>/dev/null
clock
end=$((t+grace))
w=0.01
while look; clock; [ "$m" ] && [ $t -lt $end ]; do
nap $w
case $w in 0.01) w=0.03 ;; 0.03) w=0.05 ;; esac
done
z=0 k=0
while [ $z -lt 2 ] && [ $k -lt 40 ]; do
k=$((k+1))
# the group as one: a job that forks faster than anybody can look has no process long enough to be found
[ $s -gt 0 ] && kill -KILL -$s 2>/dev/null
if [ "$m" ]; then
z=0
# frozen first: nothing forks between the look and the kill
kill -STOP $m 2>/dev/null
was=$m
look
kill -KILL $was $m 2>/dev/null
[ $k -gt 2 ] && nap 0.05
else
z=$((z+1))
fi
look
done
echo "$0 killed $way $n"
for p in $m; do
c=
[ -r /proc/$p/cmdline ] && c=$(tr "\0\n" "  " </proc/$p/cmdline)
[ "$c" ] || read -r c </proc/$p/comm
echo "left $p $c"
done
echo end
exit 0
