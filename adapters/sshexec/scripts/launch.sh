# launch.sh ID BYTES FOLLOW JOB LINES: starts an attempt at most once, waits for its end and is its supervisor.
# stdin: a line with the path of the interpreter that must be there, or -; BYTES of shell code (the command), in
# LINES lines when that is not 0; then "end", then one "end" as often as the client wants to see output now;
# end of file lets the follower go, never the command.
echo "$0" >&2
# bash called sh reports no signals
[ "$BASH_VERSION" ] && set +o posix
id=$1
r=$HOME/.remora
d=$r/run/$id
command -v setsid >/dev/null || { echo "$0 nosetsid"; exit 0; }
mine=
mkdir -m 700 "$d" 2>/dev/null && mine=1
[ "$mine" ] || [ -d "$d" ] || { mkdir -m 700 "$r" 2>/dev/null; mkdir "$r/run" "$r/gone" 2>/dev/null; mkdir -m 700 "$d" 2>/dev/null && mine=1; }
[ "$mine" ] || [ -d "$d" ] || { echo "$0 nohome $HOME"; exit 0; }
[ "$mine" ] || { echo "$0 have"; exit 0; }
# a directory that was removed leaves a file in gone for a day: a launcher that was stuck on its way starts nothing
g=
[ -e "$r/gone/$id" ] && { read -r g <"$r/gone/$id"; rmdir "$d"; echo "$0 gone $g"; exit 0; }
shell=
read -r shell
# a short plain command is read by the shell itself: a process costs more than a hundred short reads
n=0
if [ "$5" = 0 ]; then head -c "$2"; else while [ $n -lt $5 ] && IFS= read -r l; do printf "%s\n" "$l"; n=$((n+1)); done; fi 2>/dev/null >"$d/cmd" || { ln -s void "$d/verdict"; echo "$0 nowrite $d"; exit 0; }
mark=
read -r mark
[ "$mark" = end ] || { ln -s void "$d/verdict"; echo "$0 torn"; exit 0; }
[ "$shell" = - ] || { [ -x "$shell" ] && [ ! -d "$shell" ]; } || { ln -s void "$d/verdict"; echo "$0 nostart"; echo "the server has no executable $shell"; exit 0; }
exec 3<&0 4>&2 </dev/null 2>"$d/sig"
# whoever makes verdict decides: a file is go, a link is void
set -C
true >"$d/verdict" || { echo "$0 void"; exit 0; }
set +C
boot=-
read -r boot </proc/sys/kernel/random/boot_id
born() { read -r born </proc/$1/stat; set -- ${born##*) }; born=${20:-0}; }
born $$
echo "$boot $$ $born" >"$d/sup"
# forked before the trap: a child that still has its parent's trap would swallow the TERM that ends it
{ read -r x <&3 && exec 2>&4 4>&- && exec sh -c "$3" "$0" "$d" 0 0 wait; exit 1; } &
h=$!
trap : HUP INT TERM
: >"$d/sig"
# in the foreground and in a subshell: that way INT and QUIT keep their meaning for the job, and the shell says on stderr
# (the file sig) when it was ended by a signal, which $? alone does not tell from exit 143
( exec 3<&- 4>&-; REMORA_ATTEMPT=$id; export REMORA_ATTEMPT; exec setsid sh -c "$4" sh "$d" >>"$d/out" 2>>"$d/err" )
c=$?
s=exit
[ -s "$d/sig" ] && s=signal
[ -s "$d/nostart" ] && s=nostart
echo "$c $s ." >"$d/exit"
exec 2>/dev/null
kill $h
wait $h
# only a follower that got no line from the client dies of the signal itself; any other has printed its own heading
[ $? = 143 ] || exit 0
exec 2>&4 4>&- 3<&-
[ $s = nostart ] && { echo "$0 nostart"; exec cat "$d/nostart"; }
p=0
[ -s "$d/pid" ] && read -r p x <"$d/pid"
echo "$0 done $boot $p $c $s"
[ ! -s "$d/out" ] || cat "$d/out" || exit 1
[ ! -s "$d/err" ] || exec cat "$d/err" >&2
exit 0
