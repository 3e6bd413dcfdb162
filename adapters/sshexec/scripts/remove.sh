# remove.sh SWEEP ID...: removes the directories of ended attempts and leaves a file in gone for each; SWEEP 1 also removes
# such files after a day, and directories that nobody removed 30 days after their end.
echo "$0" >&2
exec </dev/null
sweep=$1
shift
r=$HOME/.remora
cd "$r/run" 2>/dev/null || { echo "$0 removed 0"; exit 0; }
alive() { [ "${1:-0}" -gt 0 ] && kill -0 "$1" 2>/dev/null || return 1; [ -r "/proc/$1/stat" ] || return 0; read -r born <"/proc/$1/stat"; x=$2; set -- ${born##*) }; [ "$1" != Z ] && [ "${20:-0}" = "$x" ]; }
now=-
[ -r /proc/sys/kernel/random/boot_id ] && read -r now </proc/sys/kernel/random/boot_id
rm= n=0
for d do
[ -d "$d" ] || continue
boot=- sp=0 sb=0 p=0 pb=0
[ -s "$d/sup" ] && read -r boot sp sb <"$d/sup"
[ -s "$d/pid" ] && read -r p pb <"$d/pid"
if [ -h "$d/verdict" ]; then v=void
elif [ -s "$d/exit" ]; then v=done
elif [ ! -e "$d/verdict" ]; then continue
elif [ "$boot" = "$now" ] && { alive "$sp" "$sb" || alive "$p" "$pb"; }; then continue
else v=lost
fi
echo $v >"../gone/$d" || continue
rm="$rm $d"
n=$((n+1))
done
[ "$rm" ] && rm -rf $rm
if [ "$sweep" = 1 ]; then
find ../gone -type f -mtime +0 -exec rm -f {} + 2>/dev/null
for f in $(find . -name exit -mtime +30 2>/dev/null; find . -name verdict -type l -mtime +30 2>/dev/null); do rm -rf "${f%/*}"; done
fi
echo "$0 removed $n"
exit 0
