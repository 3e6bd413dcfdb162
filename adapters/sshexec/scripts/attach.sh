# attach.sh ID OUT ERR PATIENCE FOLLOW: tells how an attempt stands and prints what its output has beyond the offsets. An
# attempt without a verdict is made void, for ever, after PATIENCE looks.
echo "$0" >&2
id=$1
r=$HOME/.remora
d=$r/run/$id
exec 3<&0 </dev/null
if [ ! -d "$d" ]; then
g=
[ -e "$r/gone/$id" ] && { read -r g <"$r/gone/$id"; echo "$0 gone $g"; exit 0; }
mkdir -m 700 "$r" 2>/dev/null
mkdir "$r/run" "$r/gone" 2>/dev/null
mkdir -m 700 "$d" 2>/dev/null
[ -d "$d" ] || { echo "$0 nohome $HOME"; exit 0; }
fi
nap() { sleep $1 2>/dev/null || sleep 1; }
n=0
until [ -h "$d/verdict" ] || [ -e "$d/verdict" ] || [ $n -ge $4 ]; do nap 0.05; n=$((n+1)); done
[ -h "$d/verdict" ] || [ -e "$d/verdict" ] || ln -s void "$d/verdict" 2>/dev/null
[ -h "$d/verdict" ] && { echo "$0 void"; exit 0; }
now=-
[ -r /proc/sys/kernel/random/boot_id ] && read -r now </proc/sys/kernel/random/boot_id
alive() { [ "${1:-0}" -gt 0 ] && kill -0 "$1" 2>/dev/null || return 1; [ -r "/proc/$1/stat" ] || return 0; read -r born <"/proc/$1/stat"; x=$2; set -- ${born##*) }; [ "$1" != Z ] && [ "${20:-0}" = "$x" ]; }
n=0
until [ -s "$d/sup" ] || [ $n -ge 20 ]; do nap 0.05; n=$((n+1)); done
boot=- sp=0 sb=0 p=0 pb=0
facts() { [ -s "$d/sup" ] && read -r boot sp sb <"$d/sup"; [ -s "$d/pid" ] && read -r p pb <"$d/pid"; }
facts
# supervisor and job may both have ended between two looks at exit; it is looked at again after they are gone
if [ ! -s "$d/exit" ] && [ "$boot" = "$now" ]; then
{ alive "$sp" "$sb" || alive "$p" "$pb"; } && exec sh -c "$5" "$0" "$d" $2 $3 poll
nap 0.05
facts
fi
c= s= x=
[ -s "$d/exit" ] && read -r c s x <"$d/exit"
if [ "$x" = . ]; then
[ $s = nostart ] && { echo "$0 nostart"; exec cat "$d/nostart"; }
echo "$0 done $boot $p $c $s"
else
echo "$0 lost $boot $p $now"
fi
[ ! -s "$d/out" ] || tail -c +$(($2+1)) "$d/out" || exit 1
[ ! -s "$d/err" ] || exec tail -c +$(($3+1)) "$d/err" >&2
exit 0
