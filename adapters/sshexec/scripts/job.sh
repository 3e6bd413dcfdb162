# job.sh DIR: the leader of the job's session
remora_run=$1
remora_x=
[ -r /proc/$$/stat ] && read -r remora_x </proc/$$/stat
set -- ${remora_x##*) }
echo "$$ ${20:-0}" >"$remora_run/pid"
unset remora_x
[ "$PWD" = "$HOME" ] || cd 2>/dev/null
set --
. "$remora_run/cmd"
